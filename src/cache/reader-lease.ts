/**
 * Keeps what is being read from the collector: a reader pins a snapshot that has all of it, by a lease that lives as long as the
 * reader. Where nothing can be written, nothing is pinned, and nothing is collected from there either.
 */
import type { Clock } from '../core/clock.ts';
import { StillhouseError } from '../core/failure.ts';
import type { CommitFs } from '../store/commit-fs.ts';
import { isReadOnly } from '../store/read-only.ts';
import { type SharedLease, holdLease } from '../store/shared-lease.ts';
import { join } from 'node:path';
import { type Catalogue, checkFormat } from './catalogue.ts';
import { publishSnapshot } from './publish.ts';
import { type SnapshotBody, tryReadSnapshot } from './snapshot.ts';

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
 * @throws StillhouseError integrity when the journals are damaged, or parts of the catalogue were dropped since it was opened;
 * environment when the store fails.
 */
export async function holdCatalogue(
  catalogue: Catalogue,
  options: HoldCatalogueOptions,
): Promise<ReaderLease> {
  const { root } = catalogue;
  if (!(await checkFormat(root, options.fs))) return NONE;
  try {
    const own = catalogue.isPublished ? catalogue.snapshot : null;
    return (own && (await pin(catalogue, own.n, options))) ?? (await pinNewest(catalogue, options));
  } catch (error) {
    if (isReadOnly(error)) return NONE;
    throw error;
  }
}

/** Pins the newest snapshot, written first where the journals say more. */
async function pinNewest(catalogue: Catalogue, options: HoldCatalogueOptions): Promise<ReaderLease> {
  const { root } = catalogue;
  const { clock, fs, writer } = options;
  for (;;) {
    const { n } = (await publishSnapshot({ root, writer, clock, fs })).body;
    const lease = await pin(catalogue, n, options);
    if (lease) return lease;
  }
}

/** Null when the snapshot cannot be read any more. */
async function pin(
  catalogue: Catalogue,
  n: number,
  { clock, fs }: HoldCatalogueOptions,
): Promise<ReaderLease | null> {
  const { root } = catalogue;
  const lease = await holdLease({ folder: join(root, 'leases'), kind: 'reader', needs: n, clock, fs });
  let isPinned = false;
  try {
    // a collector that had not seen the lease has taken the snapshot away by now, or will look again and bring it back
    const pinned = await tryReadSnapshot(root, n, fs);
    if (pinned === null || 'trouble' in pinned) return null;
    checkHasAll(pinned.body, catalogue);
    isPinned = true;
    return { snapshot: n, release: once(lease) };
  } finally {
    if (!isPinned) await lease.release();
  }
}

/** A snapshot that is newer than the catalogue may lack what was dropped in between. */
function checkHasAll({ n, spaces, loose }: SnapshotBody, { root, spaces: read }: Catalogue): void {
  const listed = new Set(loose.map(({ part }) => part.file));
  for (const [folder, segments] of Object.entries(spaces))
    for (const { parts } of segments) for (const name of parts) listed.add(`${folder}/${name}`);
  const lacking = [...read.values()].flatMap(({ parts }) =>
    parts.filter(({ entry }) => !listed.has(entry.file)),
  );
  if (lacking.length === 0) return;
  throw new StillhouseError({
    kind: 'integrity',
    what: 'what is about to be read was dropped from the cache since it was opened',
    where: `${root}, snapshot ${n}`,
    wanted: lacking[0]!.entry.file,
    got: `${lacking.length} missing ${lacking.length === 1 ? 'part' : 'parts'}`,
    next: 'open the cache again: run the same command again',
  });
}

function once(lease: SharedLease): () => Promise<void> {
  let released: Promise<void> | null = null;
  return () => (released ??= lease.release());
}
