/**
 * Keeps what is being read from the collector: a reader pins a snapshot that has all of it, by a lease that lives as long as the
 * reader. Where nothing can be written, nothing is pinned, and nothing is collected from there either.
 */
import type { Clock } from '../core/clock.ts';
import { isStillhouseError } from '../core/failure.ts';
import type { CommitFs } from '../store/commit-fs.ts';
import { type SharedLease, holdLease } from '../store/shared-lease.ts';
import { join } from 'node:path';
import { type Catalogue, checkFormat } from './catalogue.ts';
import { publishSnapshot } from './publish.ts';
import { tryReadSnapshot } from './snapshot.ts';

export interface ReaderLease {
  /** The pinned snapshot; null where the cache cannot be written, or does not exist. */
  readonly snapshot: number | null;
  /** A second call does nothing. */
  release(): Promise<void>;
}

export interface HoldCatalogueOptions {
  readonly clock: Clock;
  readonly fs: CommitFs;
  /** Names the writer of the snapshot, where one must be written first. */
  readonly writer: string;
}

/** Nothing to pin. */
const NONE: ReaderLease = { snapshot: null, release: () => Promise.resolve() };

/**
 * Pins what a catalogue names. Call before the first read and release after the last.
 * @throws StillhouseError integrity when the journals are damaged.
 */
export async function holdCatalogue(
  catalogue: Catalogue,
  options: HoldCatalogueOptions,
): Promise<ReaderLease> {
  const { root } = catalogue;
  const { clock, fs, writer } = options;
  if (!(await checkFormat(root, fs))) return NONE;
  try {
    let n = catalogue.isPublished ? catalogue.snapshot?.n : undefined;
    for (;;) {
      n ??= (await publishSnapshot({ root, writer, clock, fs })).body.n;
      const lease = await holdLease({ folder: join(root, 'leases'), kind: 'reader', needs: n, clock, fs });
      // a collector that had not seen the lease has taken the snapshot away by now, or will look again and bring it back
      const pinned = await tryReadSnapshot(root, n, fs);
      if (pinned !== null && 'body' in pinned) return { snapshot: n, release: once(lease) };
      await lease.release();
      n = undefined;
    }
  } catch (error) {
    if (isStillhouseError(error, 'environment')) return NONE;
    throw error;
  }
}

function once(lease: SharedLease): () => Promise<void> {
  let released: Promise<void> | null = null;
  return () => (released ??= lease.release());
}
