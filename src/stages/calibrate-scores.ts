/** Scores of every detector for altered copies of evaluation images and for pairs that are known to be different. */
import pLimit from 'p-limit';
import { ALTERATIONS } from '../audit/calibration/alterations.ts';
import type { DetectorScores, NegativeScores, PositiveScore } from '../audit/calibration/threshold-choice.ts';
import { hammingDistance } from '../audit/hamming-search.ts';
import { type DihedralHash, type Hash64, perceptualHashOf } from '../audit/perceptual-hash.ts';
import { type GreyThumb, greyThumbOf, verifyPixels } from '../audit/pixel-verification.ts';
import { Rng } from '../core/rng.ts';
import type { ImageRow } from '../images/image-row.ts';
import { type RgbImage, greyPlaneOf } from '../images/rgb-image.ts';
import { type ImageHashes, hashOf, variantsOf } from './audit-hashes.ts';

/** An embedding of whole images, centred or not as its level compares them. */
export interface Embedder {
  readonly level: string;
  /** Whether the mean of the distractors is subtracted before comparison. */
  readonly centred: boolean;
  embed(images: readonly RgbImage[]): Promise<Float32Array[]>;
}

export interface ScoreOptions {
  readonly queries: readonly ImageRow[];
  /** Training images. */
  readonly distractors: readonly ImageRow[];
  /** Pairs `train eval` that are copies, or may be: they are no negatives. */
  readonly known: ReadonlySet<string>;
  readonly hashes: ReadonlyMap<string, ImageHashes>;
  readonly decode: (row: ImageRow) => Promise<RgbImage>;
  readonly embedders: readonly Embedder[];
  /** Hash distance up to which pixels are laid over each other. */
  readonly verifyRadius: number;
  readonly workers: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

const HASH_CUTS = Array.from({ length: 33 }, (_, distance) => -distance);
const CORRELATION_CUTS = Array.from({ length: 61 }, (_, i) => 0.4 + i / 100);
const COSINE_CUTS = Array.from({ length: 101 }, (_, i) => i / 100);

export async function detectorScores(options: ScoreOptions): Promise<DetectorScores[]> {
  const builders = new Map<string, { positives: PositiveScore[]; negatives: NegativeScores[] }>();
  const of = (level: string) => {
    const known = builders.get(level) ?? { positives: [], negatives: [] };
    builders.set(level, known);
    return known;
  };
  const thumbs = await distractorThumbs(options);
  const vectors = await distractorVectors(options);
  let done = 0;
  const scored = await pLimit(options.workers).map(options.queries, async (row) => {
    options.signal.throwIfAborted();
    const result = await scoreQuery(row, options, { thumbs, vectors });
    options.onProgress(++done, options.queries.length);
    return result;
  });
  for (const one of scored)
    for (const [level, { positives, negatives }] of one) {
      of(level).positives.push(...positives);
      of(level).negatives.push(negatives);
    }
  const cuts = (level: string): readonly number[] =>
    level === 'phash' || level === 'dhash'
      ? HASH_CUTS
      : level === 'verified'
        ? CORRELATION_CUTS
        : COSINE_CUTS;
  return [...builders].map(([level, scores]) => ({ level, ...scores, thresholds: cuts(level) }));
}

interface Distractors {
  readonly thumbs: ReadonlyMap<string, GreyThumb>;
  readonly vectors: readonly EmbeddedDistractors[];
}

interface EmbeddedDistractors {
  readonly mean: Float64Array;
  /** Unit vectors, centred where the level is. */
  readonly unit: readonly Float64Array[];
}

type LevelScores = Map<string, { positives: PositiveScore[]; negatives: NegativeScores }>;

async function scoreQuery(
  row: ImageRow,
  options: ScoreOptions,
  distractors: Distractors,
): Promise<LevelScores> {
  const { seed, known, embedders, verifyRadius } = options;
  const original = await options.decode(row);
  const thumb = greyThumbOf(greyPlaneOf(original));
  const own = options.hashes.get(row.id)!;
  const variants = variantsOf(own);
  const images = [original];
  const positives = new Map<string, PositiveScore[]>();
  const add = (level: string, alteration: string, score: number): void => {
    const list = positives.get(level) ?? [];
    positives.set(level, list);
    list.push({ query: row.id, alteration, score });
  };
  for (const { name, apply } of ALTERATIONS) {
    const altered = await apply(original, new Rng(seed, 'calibrate', row.id, name));
    images.push(altered);
    const hashed = perceptualHashOf(altered);
    const near = nearestOf(variants, hashed);
    add('phash', name, -near.phash.distance);
    add('dhash', name, -near.dhash.distance);
    add(
      'verified',
      name,
      verifiedScore(near, verifyRadius, () => greyThumbOf(greyPlaneOf(altered)), thumb),
    );
  }
  const others = options.distractors.filter(({ id }) => id !== row.id && !known.has(`${id} ${row.id}`));
  const negative = {
    phash: new Float64Array(others.length),
    dhash: new Float64Array(others.length),
    verified: new Float64Array(others.length),
  };
  others.forEach(({ id }, i) => {
    const near = nearestOf(variants, hashOf(options.hashes.get(id)!));
    negative.phash[i] = -near.phash.distance;
    negative.dhash[i] = -near.dhash.distance;
    negative.verified[i] = verifiedScore(near, verifyRadius, () => distractors.thumbs.get(id)!, thumb);
  });
  const levels: LevelScores = new Map();
  for (const level of ['phash', 'dhash', 'verified'] as const)
    levels.set(level, {
      positives: positives.get(level)!,
      negatives: { query: row.id, scores: negative[level] },
    });
  const place = new Map(options.distractors.map(({ id }, i) => [id, i]));
  for (const [e, embedder] of embedders.entries()) {
    const { mean, unit } = distractors.vectors[e]!;
    const [self, ...altered] = (await embedder.embed(images)).map((vector) => unitOf(vector, mean));
    levels.set(embedder.level, {
      positives: ALTERATIONS.map(({ name }, i) => ({
        query: row.id,
        alteration: name,
        score: dot(self!, altered[i]!),
      })),
      negatives: {
        query: row.id,
        scores: Float64Array.from(others, ({ id }) => dot(self!, unit[place.get(id)!]!)),
      },
    });
  }
  return levels;
}

interface Nearest {
  readonly phash: { readonly distance: number; readonly transform: DihedralHash['transform'] };
  readonly dhash: { readonly distance: number; readonly transform: DihedralHash['transform'] };
}

function nearestOf(
  variants: readonly DihedralHash[],
  other: { readonly phash: Hash64; readonly dhash: Hash64 },
): Nearest {
  const best = (level: 'phash' | 'dhash') => {
    let found = { distance: 65, transform: variants[0]!.transform };
    for (const variant of variants) {
      const distance = hammingDistance(variant[level], other[level]);
      if (distance < found.distance) found = { distance, transform: variant.transform };
    }
    return found;
  };
  return { phash: best('phash'), dhash: best('dhash') };
}

/** As the audit does it: pixels are compared only where a hash proposes the pair. */
function verifiedScore(near: Nearest, radius: number, train: () => GreyThumb, own: GreyThumb): number {
  const transforms = new Set(
    [near.phash, near.dhash].filter(({ distance }) => distance <= radius).map(({ transform }) => transform),
  );
  let best = -Infinity;
  for (const transform of transforms) best = Math.max(best, verifyPixels(train(), own, transform).ncc);
  return best;
}

async function distractorThumbs(options: ScoreOptions): Promise<Map<string, GreyThumb>> {
  const thumbs = await pLimit(options.workers).map(options.distractors, async (row) => {
    options.signal.throwIfAborted();
    return [row.id, greyThumbOf(greyPlaneOf(await options.decode(row)))] as const;
  });
  return new Map(thumbs);
}

async function distractorVectors({
  embedders,
  distractors,
  decode,
  signal,
}: ScoreOptions): Promise<EmbeddedDistractors[]> {
  const out: EmbeddedDistractors[] = [];
  for (const embedder of embedders) {
    const vectors: Float32Array[] = [];
    for (let first = 0; first < distractors.length; first += BATCH) {
      signal.throwIfAborted();
      const images = await Promise.all(distractors.slice(first, first + BATCH).map(decode));
      vectors.push(...(await embedder.embed(images)));
    }
    const mean = new Float64Array(vectors[0]?.length ?? 0);
    if (embedder.centred)
      for (const vector of vectors)
        for (let c = 0; c < mean.length; c++) mean[c]! += vector[c]! / vectors.length;
    out.push({ mean, unit: vectors.map((vector) => unitOf(vector, mean)) });
  }
  return out;
}

const BATCH = 16;

function unitOf(vector: Float32Array, mean: Float64Array): Float64Array {
  const out = Float64Array.from(vector, (value, c) => value - (mean[c] ?? 0));
  const length = Math.sqrt(dot(out, out));
  return length > 0 ? out.map((value) => value / length) : out;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let c = 0; c < a.length; c++) sum += a[c]! * b[c]!;
  return sum;
}
