/**
 * Statistics that are measured once per space and set of rows, and found again: `statistics/measured/<space>-<rows>.json` names
 * the file. Only a note: which statistics codecs are built from is decided elsewhere
 * (statistics-files.ts), and a note that is damaged, or whose file is gone, means measuring again.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { canonicalJson } from '../../core/canonical-json.ts';
import type { Clock } from '../../core/clock.ts';
import { merkleRoot } from '../../core/digest.ts';
import { isStillhouseError } from '../../core/failure.ts';
import { jsonOrNull } from '../../core/json-or-null.ts';
import { writeAtomic } from '../../store/atomic.ts';
import type { CommitFs } from '../../store/commit-fs.ts';
import { readTextOrNull } from '../../store/read-or-null.ts';
import type { CachedSpace } from '../catalogue.ts';
import { listOrNone } from '../journal.ts';
import type { RowKey } from '../row-key.ts';
import { codedLabel } from '../space.ts';
import { whileWriting } from '../writer-lease.ts';
import type { FeatureStatistics } from './feature-statistics.ts';
import { type MeasureOptions, measureSpace } from './measure-space.ts';
import { readStatistics, statisticsFile, writeStatistics } from './statistics-files.ts';

export interface KeptStatistics {
  readonly statistics: FeatureStatistics;
  readonly statsSha256: string;
  /** False when they were measured now. */
  readonly isReused: boolean;
}

export interface KeepOptions extends Pick<MeasureOptions, 'signal' | 'onProgress'> {
  readonly space: CachedSpace;
  readonly clock: Clock;
  /** Rows to choose from; those that are absent or not usable are left out. Default: all. */
  readonly keys?: Iterable<RowKey>;
  /** Measures the first so many of them by key, which is a random choice. Default: all. */
  readonly rows?: number | undefined;
}

/** Null when no row is usable. @throws StillhouseError integrity when a part is damaged */
export async function keptStatistics(options: KeepOptions): Promise<KeptStatistics | null> {
  const { space, clock, keys: among, rows, ...how } = options;
  const { root, fs } = space;
  const keys = usableKeys(space, among ?? space.rows.keys()).slice(0, rows);
  const note = { v: 1, keysDigest: merkleRoot(keys) } as const;
  const known = await noted(space, note.keysDigest);
  if (known !== null) return known;
  const statistics = await measureSpace({ space, keys, ...how });
  if (statistics === null) return null;
  // until the note names them, only the lease keeps them from a collector
  const statsSha256 = await whileWriting({ root, clock, fs }, async () => {
    const written = await writeStatistics(root, statistics, fs);
    await writeAtomic(
      notePath(space, note.keysDigest),
      `${canonicalJson({ ...note, statsSha256: written })}\n`,
      fs,
    );
    return written;
  });
  return { statistics, statsSha256, isReused: false };
}

/** What is told of statistics beside their arrays; the file holds those. */
export function figuresOf({ id, descriptor }: CachedSpace, { statistics, statsSha256 }: KeptStatistics) {
  const { facts, mean, std } = statistics;
  return {
    space: codedLabel(descriptor),
    id,
    ...facts,
    channels: mean.length,
    std: {
      min: std.reduce((least, value) => Math.min(least, value), Infinity),
      max: std.reduce((most, value) => Math.max(most, value), 0),
    },
    /** Below the cache: mean, std, range, covariance, spectrum and position means. */
    file: statisticsFile(statsSha256),
  };
}

/** Sorted: keys begin with the digest of an image, so the first n are a random choice that does not depend on the parts. */
function usableKeys({ rows }: CachedSpace, among: Iterable<RowKey>): RowKey[] {
  return [...new Set(among)]
    .filter((key) => {
      const place = rows.get(key);
      return place !== undefined && place.part.index.ok[place.row] === 1;
    })
    .sort();
}

/** One note per set of rows: a run on a training set and a look at the whole cache do not undo each other. */
const notePath = ({ root, id }: CachedSpace, keysDigest: string): string =>
  join(root, 'statistics', 'measured', `${id}-${keysDigest.slice(0, 16)}.json`);

const noteSchema = z.strictObject({
  v: z.literal(1),
  keysDigest: z.string(),
  statsSha256: z.string().regex(/^[0-9a-f]{64}$/),
});

/** Every note, with the space it is about; null where it is damaged, and names nothing. */
export async function readNotes(
  root: string,
  fs: CommitFs,
): Promise<{ readonly file: string; readonly space: string; readonly statsSha256: string | null }[]> {
  const notes: { file: string; space: string; statsSha256: string | null }[] = [];
  for (const name of (await listOrNone(join(root, 'statistics', 'measured'), fs)).sort()) {
    const [, space] = /^([a-z2-7]+)-[0-9a-f]{16}\.json$/.exec(name) ?? [];
    const file = `statistics/measured/${name}`;
    const text = space === undefined ? null : await readTextOrNull(join(root, file), fs);
    if (text === null) continue;
    const note = noteSchema.safeParse(jsonOrNull(text));
    notes.push({ file, space: space!, statsSha256: note.success ? note.data.statsSha256 : null });
  }
  return notes;
}

async function noted(space: CachedSpace, keysDigest: string): Promise<KeptStatistics | null> {
  const { root, fs } = space;
  const path = notePath(space, keysDigest);
  const text = await readTextOrNull(path, fs);
  if (text === null) return null;
  const note = noteSchema.safeParse(jsonOrNull(text));
  if (!note.success || note.data.keysDigest !== keysDigest) return null;
  const { statsSha256 } = note.data;
  try {
    return { statistics: await readStatistics(root, statsSha256, fs), statsSha256, isReused: true };
  } catch (error) {
    if (!isStillhouseError(error, 'integrity')) throw error;
    return null;
  }
}
