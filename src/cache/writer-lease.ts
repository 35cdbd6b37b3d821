/** Says to a collector that somebody writes, for work that writes files which nothing names until it ends. */
import { join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import type { CommitFs } from '../store/commit-fs.ts';
import { type SharedLease, holdLease } from '../store/shared-lease.ts';

export interface WritingAt {
  readonly root: string;
  readonly clock: Clock;
  readonly fs: CommitFs;
}

/** @throws StillhouseError environment when the cache cannot be written. */
export const holdWriterLease = ({ root, clock, fs }: WritingAt): Promise<SharedLease> =>
  holdLease({ folder: join(root, 'leases'), kind: 'writer', needs: null, clock, fs });

/** Holds a writer's lease while `work` runs. */
export async function whileWriting<T>(at: WritingAt, work: () => Promise<T>): Promise<T> {
  const lease = await holdWriterLease(at);
  try {
    return await work();
  } finally {
    await lease.release();
  }
}
