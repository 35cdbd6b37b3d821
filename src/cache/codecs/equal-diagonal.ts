/**
 * Orthogonal matrices that give every channel the same variance. H with entries +-1/sqrt(n) does so for any spectrum (PHI-S,
 * theorem 2.1) where a Hadamard matrix of that order exists. Elsewhere: mix by the largest Hadamard matrix that fits, then make
 * the diagonal equal by n - 1 plane rotations (Schur-Horn; Bendel and Mickey, "Population correlation matrices for sampling
 * experiments", 1978). The result is square, so nothing is padded, but it belongs to its spectrum.
 */
import { hadamard, hadamardOrderUpTo } from '../../core/linear-algebra/hadamard.ts';
import { product64 } from '../../core/linear-algebra/packed-matrix.ts';
import { Rng } from '../../core/rng.ts';

/** Seed of the permutations and signs: part of the codec's definition. */
const SEED = 'phi-s';

/** Q [n * n], orthogonal, with Q diag(eigenvalues) Q^T of constant diagonal. */
export function equalDiagonalRotation(eigenvalues: Float64Array): Float64Array {
  const n = eigenvalues.length;
  const exact = hadamard(n);
  if (exact !== null) return Float64Array.from(exact, (sign) => sign / Math.sqrt(n));
  const q = mixing(n);
  equalise(q, covarianceAfter(q, eigenvalues), n);
  return q;
}

/** Signs and a permutation, a Hadamard matrix on the first rows, the same again on the last ones: together they cover all. */
function mixing(n: number): Float64Array {
  const order = hadamardOrderUpTo(n);
  const h = Float64Array.from(hadamard(order)!, (sign) => sign / Math.sqrt(order));
  let q: Float64Array = new Float64Array(n * n);
  for (let i = 0; i < n; i++) q[i * n + i] = 1;
  for (const [pass, first] of [0, n - order].entries()) {
    q = shuffledRows(q, n, new Rng(SEED, n, pass));
    const rows = q.subarray(first * n, (first + order) * n);
    rows.set(product64(h, rows.slice(), { k: order, n }));
  }
  return q;
}

function shuffledRows(q: Float64Array, n: number, rng: Rng): Float64Array {
  const out = new Float64Array(n * n);
  rng.shuffled(Array.from({ length: n }, (_, i) => i)).forEach((from, to) => {
    const sign = rng.below(2) === 0 ? 1 : -1;
    for (let j = 0; j < n; j++) out[to * n + j] = sign * q[from * n + j]!;
  });
  return out;
}

/** Q diag(eigenvalues) Q^T. */
function covarianceAfter(q: Float64Array, eigenvalues: Float64Array): Float64Array {
  const n = eigenvalues.length;
  const scaled = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) scaled[j * n + i] = q[i * n + j]! * eigenvalues[j]!;
  return product64(q, scaled, { k: n, n });
}

/**
 * Rotates pairs of channels, one below and one above the mean variance, so that one of the two gets it exactly. In place: Q and
 * its covariance, [n * n].
 */
function equalise(q: Float64Array, covariance: Float64Array, n: number): void {
  const mean = traceOf(covariance, n) / n;
  const excess = (i: number): number => covariance[i * n + i]! - mean;
  const open = new Set(Array.from({ length: n }, (_, i) => i));
  while (open.size > 1) {
    let [low, high] = [-1, -1];
    for (const i of open) {
      if (low === -1 || excess(i) < excess(low)) low = i;
      if (high === -1 || excess(i) > excess(high)) high = i;
    }
    // the excesses of all open channels sum to 0: none below means all equal
    if (!(excess(low) < 0 && excess(high) > 0)) return;
    const cross = covariance[low * n + high]!;
    // tan t of the rotation that gives `low` the mean: (a - m) + 2 c t + (b - m) t^2 = 0
    const root = Math.sqrt(cross * cross - excess(low) * excess(high));
    const tangent = cross > 0 ? -excess(low) / (cross + root) : (root - cross) / excess(high);
    const cosine = 1 / Math.sqrt(1 + tangent * tangent);
    rotate({ q, covariance, n, low, high, cosine, sine: cosine * tangent });
    open.delete(low);
  }
}

interface PlaneRotation {
  readonly q: Float64Array;
  readonly covariance: Float64Array;
  readonly n: number;
  readonly low: number;
  readonly high: number;
  readonly cosine: number;
  readonly sine: number;
}

/** low <- c low + s high, high <- c high - s low: rows of Q, rows and columns of the covariance. */
function rotate({ q, covariance, n, low, high, cosine, sine }: PlaneRotation): void {
  const turn = (matrix: Float64Array, a: number, b: number): void => {
    const x = matrix[a]!;
    const y = matrix[b]!;
    matrix[a] = cosine * x + sine * y;
    matrix[b] = cosine * y - sine * x;
  };
  for (let j = 0; j < n; j++) turn(q, low * n + j, high * n + j);
  for (let j = 0; j < n; j++) turn(covariance, low * n + j, high * n + j);
  for (let j = 0; j < n; j++) turn(covariance, j * n + low, j * n + high);
}

function traceOf(matrix: Float64Array, n: number): number {
  let trace = 0;
  for (let i = 0; i < n; i++) trace += matrix[i * n + i]!;
  return trace;
}
