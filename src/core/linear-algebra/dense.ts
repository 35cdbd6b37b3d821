/** Small dense float64 matrices, row by row: products, the square root of a positive matrix, a linear solve. */
import { symmetricEigen } from './symmetric-eigen.ts';

/** [n * m] times [m * p] = [n * p]. Inner loops run along rows. */
export function matrixProduct(
  a: Float64Array,
  b: Float64Array,
  { n, m, p }: { readonly n: number; readonly m: number; readonly p: number },
): Float64Array {
  const out = new Float64Array(n * p);
  for (let i = 0; i < n; i++) {
    const to = i * p;
    for (let k = 0; k < m; k++) {
      const x = a[i * m + k]!;
      if (x === 0) continue;
      const from = k * p;
      for (let j = 0; j < p; j++) out[to + j]! += x * b[from + j]!;
    }
  }
  return out;
}

/** The symmetric S with S S = A for a positive semi-definite A [n * n]; eigenvalues that rounding made negative count as 0. */
export function symmetricSquareRoot(matrix: Float64Array, n: number): Float64Array {
  const { values, vectors } = symmetricEigen(matrix, n);
  const scaled = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    const root = Math.sqrt(Math.max(0, values[k]!));
    for (let j = 0; j < n; j++) scaled[k * n + j] = root * vectors[k * n + j]!;
  }
  // V^T diag(sqrt) V, the eigenvectors being rows
  return matrixProduct(transposed(vectors, n, n), scaled, { n, m: n, p: n });
}

/** [n * m] -> [m * n]. */
export function transposed(a: Float64Array, n: number, m: number): Float64Array {
  const out = new Float64Array(n * m);
  for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) out[j * n + i] = a[i * m + j]!;
  return out;
}

/**
 * x with A x = b for a symmetric positive definite A [n * n], by Cholesky.
 * @throws Error (a defect) when A is not positive definite.
 */
export function solvePositive(a: Float64Array, b: Float64Array): Float64Array {
  const n = b.length;
  const l = a.slice();
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = l[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!;
      if (i !== j) l[i * n + j] = sum / l[j * n + j]!;
      else if (sum > 0) l[i * n + i] = Math.sqrt(sum);
      else throw new Error('internal: the matrix is not positive definite');
    }
  }
  const x = b.slice();
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i]! -= l[i * n + k]! * x[k]!;
    x[i]! /= l[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i]! -= l[k * n + i]! * x[k]!;
    x[i]! /= l[i * n + i]!;
  }
  return x;
}
