/**
 * Squared maximum mean discrepancy: the unbiased U-statistic with a permutation p-value and a bootstrap interval (Gretton et al.,
 * JMLR 13, 2012), and the biased V-statistic that published CMMD numbers are. The unbiased one may be negative; that is right.
 */
import type { Rng } from '../../core/rng.ts';
import { quantile } from '../statistics/detector-error.ts';
import { type Kernel, kernelRowOf } from './kernels.ts';
import type { MatrixEngine } from './matrix-products.ts';
import type { PooledProducts } from './pooled-products.ts';

export interface MeanDiscrepancy {
  /** Unbiased estimate. */
  readonly value: number;
  /** Bootstrap percentile interval; null when no bootstrap was asked for. Optimistic where both samples are alike. */
  readonly interval: { readonly low: number; readonly high: number } | null;
  /** (1 + permutations at least as large) / (1 + permutations); null without permutations. */
  readonly pValue: number | null;
}

export interface DiscrepancyOptions {
  readonly engine: MatrixEngine;
  readonly kernel: Kernel;
  readonly rng: Rng;
  /** Default 0: no p-value. */
  readonly permutations?: number;
  /** Resamples of the interval; default 0: none. */
  readonly bootstrap?: number;
  readonly confidence?: number;
}

/** @throws Error (a defect) with fewer than two rows in a sample. */
export async function meanDiscrepancy(
  pool: PooledProducts,
  options: DiscrepancyOptions,
): Promise<MeanDiscrepancy> {
  const { n, m } = pool;
  if (n < 2 || m < 2) throw new Error(`internal: no discrepancy of ${n} and ${m} rows`);
  const { kernel, permutations = 0, bootstrap = 0 } = options;
  const { value, matrix } = kernelMatrix(pool, kernel, permutations + bootstrap > 0);
  return {
    value,
    interval: matrix === null || bootstrap === 0 ? null : await bootstrapInterval(matrix, pool, options),
    pValue: matrix === null || permutations === 0 ? null : await permutationP(matrix, pool, options),
  };
}

/** E k(x, x') + E k(y, y') - 2 E k(x, y) with the diagonals kept, in [0, inf): biased upwards by about 1 / n + 1 / m. */
export function biasedDiscrepancy(pool: PooledProducts, kernel: Kernel): number {
  const { n, m } = pool;
  const { xx, yy, xy, diagonalX, diagonalY } = kernelSums(pool, kernel, null);
  return (2 * xx + diagonalX) / (n * n) + (2 * yy + diagonalY) / (m * m) - (2 * xy) / (n * m);
}

interface KernelSums {
  /** Sums over i < j. */
  readonly xx: number;
  readonly yy: number;
  /** Sum over all pairs across. */
  readonly xy: number;
  readonly diagonalX: number;
  readonly diagonalY: number;
}

function kernelSums(pool: PooledProducts, kernel: Kernel, keep: Float32Array | null): KernelSums {
  const size = pool.n + pool.m;
  const fillRow = kernelRowOf(pool, kernel);
  const row = new Float64Array(size);
  let [xx, yy, xy, diagonalX, diagonalY] = [0, 0, 0, 0, 0];
  for (let i = 0; i < size; i++) {
    fillRow(i, row);
    keep?.set(row.subarray(0, i), i * size);
    const inX = i < pool.n;
    const firstY = Math.min(i, pool.n);
    let [withX, withY] = [0, 0];
    for (let j = 0; j < firstY; j++) withX += row[j]!;
    for (let j = firstY; j < i; j++) withY += row[j]!;
    if (inX) {
      xx += withX;
      diagonalX += row[i]!;
    } else {
      xy += withX;
      yy += withY;
      diagonalY += row[i]!;
    }
  }
  return { xx, yy, xy, diagonalX, diagonalY };
}

interface CentredKernel {
  readonly size: number;
  /** Symmetric, zero diagonal, the mean of the rest subtracted: the statistic does not change, float32 has less to carry. */
  readonly data: Float32Array;
  readonly rowSums: Float64Array;
  readonly total: number;
  /** Mean size of an entry, for a tolerance on ties. */
  readonly scale: number;
}

function kernelMatrix(
  pool: PooledProducts,
  kernel: Kernel,
  wanted: boolean,
): { value: number; matrix: CentredKernel | null } {
  const { n, m } = pool;
  const size = n + m;
  const data = wanted ? new Float32Array(size * size) : null;
  const { xx, yy, xy } = kernelSums(pool, kernel, data);
  const value = (2 * xx) / (n * (n - 1)) + (2 * yy) / (m * (m - 1)) - (2 * xy) / (n * m);
  if (data === null) return { value, matrix: null };
  const mean = (2 * (xx + yy + xy)) / (size * (size - 1));
  const rowSums = new Float64Array(size);
  let [total, absolute] = [0, 0];
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < i; j++) {
      const at = i * size + j;
      const entry = (data[at] = Math.fround(data[at]! - mean));
      data[j * size + i] = entry;
      rowSums[i]! += entry;
      rowSums[j]! += entry;
      total += 2 * entry;
      absolute += 2 * Math.abs(entry);
    }
  }
  return { value, matrix: { size, data, rowSums, total, scale: absolute / (size * size) } };
}

