/**
 * Fréchet distance of two normal distributions, |mu1 - mu2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) (Dowson and Landau, 1982; FID when the
 * features are Inception's). Biased upwards by about a constant over n: compare only at equal n, or extrapolate.
 */
import { matrixProduct, symmetricSquareRoot, transposed } from '../../core/linear-algebra/dense.ts';
import { symmetricEigenvalues } from '../../core/linear-algebra/symmetric-eigen.ts';
import type { Sample } from './pooled-products.ts';

export interface Moments {
  readonly dim: number;
  /** [dim] */
  readonly mean: Float64Array;
  /** [dim * dim], divided by count - 1. */
  readonly covariance: Float64Array;
}

/** @throws Error (a defect) with fewer than two rows. */
export function momentsOf({ count, rows }: Sample, dim: number): Moments {
  if (count < 2) throw new Error('internal: no covariance of fewer than two rows');
  const mean = new Float64Array(dim);
  for (let i = 0, at = 0; i < count; i++) for (let c = 0; c < dim; c++, at++) mean[c]! += rows[at]! / count;
  const covariance = new Float64Array(dim * dim);
  const centred = new Float64Array(dim);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < dim; c++) centred[c] = rows[i * dim + c]! - mean[c]!;
    for (let r = 0; r < dim; r++) {
      const x = centred[r]!;
      const to = r * dim;
      for (let c = 0; c <= r; c++) covariance[to + c]! += x * centred[c]!;
    }
  }
  for (let r = 0; r < dim; r++)
    for (let c = 0; c <= r; c++) covariance[c * dim + r] = covariance[r * dim + c]! /= count - 1;
  return { dim, mean, covariance };
}

/**
 * The trace of the root is the sum of roots of the eigenvalues of S1^(1/2) S2 S1^(1/2), which is symmetric: no complex values, no
 * ridge. Never below 0.
 */
export function frechetDistance(a: Moments, b: Moments): number {
  const { dim } = a;
  const root = symmetricSquareRoot(a.covariance, dim);
  const sizes = { n: dim, m: dim, p: dim };
  const product = matrixProduct(matrixProduct(root, b.covariance, sizes), root, sizes);
  const cross = symmetricEigenvalues(product, dim).reduce(
    (sum, value) => sum + Math.sqrt(Math.max(0, value)),
    0,
  );
  let distance = -2 * cross;
  for (let c = 0; c < dim; c++)
    distance += (a.mean[c]! - b.mean[c]!) ** 2 + a.covariance[c * dim + c]! + b.covariance[c * dim + c]!;
  return Math.max(0, distance);
}

/**
 * {@link frechetDistance} of two samples. With fewer rows than dimensions the trace of the root is the sum of the singular values of
 * X Y^T, X and Y being the centred rows [n, dim] and [m, dim] over sqrt(n - 1) and sqrt(m - 1): its size is rows, not dimensions.
 */
export function frechetOfSamples(x: Sample, y: Sample, dim: number): number {
  const fewer = Math.min(x.count, y.count);
  if (fewer >= dim) return frechetDistance(momentsOf(x, dim), momentsOf(y, dim));
  const [few, many] = [x, y].sort((a, b) => a.count - b.count).map((sample) => centredRows(sample, dim));
  let distance = few!.variance + many!.variance;
  for (let c = 0; c < dim; c++) distance += (few!.mean[c]! - many!.mean[c]!) ** 2;
  const cross = matrixProduct(few!.rows, transposed(many!.rows, many!.count, dim), {
    n: few!.count,
    m: dim,
    p: many!.count,
  });
  const gram = matrixProduct(cross, transposed(cross, few!.count, many!.count), {
    n: few!.count,
    m: many!.count,
    p: few!.count,
  });
  for (const value of symmetricEigenvalues(gram, few!.count)) distance -= 2 * Math.sqrt(Math.max(0, value));
  return Math.max(0, distance);
}

/** Rows less their mean, over sqrt(count - 1): R^T R is the covariance, and `variance` its trace. */
function centredRows({ count, rows }: Sample, dim: number) {
  if (count < 2) throw new Error('internal: no covariance of fewer than two rows');
  const mean = new Float64Array(dim);
  for (let i = 0, at = 0; i < count; i++) for (let c = 0; c < dim; c++, at++) mean[c]! += rows[at]! / count;
  const centred = new Float64Array(count * dim);
  const scale = 1 / Math.sqrt(count - 1);
  let variance = 0;
  for (let i = 0, at = 0; i < count; i++)
    for (let c = 0; c < dim; c++, at++) {
      const value = (rows[at]! - mean[c]!) * scale;
      centred[at] = value;
      variance += value * value;
    }
  return { count, mean, rows: centred, variance };
}

/** A covariance of `count` rows has rank at most count - 1; below twice the dimension its small eigenvalues are noise. */
export function isRankDeficient(count: number, dim: number): boolean {
  return count < 2 * dim;
}

const SIZES = 15;

/**
 * The distance for infinitely many rows: the intercept of a straight line through the distances of the first N rows of both
 * samples against 1 / N, at 15 sizes from a tenth of the rows (Chong and Forsyth, arXiv 1911.07023).
 * @returns null with fewer than 20 rows
 */
export function frechetAtInfinity(x: Sample, y: Sample, dim: number): number | null {
  const most = Math.min(x.count, y.count);
  if (most < 20) return null;
  const least = Math.max(2, Math.floor(most / 10));
  const points = Array.from({ length: SIZES }, (_, i) => {
    const count = Math.round(least + ((most - least) * i) / (SIZES - 1));
    const of = ({ rows }: Sample): Sample => ({ count, rows });
    return { inverse: 1 / count, distance: frechetOfSamples(of(x), of(y), dim) };
  });
  const meanInverse = points.reduce((sum, { inverse }) => sum + inverse, 0) / SIZES;
  const meanDistance = points.reduce((sum, { distance }) => sum + distance, 0) / SIZES;
  let [covariance, variance] = [0, 0];
  for (const { inverse, distance } of points) {
    covariance += (inverse - meanInverse) * (distance - meanDistance);
    variance += (inverse - meanInverse) ** 2;
  }
  return meanDistance - (covariance / variance) * meanInverse;
}
