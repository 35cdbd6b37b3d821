/**
 * Evidence about the images that a curation still holds, searched for anew each time it asks: all pairs within the set, and of the
 * set with each evaluation set, at the levels of the policy. Nothing is cut off at a bucket or a cluster.
 */
import type { EvidencePair, HashLevel, Threshold } from '../audit/evidence.ts';
import { exactPairsAcross, exactPairsWithin } from '../audit/exact-pairs.ts';
import { type HashList, hashPairsAcross, hashPairsWithin, isWhole } from '../audit/hash-pairs.ts';
import { pairsAbove } from '../audit/neighbours/pairs-above.ts';
import { teacherPairsAcross, teacherPairsWithin } from '../audit/teacher-pairs.ts';
import type { ImageId } from '../core/ids.ts';
import type { FoundEvidence } from '../curate/curate.ts';
import type { EvaluationEvidence } from '../curate/thresholds.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { RgbImage } from '../images/rgb-image.ts';
import { type ImageHashes, hashOf, variantsOf } from './audit-hashes.ts';
import { centre, zeroRows } from './cached-spaces.ts';
import { type LevelSource, otherDimension } from './curate-embeddings.ts';
import { pixelVerifier } from './curate-pixels.ts';
import type { OpenDataset } from './dataset-access.ts';
import type { Matrix } from './embedding-files.ts';

export interface EvidenceOptions {
  readonly train: OpenDataset;
  readonly evaluations: readonly OpenDataset[];
  readonly decontaminate: readonly Threshold[];
  readonly deduplicate: readonly Threshold[];
  readonly hashes: ReadonlyMap<ImageId, ImageHashes>;
  /** Of the levels that the thresholds name. */
  readonly sources: readonly LevelSource[];
  readonly decode: (row: ImageRow) => Promise<RgbImage>;
  readonly workers: number;
  readonly signal: AbortSignal;
  /** Told once for each level and evaluation set with images that the level cannot compare: nothing is known of those. */
  readonly onUncompared: (uncompared: Uncompared) => void;
  /** Most pairs of a hash level between two sides (audit/hash-pairs.ts). */
  readonly pairBudget: number;
  /** Told by each search whose thresholds ask for verified pixels. */
  readonly onCandidates: (lists: readonly CandidateList[]) => void;
}

export interface Uncompared {
  readonly level: string;
  readonly set: string;
  readonly images: number;
}

/** Hashes propose what is laid over each other: within 10 bits, as in an audit, and as far as the pair budget goes. */
const CANDIDATE_RADIUS = 10;

/** How far a search listed the candidates of a verification, within the set or against an evaluation set. */
export interface CandidateList extends Pick<HashList, 'level' | 'radius' | 'listedTo' | 'hubs'> {
  /** Null within the set. */
  readonly set: string | null;
  /** Images of the second side, or of the set, with candidates that were not compared. */
  readonly open: number;
}

/** Neighbours of one image per search; where there are more, the next search finds them. */
const MOST_NEIGHBOURS = 64;

export type EvidenceFinder = (rows: readonly ImageRow[]) => Promise<FoundEvidence>;

export async function evidenceFinder(options: EvidenceOptions): Promise<EvidenceFinder> {
  const levels = await Promise.all(options.sources.map((source) => loadLevel(source, options)));
  const laidOver = pixelVerifier({
    ...options,
    rows: [...options.train.rows, ...options.evaluations.flatMap((set) => set.rows)],
  });
  const within = remembered((rows) =>
    pixelLevelPairs(rows, rows, { ...options, thresholds: options.deduplicate, within: true }),
  );
  const across = options.evaluations.map((set) =>
    remembered((rows) =>
      pixelLevelPairs(rows, set.rows, { ...options, thresholds: options.decontaminate, within: false }),
    ),
  );
  return async (rows) => {
    options.signal.throwIfAborted();
    const near = { within: within(rows), across: across.map((search) => search(rows)) };
    const found = { within: [...near.within.pairs], across: near.across.map(({ pairs }) => [...pairs]) };
    const unusable = new Map<ImageId, string>();
    for (const level of levels) await addLevel(level, { rows, options, found, unusable });
    options.onCandidates([
      ...candidatesOf(null, near.within.lists, options.deduplicate),
      ...near.across.flatMap(({ lists }, i) =>
        candidatesOf(options.evaluations[i]!.from, lists, options.decontaminate),
      ),
    ]);
    const evaluations: EvaluationEvidence[] = [];
    for (const [i, set] of options.evaluations.entries())
      evaluations.push({ set: set.from, pairs: await laidOver(found.across[i]!, options.decontaminate) });
    return { within: await laidOver(found.within, options.deduplicate), evaluations, unusable };
  };
}

