/** Every distance of one pair of equal-sized samples, each with its interval, or the reason why it was left out. */
import type { Rng } from '../../core/rng.ts';
import { classifierTest } from './classifier-test.ts';
import { frechetAtInfinity, frechetOfSamples, isRankDeficient } from './frechet.ts';
import { CMMD_KERNEL } from './kernels.ts';
import type { MatrixEngine } from './matrix-products.ts';
import { biasedDiscrepancy, meanDiscrepancy } from './mean-discrepancy.ts';
import { containment, expectedCoverage, neighbourhoods } from './neighbourhoods.ts';
import { type PooledProducts, type Sample, pooledProducts } from './pooled-products.ts';
import { type PrincipalComponents, projected } from './principal-components.ts';

/** In the order in which they are reported. */
export const DISTANCE_METRICS = [
  'mmd@0.5',
  'mmd@1',
  'mmd@2',
  'kid',
  'cmmd',
  'frechet',
  'frechet-pca',
  'frechet-infinity',
  'c2st-accuracy',
  'c2st-auc',
  'a-distance',
  'precision',
  'recall',
  'density',
  'coverage',
  'containment@0.5',
  'containment@0.95',
] as const;
export type DistanceMetric = (typeof DISTANCE_METRICS)[number];

export interface MeasuredDistance {
  readonly metric: DistanceMetric;
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
  readonly pValue: number | null;
  /** What the metric would be on average if both samples came from one distribution, where theory says. */
  readonly expected: number | null;
  /** Says what to be careful about: a covariance of too low a rank. */
  readonly warning: string | null;
}

export interface LeftOutDistance {
  readonly metric: DistanceMetric;
  readonly reason: string;
}

export interface Comparison {
  readonly measured: readonly MeasuredDistance[];
  readonly leftOut: readonly LeftOutDistance[];
  /** Held-out probability of being of the second sample, [n + m]; null without a classifier test. */
  readonly probability: Float64Array | null;
}

export interface ComparisonInput {
  readonly engine: MatrixEngine;
  /** Training side, or what plays it. */
  readonly x: Sample;
  readonly y: Sample;
  readonly dim: number;
  readonly groupsX: readonly string[];
  readonly groupsY: readonly string[];
  /** Bandwidth at factor 1; null when most rows are one point. The same for a comparison, its nulls and its anchor. */
  readonly sigma: number | null;
  /** Axes for the classifier and the reduced Fréchet distance, fitted on other rows where there are enough. */
  readonly axes: PrincipalComponents;
  readonly permutations: number;
  readonly bootstrap: number;
  /** Whether the Fréchet distance in all dimensions is wanted: O(dim^3). */
  readonly fullFrechet: boolean;
  readonly rng: Rng;
}

/** Least rows per side. Below them a statistic says nothing, and says so. */
export const LEAST_ROWS = {
  discrepancy: 5,
  frechet: 20,
  classifier: 25,
  neighbourhoods: 12,
  containment: 10,
} as const;

/** Neighbours that make a ball (Naeem et al.). */
const BALL_NEIGHBOURS = 5;

const FULL_FRECHET_DIMS = 512;

export async function compareSamples(input: ComparisonInput): Promise<Comparison> {
  const measured: MeasuredDistance[] = [];
  const leftOut: LeftOutDistance[] = [];
  const out: Output = {
    add: (metric, value, more = {}) =>
      measured.push({
        metric,
        value,
        low: null,
        high: null,
        pValue: null,
        expected: null,
        warning: null,
        ...more,
      }),
    omit: (metrics, reason) => leftOut.push(...metrics.map((metric) => ({ metric, reason }))),
  };
  const pool = await pooledProducts(input.engine, input);
  await addDiscrepancies(input, pool, out);
  await addFrechet(input, out);
  const probability = await addClassifier(input, out);
  addNeighbourhoods(pool, out);
  const order = (metric: DistanceMetric): number => DISTANCE_METRICS.indexOf(metric);
  measured.sort((a, b) => order(a.metric) - order(b.metric));
  leftOut.sort((a, b) => order(a.metric) - order(b.metric));
  return { measured, leftOut, probability };
}

interface Output {
  readonly add: (metric: DistanceMetric, value: number, more?: Partial<MeasuredDistance>) => void;
  readonly omit: (metrics: readonly DistanceMetric[], reason: string) => void;
}

const tooFew = (needs: number, got: number): string => `needs ${needs} images a side, got ${got}`;

