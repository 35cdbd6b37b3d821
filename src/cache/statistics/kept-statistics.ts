/**
 * Statistics that are measured once per space and set of rows, and found again: `statistics/measured/<space>.json` names the file of
 * the last measurement and the rows it was over. Only a note: which statistics codecs are built from is decided elsewhere
 * (statistics-files.ts), and a note that is damaged, or whose file is gone, means measuring again.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { canonicalJson } from '../../core/canonical-json.ts';
import { merkleRoot } from '../../core/digest.ts';
import { isStillhouseError, systemCodeOf } from '../../core/failure.ts';
import { writeAtomic } from '../../store/atomic.ts';
import { type CommitFs, asStoreFailure } from '../../store/commit-fs.ts';
import type { CachedSpace } from '../catalogue.ts';
import type { RowKey } from '../row-key.ts';
import type { FeatureStatistics } from './feature-statistics.ts';
import { type MeasureOptions, measureSpace } from './measure-space.ts';
import { readStatistics, writeStatistics } from './statistics-files.ts';

export interface KeptStatistics {
  readonly statistics: FeatureStatistics;
  readonly statsSha256: string;
  /** False when they were measured now. */
  readonly isReused: boolean;
}

export interface KeepOptions extends Pick<MeasureOptions, 'signal' | 'onProgress'> {
  readonly space: CachedSpace;
  /** Measures the first so many usable rows by key, which is a random choice. Default: all. */
  readonly rows?: number | undefined;
  readonly fs: CommitFs;
}

/** Null when no row is usable. @throws StillhouseError integrity when a part is damaged */
export async function keptStatistics(options: KeepOptions): Promise<KeptStatistics | null> {
  const { space, fs, rows, ...how } = options;
  const keys = usableKeys(space).slice(0, rows);
  const note = { v: 1, keysDigest: merkleRoot(keys) } as const;
  const known = await noted(space, note.keysDigest, fs);
  if (known !== null) return known;
  const statistics = await measureSpace({ space, keys, ...how });
  if (statistics === null) return null;
  const statsSha256 = await writeStatistics(space.root, statistics, fs);
  await writeAtomic(notePath(space), `${canonicalJson({ ...note, statsSha256 })}\n`, fs);
  return { statistics, statsSha256, isReused: false };
}

/** Sorted: keys begin with the digest of an image, so the first n are a random choice that does not depend on the parts. */
function usableKeys({ rows }: CachedSpace): RowKey[] {
  return [...rows.keys()]
    .filter((key) => {
      const place = rows.get(key)!;
      return place.part.index.ok[place.row] === 1;
    })
    .sort();
}

const notePath = ({ root, id }: CachedSpace): string => join(root, 'statistics', 'measured', `${id}.json`);

const noteSchema = z.strictObject({
  v: z.literal(1),
  keysDigest: z.string(),
  statsSha256: z.string().regex(/^[0-9a-f]{64}$/),
});

async function noted(space: CachedSpace, keysDigest: string, fs: CommitFs): Promise<KeptStatistics | null> {
  const path = notePath(space);
  let text: string;
  try {
    text = Buffer.from(await fs.read(path)).toString('utf8');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw asStoreFailure(error, path);
  }
  const note = noteSchema.safeParse(parsedOrNull(text));
  if (!note.success || note.data.keysDigest !== keysDigest) return null;
  const { statsSha256 } = note.data;
  try {
    return { statistics: await readStatistics(space.root, statsSha256, fs), statsSha256, isReused: true };
  } catch (error) {
    if (!isStillhouseError(error, 'integrity')) throw error;
    return null;
  }
}

function parsedOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
