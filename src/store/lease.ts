/**
 * One process at a time in a folder. Ownership is a file that names its owner; a dead owner's file is taken over, so SIGKILL
 * leaves nothing that blocks the next start. Whether a process of another machine lives nobody here can know: a lease with an expiry is
 * renewed while it is held, and over when it was not renewed for its time to live; one without has to be removed by hand. Only whoever holds the take-over file beside it may remove a dead owner's file: of
 * many that find it at once, one takes it.
 */
import { resolve } from 'node:path';
import { z } from 'zod';
import type { Clock, Timer } from '../core/clock.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { writeAtomic, writeIfAbsent } from './atomic.ts';
import { type CommitFs, asStoreFailure, nodeFs } from './commit-fs.ts';
import { type ProcessIdentity, mayLive, thisProcess } from './process-identity.ts';

export interface Lease {
  /** Removes the file; a second call does nothing, for by then it may be another's. */
  release(): Promise<void>;
}

export interface LeaseOptions {
  readonly fs?: CommitFs;
  /** For folders that several machines share. */
  readonly expiry?: {
    readonly clock: Clock;
    /** Default 60 s; renewed three times in it. */
    readonly ttlMs?: number;
  };
}

const TTL_MS = 60_000;

const ownerSchema = z.object({
  pid: z.int(),
  host: z.string(),
  birth: z.string().nullable(),
  /** Of a lease with an expiry. */
  renewed: z.string().optional(),
  ttlMs: z.int().min(1).optional(),
});
type Owner = z.infer<typeof ownerSchema>;

/** Leases of this process: its own pid in a file says nothing about whether it still holds it. */
const held = new Set<string>();

/** @throws StillhouseError environment (exit code 5) when a living process, this one too, holds it. */
export async function takeLease(path: string, options: LeaseOptions = {}): Promise<Lease> {
  const taken = await tryLease(path, options);
  if ('owner' in taken) throw busy(path, taken.owner);
  return taken;
}

/** The lease, or the living process that holds it. @throws StillhouseError environment when the folder cannot be used. */
export async function tryLease(
  path: string,
  options: LeaseOptions = {},
): Promise<Lease | { readonly owner: ProcessIdentity }> {
  const { fs = nodeFs, expiry } = options;
  const key = resolve(path);
  const mine = thisProcess();
  if (held.has(key)) return { owner: mine };
  held.add(key);
  try {
    const owner = await settle(path, { mine, fs, expiry });
    if (owner !== null) {
      held.delete(key);
      return { owner };
    }
  } catch (error) {
    held.delete(key);
    throw error;
  }
  const isOurs = async (): Promise<boolean> => {
    const owner = await readOwner(path, fs);
    return owner !== null && owner.host === mine.host && owner.pid === mine.pid && owner.birth === mine.birth;
  };
  let renewing: Promise<void> = Promise.resolve();
  const renew = async (): Promise<void> => {
    // one that was taken over, because this process stood still for too long, is another's now
    if (await isOurs()) await writeAtomic(path, ownerText(mine, expiry), fs);
  };
  const timer =
    expiry &&
    setInterval(
      () => {
        // a renewal that fails is made up for by the next
        renewing = renew().catch((error: unknown) => {
          if (!(error instanceof Error)) throw error;
        });
      },
      (expiry.ttlMs ?? TTL_MS) / 3,
    ).unref();
  let released = false;
  return {
    release: async () => {
      if (released) return;
      released = true;
      clearInterval(timer);
      await renewing;
      try {
        if (expiry === undefined || (await isOurs())) await fs.remove(path);
      } catch (error) {
        throw asStoreFailure(error, path);
      } finally {
        held.delete(key);
      }
    },
  };
}

const ownerText = (mine: ProcessIdentity, expiry: LeaseOptions['expiry']): string =>
  JSON.stringify(expiry ? { ...mine, renewed: expiry.clock.nowIso(), ttlMs: expiry.ttlMs ?? TTL_MS } : mine);

