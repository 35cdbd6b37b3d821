/** Features of one subject over both sets, and how well neighbours among them find labels and twins. */
import { knnClassify } from '../audit/knn-classify.ts';
import { clopperPearson } from '../audit/clopper-pearson.ts';
import { nearestNeighbours } from '../audit/nearest-neighbours.ts';
import { twinAtRank } from '../audit/rank-retrieval.ts';
import type { ImageRow } from '../images/image-row.ts';
import { Embedder } from '../student/embed.ts';
import type { TrainState } from '../student/trainer.ts';
import { centre } from './cached-spaces.ts';
import type { SamplePixels } from '../loader/batches.ts';
import { fullViewSamples } from './student-data.ts';

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

export interface FeatureSets {
  readonly pixels: SamplePixels;
  readonly reference: readonly ImageRow[];
  readonly evaluation: readonly ImageRow[];
}

const PIXEL_SIDE = 16;

/**
 * Raw RGB pixels of the whole image at 16 x 16, averaged from the student's own input: what any learned feature has to beat.
 */
export async function pixelFeatures(sets: FeatureSets & { readonly sidePx: number }) {
  const { pixels, sidePx } = sets;
  const block = sidePx / PIXEL_SIDE;
  const dim = PIXEL_SIDE * PIXEL_SIDE * 3;
  const image = new Float32Array(pixels.values);
  const matrix = async (rows: readonly ImageRow[]): Promise<Float32Array> => {
    const out = new Float32Array(rows.length * dim);
    for (const [i, sample] of fullViewSamples(rows).entries()) {
      await pixels.renderInto(sample, image, 0);
      for (let at = 0; at < image.length; at++) {
        const channel = Math.floor(at / (sidePx * sidePx));
        const row = Math.floor((at % (sidePx * sidePx)) / sidePx / block);
        const column = Math.floor((at % sidePx) / block);
        out[i * dim + (channel * PIXEL_SIDE + row) * PIXEL_SIDE + column]! += image[at]! / (block * block);
      }
    }
    return out;
  };
  return { reference: await matrix(sets.reference), evaluation: await matrix(sets.evaluation), dim };
}

/** Summary (CLS tokens side by side) of the student, whole images. */
export async function studentFeatures(
  sets: FeatureSets & { readonly state: TrainState; readonly signal: AbortSignal },
) {
  const { config, parameters } = sets.state;
  const { pixels } = sets;
  const embedder = await Embedder.create({ config, parameters, heads: false });
  const batches = async function* (rows: readonly ImageRow[]): AsyncGenerator<Float32Array> {
    const samples = fullViewSamples(rows);
    for (let start = 0; start < samples.length; start += config.batchSize) {
      sets.signal.throwIfAborted();
      const part = samples.slice(start, start + config.batchSize);
      const out = new Float32Array(part.length * pixels.values);
      await Promise.all(part.map((sample, i) => pixels.renderInto(sample, out, i * pixels.values)));
      yield out;
    }
  };
  try {
    const reference = (await embedder.embedAll(batches(sets.reference)))['summary']!;
    const evaluation = (await embedder.embedAll(batches(sets.evaluation)))['summary']!;
    return { reference, evaluation, dim: reference.length / sets.reference.length };
  } finally {
    await embedder.close();
  }
}
