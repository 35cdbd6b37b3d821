/** Which part of a fill was busy, and which waited for which: what tells a person where more threads or a faster disk would help. */

/** Times in milliseconds, summed over the threads of a part. */
export interface FillUsage {
  readonly wallMs: number;
  readonly decode: {
    readonly threads: number;
    readonly busyMs: number;
    /** Images were not handed out because every batch was full: the engine is behind. */
    readonly waitsForEngineMs: number;
    /** Images were not handed out because finished units were not yet written: the disk is behind. */
    readonly waitsForWriteMs: number;
  };
  readonly engine: {
    readonly lanes: number;
    readonly busyMs: number;
  };
  readonly write: { readonly busyMs: number };
}

/** Shares of the wall time, 0 to 1. */
export interface FillShares {
  readonly decode: number;
  readonly engine: number;
  readonly write: number;
  /** The engine had nothing to do. */
  readonly engineIdle: number;
  readonly waitsForEngine: number;
  readonly waitsForWrite: number;
}

export function sharesOf({ wallMs, decode, engine, write }: FillUsage): FillShares {
  const share = (ms: number, threads = 1): number =>
    wallMs > 0 ? Math.min(1, Math.round((1000 * ms) / (wallMs * threads)) / 1000) : 0;
  const engineShare = share(engine.busyMs, engine.lanes);
  return {
    decode: share(decode.busyMs, decode.threads),
    engine: engineShare,
    write: share(write.busyMs),
    engineIdle: Math.round(1000 * (1 - engineShare)) / 1000,
    waitsForEngine: share(decode.waitsForEngineMs),
    waitsForWrite: share(decode.waitsForWriteMs),
  };
}

/** `decode 12% | engine 97% | write 4%` */
export function usageText(usage: FillUsage): string {
  const shares = sharesOf(usage);
  return (['decode', 'engine', 'write'] as const)
    .map((part) => `${part} ${Math.round(100 * shares[part])}%`)
    .join(' | ');
}