/** Rows of a batch: labels or weights, as many as the engine takes at once without a large buffer. */
const BATCH = 256;

/** w K w' for many weight rows: the engine multiplies, float64 sums. */
async function* weighted(
  engine: MatrixEngine,
  matrix: CentredKernel,
  rows: number,
  fill: (row: Float32Array, index: number) => void,
): AsyncGenerator<{ readonly weights: Float32Array; readonly product: Float32Array }> {
  const { size } = matrix;
  const kernel = { rows: size, columns: size, data: matrix.data };
  for (let first = 0; first < rows; first += BATCH) {
    const count = Math.min(BATCH, rows - first);
    const data = new Float32Array(count * size);
    for (let r = 0; r < count; r++) fill(data.subarray(r * size, (r + 1) * size), first + r);
    const products = await engine.timesTransposed({ rows: count, columns: size, data }, kernel);
    for (let r = 0; r < count; r++)
      yield {
        weights: data.subarray(r * size, (r + 1) * size),
        product: products.subarray(r * size, (r + 1) * size),
      };
  }
}

async function permutationP(
  matrix: CentredKernel,
  pool: PooledProducts,
  { engine, rng, permutations = 0 }: DiscrepancyOptions,
): Promise<number> {
  const { n, m } = pool;
  const order = Uint32Array.from({ length: n + m }, (_, i) => i);
  // row 0 is the labelling as it is, so that it is rounded like all others
  const fill = (row: Float32Array, index: number): void => {
    if (index > 0) {
      for (let i = 0; i < n; i++) {
        const j = i + rng.below(n + m - i);
        [order[i], order[j]] = [order[j]!, order[i]!];
      }
    }
    for (let i = 0; i < n; i++) row[order[i]!] = 1;
  };
  let seen: number | null = null;
  let atLeast = 0;
  for await (const { weights, product } of weighted(engine, matrix, permutations + 1, fill)) {
    let [xx, throughX] = [0, 0];
    for (let i = 0; i < weights.length; i++) {
      if (weights[i] === 0) continue;
      xx += product[i]!;
      throughX += matrix.rowSums[i]!;
    }
    const xy = throughX - xx;
    const yy = matrix.total - xx - 2 * xy;
    const value = xx / (n * (n - 1)) + yy / (m * (m - 1)) - (2 * xy) / (n * m);
    if (seen === null) seen = value;
    else if (value >= seen - 1e-6 * matrix.scale) atLeast += 1;
  }
  return (1 + atLeast) / (1 + permutations);
}

/**
 * Resamples the items of each sample with replacement. A pair of an item with its own copy is left out, as in the U-statistic:
 * kept, it would lift every resample.
 */
async function bootstrapInterval(
  matrix: CentredKernel,
  pool: PooledProducts,
  { engine, rng, bootstrap = 0, confidence = 0.95 }: DiscrepancyOptions,
): Promise<{ low: number; high: number }> {
  const { n, m } = pool;
  const fill = (row: Float32Array, index: number): void => {
    const [first, count] = index % 2 === 0 ? [0, n] : [n, m];
    for (let i = 0; i < count; i++) row[first + rng.below(count)]! += 1;
  };
  const values: number[] = [];
  let x: { readonly weights: Float32Array; readonly product: Float32Array } | null = null;
  for await (const one of weighted(engine, matrix, 2 * bootstrap, fill)) {
    if (x === null) {
      x = { weights: one.weights.slice(), product: one.product.slice() };
      continue;
    }
    let xy = 0;
    for (let i = n; i < n + m; i++) xy += one.weights[i]! * x.product[i]!;
    values.push(withoutCopies(x, 0, n) + withoutCopies(one, n, m) - (2 * xy) / (n * m));
    x = null;
  }
  const tail = (1 - confidence) / 2;
  return { low: quantile(values, tail), high: quantile(values, 1 - tail) };
}

function withoutCopies(
  { weights, product }: { readonly weights: Float32Array; readonly product: Float32Array },
  first: number,
  count: number,
): number {
  let [sum, squares] = [0, 0];
  for (let i = first; i < first + count; i++) {
    sum += weights[i]! * product[i]!;
    squares += weights[i]! ** 2;
  }
  const pairs = count * count - squares;
  return pairs === 0 ? 0 : sum / pairs;
}
