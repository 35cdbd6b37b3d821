/**
 * Writing snapshots. New parts become one more index file per space; an index file that is no larger than what comes is taken
 * into it, so a space of n parts has at most log2(n) of them, and each row is written again at most that often.
 */
import { join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { sha256 } from '../core/digest.ts';
import { isStillhouseError } from '../core/failure.ts';
import { writeAtomic } from '../store/atomic.ts';
import type { CommitFs } from '../store/commit-fs.ts';
import { type IndexedPart, encodeSegment } from './index-segment.ts';
import type { ListedPart } from './journal.ts';
import { openPart } from './open-part.ts';
import { type FolderList, type PartList, readPartList } from './part-list.ts';
import {
  type SegmentEntry,
  type Snapshot,
  snapshotNumbers,
  tryReadSnapshot,
  writeSnapshotFile,
} from './snapshot.ts';
import { readDescriptors } from './space-files.ts';
import { type SpaceDescriptor, spaceFolderName } from './space.ts';

export interface PublishOptions {
  readonly root: string;
  readonly writer: string;
  readonly clock: Clock;
  readonly fs: CommitFs;
}

/**
 * Writes a snapshot of what is committed, or gives the newest one when it has all of that. Others may publish at the same time.
 * @throws StillhouseError as {@link readPartList}; environment when the cache cannot be written.
 */
export async function publishSnapshot(options: PublishOptions): Promise<Snapshot> {
  const { root, writer, clock, fs } = options;
  for (;;) {
    const list = await readPartList(root, fs, { folders: 'touched' });
    if (list.snapshot && isCurrent(list)) return list.snapshot;
    const spaces: Record<string, SegmentEntry[]> = Object.fromEntries(
      [...list.others].map(([folder, segments]) => [folder, [...segments]]),
    );
    const loose: ListedPart[] = [];
    const descriptors = new Map<string, SpaceDescriptor>(
      (await readDescriptors(root, fs)).map((space) => [spaceFolderName(space), space]),
    );
    for (const [folder, found] of [...list.folders].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const made = await indexFolder({ root, fs, folder, found, space: descriptors.get(folder) });
      if (made.segments.length > 0) spaces[folder] = made.segments;
      loose.push(...made.loose);
    }
    const n = 1 + ((await snapshotNumbers(root, fs))[0] ?? 0);
    const { heads, drops, rates } = list;
    const body = {
      v: 1 as const,
      n,
      at: clock.nowIso(),
      writer,
      heads: { ...heads },
      spaces,
      loose: loose.map(({ part, listings }) => ({ part, listings: [...listings] })),
      drops: [...drops],
      rates: rates as Snapshot['body']['rates'],
    };
    if (!(await writeSnapshotFile(root, body, fs))) continue;
    const written = await tryReadSnapshot(root, n, fs);
    if (written !== null && 'body' in written) return written;
  }
}

/** Whether a snapshot has all that the journals say. */
export function isCurrent(list: PartList): boolean {
  const heads = list.snapshot?.body.heads ?? {};
  return (
    list.trouble.length === 0 && Object.entries(list.heads).every(([writer, seq]) => heads[writer] === seq)
  );
}

interface Indexing {
  readonly root: string;
  readonly fs: CommitFs;
  readonly folder: string;
  readonly found: FolderList;
  readonly space: SpaceDescriptor | undefined;
}

async function indexFolder({ root, fs, folder, found, space }: Indexing): Promise<{
  readonly segments: SegmentEntry[];
  readonly loose: readonly ListedPart[];
}> {
  const kept = [...found.segments];
  const covered = new Set(kept.flatMap((segment) => segment.parts.map((name) => `${folder}/${name}`)));
  const fresh: IndexedPart[] = [];
  const loose: ListedPart[] = [];
  for (const known of found.parts.values()) {
    if (covered.has(known.part.file)) continue;
    const indexed = known.indexed ?? (space === undefined ? null : await tryIndex(root, known, space, fs));
    if (indexed) fresh.push({ ...indexed, listings: known.listings });
    else loose.push({ part: known.part, listings: known.listings });
  }
  if (fresh.length === 0) return { segments: kept, loose };
  const rowsOf = (parts: readonly IndexedPart[]): number =>
    parts.reduce((sum, { part }) => sum + part.rows, 0);
  while (kept.length > 0 && kept.at(-1)!.rows <= rowsOf(fresh))
    fresh.unshift(
      ...kept.pop()!.parts.map((name): IndexedPart => {
        const known = found.parts.get(`${folder}/${name}`)!;
        return { ...known.indexed!, listings: known.listings };
      }),
    );
  const bytes = encodeSegment(fresh);
  const hash = sha256(bytes);
  const file = `${folder}/${hash.slice(0, 32)}.arrow`;
  await writeAtomic(join(root, 'index', file), bytes, fs);
  kept.push({
    file,
    sha256: hash,
    rows: rowsOf(fresh),
    bytes: fresh.reduce((sum, { part }) => sum + part.sizeBytes, 0),
    parts: fresh.map(({ part }) => part.file.slice(folder.length + 1)),
  });
  return { segments: kept, loose };
}

/** Null when the part cannot be opened now: it stays listed, and readers say what is wrong with it. */
async function tryIndex(
  root: string,
  { part, listings }: ListedPart,
  space: SpaceDescriptor,
  fs: CommitFs,
): Promise<IndexedPart | null> {
  try {
    const opened = await openPart({ root, entry: part, space, fs });
    return opened && { part, listings, layout: opened.layout, index: opened.index };
  } catch (error) {
    if (isStillhouseError(error, 'integrity')) return null;
    throw error;
  }
}