export interface WaitOptions {
  readonly timer: Timer;
  readonly signal: AbortSignal;
  /** Between two looks. */
  readonly everyMs: number;
  /** How long the holder may show no progress before waiting ends: on another machine it may have died. */
  readonly patienceMs: number;
  /** Something that changes while the holder works. */
  readonly progress: () => Promise<unknown>;
  /** Called once, when there is something to wait for. */
  readonly onWait: (owner: ProcessIdentity) => void;
}

/** Waits for a living holder. @throws StillhouseError environment when it shows no progress for too long. */
export async function awaitLease(path: string, options: WaitOptions, fs: CommitFs = nodeFs): Promise<Lease> {
  const { timer } = options;
  let seen: unknown;
  let seenAtMs = timer.elapsedMs();
  for (let look = 0; ; look++) {
    const taken = await tryLease(path, { fs });
    if (!('owner' in taken)) return taken;
    if (look === 0) options.onWait(taken.owner);
    const progress = await options.progress();
    if (progress !== seen) [seen, seenAtMs] = [progress, timer.elapsedMs()];
    if (timer.elapsedMs() - seenAtMs >= options.patienceMs) throw busy(path, taken.owner);
    await timer.sleep(options.everyMs, options.signal);
  }
}

interface Claim {
  readonly mine: ProcessIdentity;
  readonly fs: CommitFs;
  readonly expiry: LeaseOptions['expiry'];
}

/** Null when the lease is ours, else the living process that holds it. */
async function settle(path: string, { mine, fs, expiry }: Claim): Promise<ProcessIdentity | null> {
  const file = ownerText(mine, expiry);
  const isHeld = (owner: Owner | null): owner is Owner =>
    owner !== null && isHeldBy(owner, mine) && !isOver(owner, expiry?.clock);
  for (let attempt = 0; attempt < 10; attempt++) {
    if (await writeIfAbsent(path, file, fs)) return null;
    const owner = await readOwner(path, fs);
    if (isHeld(owner)) return owner;
    const takeOver = `${path}.takeover`;
    if (!(await writeIfAbsent(takeOver, file, fs))) {
      const other = await readOwner(takeOver, fs);
      if (isHeld(other)) return other;
      await fs.remove(takeOver);
      continue;
    }
    try {
      // read again: whoever held the take-over file before may have put a living owner's file here
      const found = await readOwner(path, fs);
      if (isHeld(found)) return found;
      await fs.remove(path);
      if (await writeIfAbsent(path, file, fs)) return null;
    } finally {
      await fs.remove(takeOver);
    }
  }
  throw new Error(`internal: could not settle who owns ${path}`);
}

function isHeldBy(owner: ProcessIdentity, mine: ProcessIdentity): boolean {
  const self = owner.host === mine.host && owner.pid === mine.pid;
  return !self && mayLive(owner);
}

/** A clock that was set back only makes others' leases last longer. */
function isOver({ host, renewed, ttlMs }: Owner, clock: Clock | undefined): boolean {
  if (clock === undefined || renewed === undefined || ttlMs === undefined) return false;
  return host !== thisProcess().host && Date.parse(clock.nowIso()) - Date.parse(renewed) > ttlMs;
}

/** Null when the file is gone or holds no owner. */
async function readOwner(path: string, fs: CommitFs): Promise<Owner | null> {
  try {
    const parsed = ownerSchema.safeParse(JSON.parse(Buffer.from(await fs.read(path)).toString('utf8')));
    return parsed.success ? parsed.data : null;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT' || error instanceof SyntaxError) return null;
    throw asStoreFailure(error, path);
  }
}

function busy(path: string, owner: ProcessIdentity): StillhouseError {
  return new StillhouseError({
    kind: 'environment',
    what: 'another stillhouse process works in this folder',
    where: path,
    got: `process ${owner.pid} on ${owner.host}`,
    next: 'wait for it, or choose another --out; remove the file only if that process is gone',
  });
}
