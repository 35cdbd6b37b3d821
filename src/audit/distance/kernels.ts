/** Kernels of the maximum mean discrepancy, and the bandwidth that fits the data. */
import type { Rng } from '../../core/rng.ts';
import {
  type PooledProducts,
  rawProduct,
  rawProductRow,
  squaredDistance,
  squaredDistanceRow,
} from './pooled-products.ts';

export type Kernel =
  /** exp(-|x - y|^2 / (2 sigma^2)) */
  | { readonly kind: 'rbf'; readonly sigma: number }
  /** (x.y / d + 1)^3, the kernel of the Kernel Inception Distance (Binkowski et al., arXiv 1801.01401). */
  | { readonly kind: 'cubic' }
  /** RBF on unit rows, as CMMD has it with sigma 10 (arXiv 2401.09603). */
  | { readonly kind: 'unit-rbf'; readonly sigma: number };

export const CMMD_KERNEL: Kernel = { kind: 'unit-rbf', sigma: 10 };

/** Writes k(row i, row j) for j <= i into the start of a buffer; float64 up to the float32 of the products. */
export type KernelRow = (i: number, out: Float64Array) => void;

/** Whole rows, in plain loops: a call per pair would cost ten times as much. */
export function kernelRowOf(pool: PooledProducts, kernel: Kernel): KernelRow {
  if (kernel.kind === 'rbf') {
    const scale = -1 / (2 * kernel.sigma ** 2);
    return (i, out) => {
      squaredDistanceRow(pool, i, { from: 0, to: i + 1, out });
      for (let j = 0; j <= i; j++) out[j] = Math.exp(scale * out[j]!);
    };
  }
  if (kernel.kind === 'cubic') {
    const { dim } = pool;
    return (i, out) => {
      rawProductRow(pool, i, out);
      for (let j = 0; j <= i; j++) {
        const base = out[j]! / dim + 1;
        out[j] = base * base * base;
      }
    };
  }
  const scale = -1 / (2 * kernel.sigma ** 2);
  const lengths = Float64Array.from({ length: pool.n + pool.m }, (_, i) => Math.sqrt(rawProduct(pool, i, i)));
  return (i, out) => {
    rawProductRow(pool, i, out);
    for (let j = 0; j < i; j++) {
      const cosine = Math.min(1, out[j]! / (lengths[i]! * lengths[j]!));
      out[j] = Math.exp(scale * (2 - 2 * cosine));
    }
    out[i] = 1;
  };
}

/** Pairs looked at for the median; all of them in small pools. */
const MEDIAN_PAIRS = 200_000;

/** Median distance of two different rows of the pool: the usual bandwidth. Null when it is 0 (most rows are one point). */
export function medianDistance(pool: PooledProducts, rng: Rng): number | null {
  const size = pool.n + pool.m;
  const total = (size * (size - 1)) / 2;
  const squares: number[] = [];
  if (total <= MEDIAN_PAIRS) {
    for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) squares.push(squaredDistance(pool, i, j));
  } else {
    while (squares.length < MEDIAN_PAIRS) {
      const [i, j] = [rng.below(size), rng.below(size)];
      if (i !== j) squares.push(squaredDistance(pool, i, j));
    }
  }
  if (squares.length === 0) return null;
  const sorted = Float64Array.from(squares).sort();
  const median = Math.sqrt((sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2);
  // float32 products leave a little of a distance of zero
  const scale = Math.max(...pool.squares);
  return median > Math.sqrt(scale) * 1e-3 ? median : null;
}
