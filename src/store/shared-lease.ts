/**
 * Leases that many processes hold at once, as small files in one folder: who reads or writes here, and which snapshot. They lock
 * nothing; whoever wants to remove something asks who still needs it. A lease is renewed while its process lives and counts as over
 * when that process is certainly gone, or, on another host, when it was not renewed for its whole time to live.
 */
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { systemCodeOf } from '../core/failure.ts';
import { writeAtomic } from './atomic.ts';
import { type CommitFs, asStoreFailure } from './commit-fs.ts';
import { mayLive, thisProcess } from './process-identity.ts';
import { stagingName } from './staging.ts';

export const LEASE_KINDS = ['reader', 'writer'] as const;
export type LeaseKind = (typeof LEASE_KINDS)[number];

const recordSchema = z.strictObject({
  v: z.literal(1),
  kind: z.enum(LEASE_KINDS),
  pid: z.int(),
  host: z.string(),
  birth: z.string().nullable(),
  /** What the holder needs, e.g. a snapshot's number. */
  needs: z.int().nullable(),
  since: z.string(),
  renewed: z.string(),
  ttlMs: z.int().min(1),
});
export type LeaseRecord = z.infer<typeof recordSchema>;

export interface HoldOptions {
  /** Folder of the leases. */
  readonly folder: string;
  readonly kind: LeaseKind;
  readonly needs: number | null;
  readonly clock: Clock;
  readonly fs: CommitFs;
  /** Default 60 s; renewed three times in it. */
  readonly ttlMs?: number;
}

export interface SharedLease {
  /** Name of its file. */
  readonly name: string;
  release(): Promise<void>;
}

const TTL_MS = 60_000;

/** @throws StillhouseError environment when the folder cannot be written. */
export async function holdLease(options: HoldOptions): Promise<SharedLease> {
  const { folder, kind, needs, clock, fs, ttlMs = TTL_MS } = options;
  const name = stagingName(kind).replace(/^\./, '').replace(/tmp$/, 'json');
  const path = join(folder, name);
  const since = clock.nowIso();
  const write = (): Promise<void> => {
    const record: LeaseRecord = {
      v: 1,
      kind,
      ...thisProcess(),
      needs,
      since,
      renewed: clock.nowIso(),
      ttlMs,
    };
    return writeAtomic(path, `${JSON.stringify(record)}\n`, fs);
  };
  await write();
  // a folder that was removed is not made again
  const renew = async (): Promise<void> => {
    await fs.sizeBytes(path);
    await write();
  };
  let renewing: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    // a renewal that fails is made up for by the next; on this host the process itself is the proof
    renewing = renew().catch((error: unknown) => {
      if (!(error instanceof Error)) throw error;
    });
  }, ttlMs / 3);
  timer.unref();
  return {
    name,
    release: async () => {
      clearInterval(timer);
      await renewing;
      try {
        await fs.remove(path);
      } catch (error) {
        throw asStoreFailure(error, path);
      }
    },
  };
}

export interface FoundLease {
  readonly name: string;
  /** Null when the file holds no lease: it may be of a later version. */
  readonly record: LeaseRecord | null;
  readonly isLiving: boolean;
}

/** Every lease in a folder. What cannot be understood counts as living: it is not ours to judge. */
export async function readLeases(folder: string, clock: Clock, fs: CommitFs): Promise<FoundLease[]> {
  const now = Date.parse(clock.nowIso());
  const found: FoundLease[] = [];
  try {
    for (const name of (await fs.list(folder)).filter((name) => /^[a-z].*\.json$/.test(name)).sort()) {
      const record = await readRecord(join(folder, name), fs);
      if (record !== undefined)
        found.push({ name, record, isLiving: record === null || isLiving(record, now) });
    }
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return found;
    throw asStoreFailure(error, folder);
  }
  return found;
}

function isLiving(record: LeaseRecord, now: number): boolean {
  if (!mayLive(record)) return false;
  // one of this host whose process lives needs no clock; a clock that was set back only makes others' leases last longer
  const own = thisProcess();
  return record.host === own.host || now - Date.parse(record.renewed) <= record.ttlMs;
}

/** Undefined when it is gone. */
async function readRecord(path: string, fs: CommitFs): Promise<LeaseRecord | null | undefined> {
  try {
    const parsed = recordSchema.safeParse(JSON.parse(Buffer.from(await fs.read(path)).toString('utf8')));
    return parsed.success ? parsed.data : null;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    if (error instanceof SyntaxError) return null;
    throw asStoreFailure(error, path);
  }
}
