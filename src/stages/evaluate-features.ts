/** Features of one subject over both sets, and how well neighbours among them find labels and twins. */
import { knnClassify } from '../audit/knn-classify.ts';
import { clopperPearson } from '../audit/clopper-pearson.ts';
import { nearestNeighbours } from '../audit/neighbours/nearest-neighbours.ts';
import { twinAtRank } from '../audit/rank-retrieval.ts';
import type { ImageRow } from '../images/image-row.ts';
import { Embedder } from '../student/embed.ts';
import type { TrainState } from '../student/trainer.ts';
import { centre } from './cached-spaces.ts';
import type { TargetLoader } from '../loader/target-loader.ts';

export interface Subject {
  readonly subject: 'teacher' | 'pixels' | 'student' | 'untrained';
  readonly name: string;
}

export interface Measure {
  /** `knn`: label accuracy, twin left out. `twin`: share of images whose twin is the nearest reference image. */
  readonly measure: 'knn' | 'twin';
  readonly value: number | null;
  /** 95 % Clopper-Pearson. */
  readonly low: number;
  readonly high: number;
  readonly images: number;
}

export interface RetrievalScore extends Subject {
  readonly measures: readonly Measure[];
}

export interface ScoreInput {
  readonly subject: Subject;
  /** [n, dim] and [m, dim]; centred here by the mean of the reference, the same for every subject. */
  readonly reference: Float32Array;
  readonly evaluation: Float32Array;
  readonly dim: number;
  readonly referenceRows: readonly ImageRow[];
  readonly evaluationRows: readonly ImageRow[];
  readonly k: number;
}

/** Neighbours searched beyond k, so that twins and their variants can be left out and k remain. */
const SPARE = 12;

export async function scoreFeatures(input: ScoreInput): Promise<RetrievalScore> {
  const { reference, evaluation, dim, referenceRows, evaluationRows, k } = input;
  centre([reference, evaluation], reference.slice(), dim);
  const width = Math.min(k + SPARE, referenceRows.length);
  const { indices, scores } = await nearestNeighbours({
    queries: evaluation,
    queryCount: evaluationRows.length,
    base: reference,
    dim,
    k: width,
  });
  const byName = indexBy(referenceRows, (row) => row.name);
  const byGroup = indexBy(referenceRows, (row) => row.group ?? row.name);
  const twins = evaluationRows.map((row) => byName.get(row.name) ?? []);
  // the label of a twin, or of a variant of it, would be known by recognition alone
  const family = evaluationRows.map((row) => new Set(byGroup.get(row.group ?? row.name) ?? []));
  const knn = knnClassify({
    indices,
    scores,
    width,
    baseLabels: referenceRows.map(({ label }) => label),
    queryLabels: evaluationRows.map(({ label }) => label),
    excluded: (query) => family[query]!,
    k,
  });
  const [twin] = twinAtRank({ indices, width, twins, ranks: [1] });
  const knnInterval = clopperPearson(knn.correct, knn.counted);
  return {
    ...input.subject,
    measures: [
      {
        measure: 'knn',
        value: knn.accuracy,
        low: knnInterval.low,
        high: knnInterval.high,
        images: knn.counted,
      },
      {
        measure: 'twin',
        value: twin!.share,
        low: twin!.interval.low,
        high: twin!.interval.high,
        images: twin!.queries,
      },
    ],
  };
}

function indexBy(rows: readonly ImageRow[], key: (row: ImageRow) => string): Map<string, number[]> {
  const found = new Map<string, number[]>();
  rows.forEach((row, i) => {
    const at = found.get(key(row));
    if (at) at.push(i);
    else found.set(key(row), [i]);
  });
  return found;
}

/** Pixels of whole images, an epoch of batches per set, in the order of its rows. */
export interface FeatureSets {
  readonly reference: PixelLoader;
  readonly evaluation: PixelLoader;
}

export type PixelLoader = TargetLoader<never, 'f32', 'f32'>;

const PIXEL_SIDE = 16;

/**
 * Raw RGB pixels of the whole image at 16 x 16, averaged from the student's own input: what any learned feature has to beat.
 */
export async function pixelFeatures({
  sidePx,
  ...sets
}: FeatureSets & {
  readonly sidePx: number;
}) {
  const block = sidePx / PIXEL_SIDE;
  const dim = PIXEL_SIDE * PIXEL_SIDE * 3;
  const values = 3 * sidePx * sidePx;
  const matrix = async (loader: PixelLoader): Promise<Float32Array> => {
    const rows: Float32Array[] = [];
    for await (const { pixels, size } of loader)
      for (let image = 0; image < size; image++) {
        const row = new Float32Array(dim);
        for (let at = 0; at < values; at++) {
          const channel = Math.floor(at / (sidePx * sidePx));
          const y = Math.floor((at % (sidePx * sidePx)) / sidePx / block);
          const x = Math.floor((at % sidePx) / block);
          row[(channel * PIXEL_SIDE + y) * PIXEL_SIDE + x]! +=
            pixels.data[image * values + at]! / (block * block);
        }
        rows.push(row);
      }
    const out = new Float32Array(rows.length * dim);
    rows.forEach((row, i) => out.set(row, i * dim));
    return out;
  };
  return { reference: await matrix(sets.reference), evaluation: await matrix(sets.evaluation), dim };
}

/** Summary (CLS tokens side by side) of the student, whole images. */
export async function studentFeatures(
  sets: FeatureSets & { readonly state: TrainState; readonly signal: AbortSignal },
) {
  const { config, parameters } = sets.state;
  const embedder = await Embedder.create({ config, parameters, heads: false });
  const batches = async function* (loader: PixelLoader): AsyncGenerator<Float32Array> {
    for await (const { pixels } of loader) {
      sets.signal.throwIfAborted();
      yield pixels.data;
    }
  };
  try {
    const embed = async (loader: PixelLoader): Promise<Float32Array> =>
      (await embedder.embedAll(batches(loader)))['summary']!;
    const reference = await embed(sets.reference);
    const evaluation = await embed(sets.evaluation);
    return { reference, evaluation, dim: embedder.width };
  } finally {
    await embedder.close();
  }
}
