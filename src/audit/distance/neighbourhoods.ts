/**
 * How two samples lie in each other's neighbourhoods: precision and recall (Kynkäänniemi et al., arXiv 1904.06991), density and
 * coverage (Naeem et al., arXiv 2002.09797), and domain containment (audit-and-curation.md §2.5). X is the reference, training;
 * Y is what is judged, evaluation.
 */
import { normalQuantile } from '../statistics/normal.ts';
import { type PooledProducts, squaredDistanceRow } from './pooled-products.ts';

const TWO_SIDED_95 = normalQuantile(0.975);

/** A mean over items with its normal 95 % interval over those items, the neighbourhoods held fixed. */
export interface MeanOverItems {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface Neighbourhoods {
  /** Share of Y inside the k-NN ball of some x. */
  readonly precision: MeanOverItems;
  /** Share of X inside the k-NN ball of some y. */
  readonly recall: MeanOverItems;
  /** Mean number of X balls around a y, over k; 1 is expected of equal distributions. */
  readonly density: MeanOverItems;
  /** Share of X balls that hold a y. */
  readonly coverage: MeanOverItems;
  /** What coverage would be on average if both came from one distribution. */
  readonly expectedCoverage: number;
}

/**
 * Radius of a ball: distance to the k-th neighbour within its own sample, itself left out; inside is strictly less.
 * @throws Error (a defect) unless both samples hold more than k rows.
 */
export function neighbourhoods(pool: PooledProducts, k = 5): Neighbourhoods {
  const { n, m } = pool;
  if (Math.min(n, m) <= k) throw new Error(`internal: no ${k} neighbours among ${Math.min(n, m)} rows`);
  const radiusX = radii(pool, { first: 0, count: n, k });
  const radiusY = radii(pool, { first: n, count: m, k });
  const insideX = new Float64Array(m);
  const ballsAround = new Float64Array(m);
  const insideY = new Float64Array(n);
  const covered = new Float64Array(n);
  const row = new Float64Array(m);
  for (let i = 0; i < n; i++) {
    squaredDistanceRow(pool, i, { from: n, to: n + m, out: row });
    for (let j = 0; j < m; j++) {
      const d = row[j]!;
      if (d < radiusX[i]!) {
        insideX[j] = 1;
        ballsAround[j]! += 1 / k;
        covered[i] = 1;
      }
      if (d < radiusY[j]!) insideY[i] = 1;
    }
  }
  return {
    precision: meanOf(insideX, 1),
    recall: meanOf(insideY, 1),
    density: meanOf(ballsAround, Infinity),
    coverage: meanOf(covered, 1),
    expectedCoverage: expectedCoverage(n, m, k),
  };
}

/** 1 - prod_{i=1..k} (n - i) / (n + m - i): expected coverage of n balls by m points of the same distribution. */
export function expectedCoverage(n: number, m: number, k: number): number {
  let missed = 1;
  for (let i = 1; i <= k; i++) missed *= (n - i) / (n + m - i);
  return 1 - missed;
}

/** Squared distance of each row of a sample to its k-th neighbour in that sample. */
function radii(
  pool: PooledProducts,
  { first, count, k }: { readonly first: number; readonly count: number; readonly k: number },
): Float64Array {
  const out = new Float64Array(count);
  const nearest = new Float64Array(k);
  const row = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    nearest.fill(Infinity);
    squaredDistanceRow(pool, first + i, { from: first, to: first + count, out: row });
    for (let j = 0; j < count; j++) {
      if (j === i) continue;
      const d = row[j]!;
      if (d >= nearest[k - 1]!) continue;
      let at = k - 1;
      for (; at > 0 && nearest[at - 1]! > d; at--) nearest[at] = nearest[at - 1]!;
      nearest[at] = d;
    }
    out[i] = nearest[k - 1]!;
  }
  return out;
}

/**
 * Share of Y whose nearest x is closer than the tau-quantile of distances within X, each x to the nearest other one. An equal
 * number of candidates on both sides: for each y one x, its turn in the order of rows, is not looked at, as no x looks at
 * itself; otherwise more candidates would shrink distances by themselves. For samples of one distribution it is tau on average.
 */
export function containment(pool: PooledProducts, taus: readonly number[]): MeanOverItems[] {
  const { n, m } = pool;
  if (n < 2) throw new Error('internal: one row has no other');
  const within = new Float64Array(n).fill(Infinity);
  const across = new Float64Array(m).fill(Infinity);
  const row = new Float64Array(n + m);
  for (let i = 0; i < n; i++) {
    squaredDistanceRow(pool, i, { from: 0, to: n + m, out: row });
    for (let j = 0; j < i; j++) {
      const d = row[j]!;
      if (d < within[i]!) within[i] = d;
      if (d < within[j]!) within[j] = d;
    }
    for (let j = 0; j < m; j++) {
      const d = row[n + j]!;
      if (j % n !== i && d < across[j]!) across[j] = d;
    }
  }
  const sorted = within.slice().sort();
  return taus.map((tau) => {
    const cut = sorted[Math.min(n - 1, Math.max(0, Math.ceil(tau * n) - 1))]!;
    return meanOf(
      across.map((d) => (d < cut ? 1 : 0)),
      1,
    );
  });
}

function meanOf(values: Float64Array, most: number): MeanOverItems {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, count - 1);
  const half = TWO_SIDED_95 * Math.sqrt(variance / count);
  return { value: mean, low: Math.max(0, mean - half), high: Math.min(most, mean + half) };
}