const asksForPixels = (thresholds: readonly Threshold[]): boolean =>
  thresholds.some(({ level }) => level === 'verified');

function candidatesOf(
  set: string | null,
  lists: readonly HashList[],
  thresholds: readonly Threshold[],
): CandidateList[] {
  if (!asksForPixels(thresholds)) return [];
  return lists.map(({ level, radius, listedTo, hubs, open }) => ({
    ...{ set, level, radius, listedTo, hubs },
    open: open.size,
  }));
}

interface PixelLevelPairs {
  readonly pairs: readonly EvidencePair[];
  readonly lists: readonly HashList[];
  /** Nothing was cut off, so that the pairs of some of these images are among these. */
  readonly isWhole: boolean;
}

/** A search of fewer images than the last one needs none where that one found everything. */
function remembered(
  search: (rows: readonly ImageRow[]) => PixelLevelPairs,
): (rows: readonly ImageRow[]) => PixelLevelPairs {
  let last: (PixelLevelPairs & { readonly ids: ReadonlySet<ImageId> }) | null = null;
  return (rows) => {
    const ids = new Set(rows.map(({ id }) => id));
    const known = last;
    const isPart = known !== null && known.isWhole && rows.every(({ id }) => known.ids.has(id));
    const found = isPart
      ? {
          ...known,
          pairs: known.pairs.filter(({ type, a, b }) => ids.has(a) && (type === 'train-eval' || ids.has(b))),
        }
      : search(rows);
    last = { ...found, ids };
    return found;
  };
}

interface PixelLevels {
  readonly hashes: ReadonlyMap<ImageId, ImageHashes>;
  readonly thresholds: readonly Threshold[];
  readonly pairBudget: number;
  readonly within: boolean;
}

/** More exact pairs than this may be a spanning set of them (audit/exact-pairs.ts). */
const MOST_EXACT = 10_000;

/** Byte, pixel and hash evidence, as far as the thresholds, or the candidates of a verification, need it. */
function pixelLevelPairs(
  rows: readonly ImageRow[],
  others: readonly ImageRow[],
  { hashes, thresholds, pairBudget: budget, within }: PixelLevels,
): PixelLevelPairs {
  const verify = asksForPixels(thresholds);
  const wanted = (level: Threshold['level']): boolean => thresholds.some((one) => one.level === level);
  const keyed = (level: 'byte' | 'pixel', list: readonly ImageRow[]) =>
    list.map(({ id }) => ({ id, key: level === 'byte' ? id : hashes.get(id)!.pixelDigest }));
  const exact = (['byte', 'pixel'] as const)
    .filter((level) => verify || wanted(level))
    .flatMap((level) =>
      within
        ? exactPairsWithin({ level, type: 'within-train', images: keyed(level, rows) })
        : exactPairsAcross({ level, train: keyed(level, rows), evaluation: keyed(level, others) }),
    );
  const radius: { [level in HashLevel]?: number } = {};
  for (const level of ['phash', 'dhash'] as const) {
    const asked = thresholds.flatMap((one) =>
      'maxDistance' in one && one.level === level ? [one.maxDistance] : [],
    );
    const most = Math.max(verify ? CANDIDATE_RADIUS : -1, ...asked);
    if (most >= 0) radius[level] = most;
  }
  const hashed = (list: readonly ImageRow[]) =>
    list.map(({ id }) => ({ id, hash: hashOf(hashes.get(id)!), variants: variantsOf(hashes.get(id)!) }));
  const near = within
    ? hashPairsWithin({ type: 'within-train', images: hashed(rows), radius, budget })
    : hashPairsAcross({ train: hashed(rows), evaluation: hashed(others), radius, budget });
  return {
    pairs: [...exact, ...near.pairs],
    lists: near.lists,
    isWhole: exact.length <= MOST_EXACT && near.lists.every(isWhole),
  };
}

