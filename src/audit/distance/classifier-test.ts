/**
 * Can a classifier tell the two sets apart? Held-out accuracy and AUC of a logistic regression (Lopez-Paz and Oquab, arXiv
 * 1610.06545), and the proxy A-distance 2 (1 - 2 error) of Ben-David et al. Folds are cut by duplicate group, or copies of one
 * image on both sides of a fold would be learned by heart. Deep features separate almost anything at large n: read the size of
 * the effect, not the p-value.
 */
import type { Rng } from '../../core/rng.ts';
import { type Interval, clopperPearson } from '../clopper-pearson.ts';
import { binomialUpperTail } from '../statistics/binomial.ts';
import { normalQuantile } from '../statistics/normal.ts';
import { fitLogistic } from './logistic.ts';
import type { Sample } from './pooled-products.ts';

export interface ClassifierTest {
  readonly accuracy: number;
  readonly accuracyInterval: Interval;
  /** One-sided exact binomial against 1/2. */
  readonly pValue: number;
  readonly auc: number;
  /** DeLong, 95 %. */
  readonly aucInterval: Interval;
  /** 2 (2 accuracy - 1), never below 0; 2 is perfectly apart. */
  readonly aDistance: number;
  readonly aDistanceInterval: Interval;
  /** Held-out probability of being of Y, [n + m]. */
  readonly probability: Float64Array;
}

export interface ClassifierTestInput {
  /** Training side. */
  readonly x: Sample;
  /** Evaluation side, of equal size. */
  readonly y: Sample;
  readonly dim: number;
  /** Duplicate group of each pooled row, X first; rows of one group stay in one fold. */
  readonly groups: readonly string[];
  readonly rng: Rng;
  readonly folds?: number;
}

/** @throws Error (a defect) with fewer than two groups on a side, since no fold could then be held out. */
export function classifierTest({ x, y, dim, groups, rng, folds = 5 }: ClassifierTestInput): ClassifierTest {
  const size = x.count + y.count;
  const rows = new Float32Array(size * dim);
  rows.set(x.rows.subarray(0, x.count * dim));
  rows.set(y.rows.subarray(0, y.count * dim), x.count * dim);
  const labels = Uint8Array.from({ length: size }, (_, i) => (i < x.count ? 0 : 1));
  const foldOf = foldsOf(groups, labels, folds, rng);
  const probability = new Float64Array(size);
  for (let fold = 0; fold < folds; fold++) {
    const chosen = [...foldOf.keys()].filter((i) => foldOf[i] !== fold);
    if (chosen.length === size) continue;
    if (new Set(chosen.map((i) => labels[i])).size < 2)
      throw new Error('internal: a fold leaves one side only');
    const model = fitLogistic({ rows, labels, dim, chosen });
    for (let i = 0; i < size; i++)
      if (foldOf[i] === fold) probability[i] = model.probability(rows.subarray(i * dim, (i + 1) * dim));
  }
  let correct = 0;
  for (let i = 0; i < size; i++) correct += probability[i]! > 0.5 === (labels[i] === 1) ? 1 : 0;
  const accuracy = correct / size;
  const accuracyInterval = clopperPearson(correct, size);
  const aDistanceOf = (rate: number): number => Math.max(0, 2 * (2 * rate - 1));
  return {
    accuracy,
    accuracyInterval,
    pValue: binomialUpperTail(correct, size, 0.5),
    ...aucOf(probability.subarray(0, x.count), probability.subarray(x.count)),
    aDistance: aDistanceOf(accuracy),
    aDistanceInterval: { low: aDistanceOf(accuracyInterval.low), high: aDistanceOf(accuracyInterval.high) },
    probability,
  };
}

/** Groups in seeded order, each to the fold with the fewest rows of its label so far: folds stay even. */
function foldsOf(groups: readonly string[], labels: Uint8Array, folds: number, rng: Rng): Uint8Array {
  const members = new Map<string, number[]>();
  groups.forEach((group, i) => {
    const rows = members.get(group);
    if (rows) rows.push(i);
    else members.set(group, [i]);
  });
  const counts = [new Array<number>(folds).fill(0), new Array<number>(folds).fill(0)];
  const foldOf = new Uint8Array(groups.length);
  for (const rows of rng.shuffled([...members.values()])) {
    const ones = rows.reduce((sum, i) => sum + labels[i]!, 0);
    const label = 2 * ones > rows.length ? 1 : 0;
    const fold = counts[label]!.indexOf(Math.min(...counts[label]!));
    for (const i of rows) {
      foldOf[i] = fold;
      counts[labels[i]!]![fold]! += 1;
    }
  }
  return foldOf;
}

/** Mann-Whitney AUC with the interval of DeLong et al. (Biometrics 44, 1988); ties count half. */
export function aucOf(
  negatives: Float64Array,
  positives: Float64Array,
): { auc: number; aucInterval: Interval } {
  const [n, m] = [negatives.length, positives.length];
  const sortedN = negatives.slice().sort();
  const sortedP = positives.slice().sort();
  const placeP = positives.map((p) => (below(sortedN, p) + notAbove(sortedN, p)) / (2 * n));
  const placeN = negatives.map((x) => 1 - (below(sortedP, x) + notAbove(sortedP, x)) / (2 * m));
  const auc = meanOf(placeP);
  const half = normalQuantile(0.975) * Math.sqrt(varianceOf(placeP) / m + varianceOf(placeN) / n);
  return { auc, aucInterval: { low: Math.max(0, auc - half), high: Math.min(1, auc + half) } };
}

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function varianceOf(values: Float64Array): number {
  const mean = meanOf(values);
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
}

/** Sorted values strictly below x. */
function below(sorted: Float64Array, x: number): number {
  return firstIndex(sorted, (value) => value >= x);
}

function notAbove(sorted: Float64Array, x: number): number {
  return firstIndex(sorted, (value) => value > x);
}

function firstIndex(sorted: Float64Array, isPast: (value: number) => boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isPast(sorted[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}