async function addDiscrepancies(input: ComparisonInput, pool: PooledProducts, out: Output): Promise<void> {
  const { engine, rng, permutations, bootstrap, sigma } = input;
  const rbf = ['mmd@0.5', 'mmd@1', 'mmd@2'] as const;
  const least = Math.min(pool.n, pool.m);
  if (least < LEAST_ROWS.discrepancy) {
    out.omit([...rbf, 'kid', 'cmmd'], tooFew(LEAST_ROWS.discrepancy, least));
    return;
  }
  const add = async (
    metric: DistanceMetric,
    kernel: Parameters<typeof biasedDiscrepancy>[1],
  ): Promise<void> => {
    const { value, interval, pValue } = await meanDiscrepancy(pool, {
      engine,
      kernel,
      rng,
      permutations,
      bootstrap,
    });
    out.add(metric, value, { low: interval?.low ?? null, high: interval?.high ?? null, pValue, expected: 0 });
  };
  if (sigma === null) out.omit(rbf, 'most images have one and the same embedding, so no bandwidth fits');
  else
    for (const [metric, factor] of [
      ['mmd@0.5', 0.5],
      ['mmd@1', 1],
      ['mmd@2', 2],
    ] as const)
      await add(metric, { kind: 'rbf', sigma: factor * sigma });
  await add('kid', { kind: 'cubic' });
  out.add('cmmd', 1000 * biasedDiscrepancy(pool, CMMD_KERNEL));
}

async function addFrechet(
  { engine, x, y, dim, axes, fullFrechet }: ComparisonInput,
  out: Output,
): Promise<void> {
  const least = Math.min(x.count, y.count);
  if (least < LEAST_ROWS.frechet) {
    out.omit(['frechet', 'frechet-pca', 'frechet-infinity'], tooFew(LEAST_ROWS.frechet, least));
    return;
  }
  const rankWarning = (dims: number): string | null =>
    isRankDeficient(least, dims)
      ? `${least} images for ${dims} dimensions: the covariance is short of rank`
      : null;
  if (dim > FULL_FRECHET_DIMS)
    out.omit(['frechet'], `${dim} dimensions, more than ${FULL_FRECHET_DIMS}: see frechet-pca`);
  else if (fullFrechet) out.add('frechet', frechetOfSamples(x, y, dim), { warning: rankWarning(dim) });
  if (axes.count === 0) {
    out.omit(['frechet-pca', 'frechet-infinity'], 'the embeddings do not vary');
    return;
  }
  const [flatX, flatY] = [await projected(engine, x, axes), await projected(engine, y, axes)];
  const warning = rankWarning(axes.count);
  out.add('frechet-pca', frechetOfSamples(flatX, flatY, axes.count), { warning });
  const limit = frechetAtInfinity(flatX, flatY, axes.count);
  if (limit !== null) out.add('frechet-infinity', limit, { warning, expected: 0 });
}

async function addClassifier(input: ComparisonInput, out: Output): Promise<Float64Array | null> {
  const { engine, x, y, axes, rng } = input;
  const metrics = ['c2st-accuracy', 'c2st-auc', 'a-distance'] as const;
  const least = Math.min(new Set(input.groupsX).size, new Set(input.groupsY).size);
  if (least < LEAST_ROWS.classifier) {
    out.omit(metrics, `needs ${LEAST_ROWS.classifier} duplicate groups a side, got ${least}`);
    return null;
  }
  if (axes.count === 0) {
    out.omit(metrics, 'the embeddings do not vary');
    return null;
  }
  const test = classifierTest({
    x: await projected(engine, x, axes),
    y: await projected(engine, y, axes),
    dim: axes.count,
    groups: [...input.groupsX, ...input.groupsY],
    rng,
  });
  out.add('c2st-accuracy', test.accuracy, { ...test.accuracyInterval, pValue: test.pValue, expected: 0.5 });
  out.add('c2st-auc', test.auc, { ...test.aucInterval, expected: 0.5 });
  out.add('a-distance', test.aDistance, test.aDistanceInterval);
  return test.probability;
}

function addNeighbourhoods(pool: PooledProducts, out: Output): void {
  const least = Math.min(pool.n, pool.m);
  if (least < LEAST_ROWS.neighbourhoods)
    out.omit(['precision', 'recall', 'density', 'coverage'], tooFew(LEAST_ROWS.neighbourhoods, least));
  else {
    const found = neighbourhoods(pool, BALL_NEIGHBOURS);
    const bare = ({ low, high }: { low: number; high: number }): { low: number; high: number } => ({
      low,
      high,
    });
    out.add('precision', found.precision.value, bare(found.precision));
    out.add('recall', found.recall.value, bare(found.recall));
    out.add('density', found.density.value, { ...bare(found.density), expected: 1 });
    out.add('coverage', found.coverage.value, {
      ...bare(found.coverage),
      expected: expectedCoverage(pool.n, pool.m, BALL_NEIGHBOURS),
    });
  }
  if (least < LEAST_ROWS.containment) {
    out.omit(['containment@0.5', 'containment@0.95'], tooFew(LEAST_ROWS.containment, least));
    return;
  }
  const [half, most] = containment(pool, [0.5, 0.95]);
  out.add('containment@0.5', half!.value, { low: half!.low, high: half!.high, expected: 0.5 });
  out.add('containment@0.95', most!.value, { low: most!.low, high: most!.high, expected: 0.95 });
}