interface LoadedLevel {
  readonly source: LevelSource;
  readonly dim: number;
  readonly train: Matrix;
  readonly place: ReadonlyMap<ImageId, number>;
  readonly evaluations: readonly Matrix[];
  /** Lowest cosine of a pair that counts; null where the level is not compared. */
  readonly within: number | null;
  readonly across: number | null;
}

async function loadLevel(source: LevelSource, options: EvidenceOptions): Promise<LoadedLevel> {
  const lowest = (thresholds: readonly Threshold[]): number | null => {
    const cuts = thresholds.flatMap((one) =>
      'minCosine' in one && one.level === source.level ? [one.minCosine] : [],
    );
    return cuts.length === 0 ? null : Math.min(...cuts);
  };
  const train = await source.load(options.train);
  const across = lowest(options.decontaminate);
  const evaluations: Matrix[] = [];
  for (const set of across === null ? [] : options.evaluations) {
    const matrix = await source.load(set);
    if (matrix.dim !== train.dim) throw otherDimension(`${source.level}, ${set.from}`, train.dim, matrix.dim);
    evaluations.push(matrix);
    const images = zeroRows(matrix.data, matrix.dim).length;
    if (images > 0) options.onUncompared({ level: source.level, set: set.from, images });
  }
  return {
    source,
    dim: train.dim,
    train,
    place: new Map(options.train.rows.map(({ id }, i) => [id, i])),
    evaluations,
    within: lowest(options.deduplicate),
    across,
  };
}

interface LevelSearch {
  readonly rows: readonly ImageRow[];
  readonly options: EvidenceOptions;
  readonly found: { within: EvidencePair[]; readonly across: EvidencePair[][] };
  readonly unusable: Map<ImageId, string>;
}

async function addLevel(loaded: LoadedLevel, { rows, options, found, unusable }: LevelSearch): Promise<void> {
  const { source, dim } = loaded;
  const { level } = source;
  const base = rowsOf(loaded, rows);
  const evaluations = loaded.evaluations.map(({ data }) => data.slice());
  const ids = rows.map(({ id }) => id);
  // told before centring, after which an image that is the mean has no direction either
  const isCompared = loaded.within !== null || options.evaluations.some((set) => set.rows.length > 0);
  if (isCompared) for (const at of zeroRows(base, dim)) unusable.set(ids[at]!, level);
  // as an audit of these images would: features of one network share a large common part
  if (level.startsWith('teacher:')) centre([base, ...evaluations], base.slice(), dim);
  if (rows.length === 0) return;
  if (loaded.within !== null) {
    const { pairs } = await pairsAbove({
      dim,
      threshold: loaded.within,
      maxPerQuery: MOST_NEIGHBOURS,
      queries: base,
      queryCount: rows.length,
      base,
      excludeSelf: true,
    });
    for (const pair of teacherPairsWithin({ level, type: 'within-train', pairs, ids }))
      found.within.push(pair);
  }
  for (const [i, data] of evaluations.entries()) {
    options.signal.throwIfAborted();
    const evalIds = options.evaluations[i]!.rows.map(({ id }) => id);
    if (evalIds.length === 0) continue;
    const { pairs } = await pairsAbove({
      dim,
      threshold: loaded.across!,
      maxPerQuery: MOST_NEIGHBOURS,
      queries: data,
      queryCount: evalIds.length,
      base,
    });
    for (const pair of teacherPairsAcross({ level, pairs, trainIds: ids, evalIds }))
      found.across[i]!.push(pair);
  }
}

/** Rows of the loaded matrix for some images, in their order. */
function rowsOf({ dim, train, place }: LoadedLevel, rows: readonly ImageRow[]): Float32Array {
  const out = new Float32Array(rows.length * dim);
  rows.forEach(({ id }, i) => {
    const at = place.get(id)! * dim;
    out.set(train.data.subarray(at, at + dim), i * dim);
  });
  return out;
}
