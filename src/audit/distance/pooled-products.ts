/**
 * All pairwise products of two samples laid end to end: the one matrix from which every pairwise distance and kernel of the
 * distance block is read. Products are of rows centred on the pooled mean, so that float32 loses nothing to a common offset;
 * products of the rows as they came follow from them in float64.
 */
import type { MatrixEngine } from './matrix-products.ts';

export interface Sample {
  readonly count: number;
  /** [count * dim], finite. */
  readonly rows: Float32Array;
}

export interface PooledProducts {
  /** Rows of the first and the second sample; row i of the pool is of the first one while i < n. */
  readonly n: number;
  readonly m: number;
  readonly dim: number;
  /** [(n + m) * (n + m)] products of centred rows. */
  readonly centred: Float32Array;
  /** Squared length of each centred row, [n + m]. */
  readonly squares: Float64Array;
  /** Product of each centred row with the pooled mean, [n + m]. */
  readonly meanProducts: Float64Array;
  /** Squared length of the pooled mean. */
  readonly meanSquare: number;
}

export async function pooledProducts(
  engine: MatrixEngine,
  { x, y, dim }: { readonly x: Sample; readonly y: Sample; readonly dim: number },
): Promise<PooledProducts> {
  const size = x.count + y.count;
  const pool = new Float32Array(size * dim);
  pool.set(x.rows.subarray(0, x.count * dim));
  pool.set(y.rows.subarray(0, y.count * dim), x.count * dim);
  const mean = meanOf(pool, size, dim);
  const squares = new Float64Array(size);
  const meanProducts = new Float64Array(size);
  for (let i = 0, at = 0; i < size; i++) {
    let square = 0;
    let product = 0;
    for (let c = 0; c < dim; c++, at++) {
      const value = (pool[at] = pool[at]! - mean[c]!);
      const kept = pool[at]!;
      square += kept * kept;
      product += value * mean[c]!;
    }
    squares[i] = square;
    meanProducts[i] = product;
  }
  const matrix = { rows: size, columns: dim, data: pool };
  return {
    n: x.count,
    m: y.count,
    dim,
    centred: await engine.timesTransposed(matrix, matrix),
    squares,
    meanProducts,
    meanSquare: mean.reduce((sum, value) => sum + value * value, 0),
  };
}

function meanOf(rows: Float32Array, count: number, dim: number): Float64Array {
  const mean = new Float64Array(dim);
  for (let i = 0, at = 0; i < count; i++) for (let c = 0; c < dim; c++, at++) mean[c]! += rows[at]!;
  return mean.map((sum) => sum / count);
}

/** Squared Euclidean distance of pool rows i and j; exactly 0 for i = j. */
export function squaredDistance(pool: PooledProducts, i: number, j: number): number {
  if (i === j) return 0;
  const product = pool.centred[i * (pool.n + pool.m) + j]!;
  return Math.max(0, pool.squares[i]! + pool.squares[j]! - 2 * product);
}

/** Product of the rows as they came. */
export function rawProduct(pool: PooledProducts, i: number, j: number): number {
  const product = i === j ? pool.squares[i]! : pool.centred[i * (pool.n + pool.m) + j]!;
  return product + pool.meanProducts[i]! + pool.meanProducts[j]! + pool.meanSquare;
}

/** Squared distances of pool row i to rows `from` to `to` (not included) into `out`, from its start. */
export function squaredDistanceRow(
  pool: PooledProducts,
  i: number,
  { from, to, out }: { readonly from: number; readonly to: number; readonly out: Float64Array },
): void {
  const { centred, squares } = pool;
  const at = i * (pool.n + pool.m);
  const square = squares[i]!;
  for (let j = from; j < to; j++) out[j - from] = Math.max(0, square + squares[j]! - 2 * centred[at + j]!);
  if (i >= from && i < to) out[i - from] = 0;
}

/** Products of the rows as they came, row i with rows 0 to i, into the start of `out`. */
export function rawProductRow(pool: PooledProducts, i: number, out: Float64Array): void {
  const { centred, meanProducts } = pool;
  const at = i * (pool.n + pool.m);
  const common = meanProducts[i]! + pool.meanSquare;
  for (let j = 0; j < i; j++) out[j] = centred[at + j]! + meanProducts[j]! + common;
  out[i] = pool.squares[i]! + meanProducts[i]! + common;
}
