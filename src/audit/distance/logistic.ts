/** Logistic regression with a ridge, fitted by Newton's method on standardised features. */
import { solvePositive } from '../../core/linear-algebra/dense.ts';

export interface LogisticModel {
  /** Probability of label 1 for one row of [dim] features. */
  readonly probability: (row: Float32Array) => number;
}

export interface LogisticInput {
  /** [count * dim] */
  readonly rows: Float32Array;
  readonly labels: Uint8Array;
  readonly dim: number;
  /** Rows to fit on. */
  readonly chosen: readonly number[];
  /** Weight of |w|^2 / 2 against the sum of log losses; default 1. The intercept is free. */
  readonly ridge?: number;
}

const STEPS = 30;

/** Features that do not vary among the chosen rows are left out. The classes count alike, whatever their sizes. */
export function fitLogistic({ rows, labels, dim, chosen, ridge = 1 }: LogisticInput): LogisticModel {
  const { mean, scale } = standardisation(rows, dim, chosen);
  const z = new Float64Array(chosen.length * dim);
  chosen.forEach((row, i) => {
    for (let c = 0; c < dim; c++) z[i * dim + c] = (rows[row * dim + c]! - mean[c]!) * scale[c]!;
  });
  const ones = chosen.reduce((sum, row) => sum + labels[row]!, 0);
  const weightOf = [chosen.length / (2 * (chosen.length - ones)), chosen.length / (2 * ones)];
  const size = dim + 1;
  const w = new Float64Array(size);
  for (let step = 0; step < STEPS; step++) {
    const gradient = new Float64Array(size);
    const hessian = new Float64Array(size * size);
    for (let i = 0; i < chosen.length; i++) {
      const label = labels[chosen[i]!]!;
      const at = i * dim;
      let logit = w[dim]!;
      for (let c = 0; c < dim; c++) logit += w[c]! * z[at + c]!;
      const p = 1 / (1 + Math.exp(-logit));
      const weight = weightOf[label]!;
      const error = weight * (p - label);
      const curvature = weight * Math.max(p * (1 - p), 1e-9);
      for (let r = 0; r < size; r++) {
        const x = r < dim ? z[at + r]! : 1;
        gradient[r]! += error * x;
        const scaled = curvature * x;
        const to = r * size;
        const end = Math.min(r + 1, dim);
        for (let c = 0; c < end; c++) hessian[to + c]! += scaled * z[at + c]!;
        if (r === dim) hessian[to + dim]! += curvature;
      }
    }
    for (let r = 0; r < dim; r++) {
      gradient[r]! += ridge * w[r]!;
      hessian[r * size + r]! += ridge;
    }
    for (let r = 0; r < size; r++) for (let c = 0; c < r; c++) hessian[c * size + r] = hessian[r * size + c]!;
    const move = solvePositive(hessian, gradient);
    let largest = 0;
    for (let r = 0; r < size; r++) {
      // a capped step keeps Newton inside where classes are far apart
      const by = Math.max(-4, Math.min(4, move[r]!));
      w[r]! -= by;
      largest = Math.max(largest, Math.abs(by));
    }
    if (largest < 1e-8) break;
  }
  return {
    probability: (row) => {
      let logit = w[dim]!;
      for (let c = 0; c < dim; c++) logit += w[c]! * (row[c]! - mean[c]!) * scale[c]!;
      return 1 / (1 + Math.exp(-logit));
    },
  };
}

function standardisation(
  rows: Float32Array,
  dim: number,
  chosen: readonly number[],
): { mean: Float64Array; scale: Float64Array } {
  const mean = new Float64Array(dim);
  const squares = new Float64Array(dim);
  for (const row of chosen) for (let c = 0; c < dim; c++) mean[c]! += rows[row * dim + c]! / chosen.length;
  for (const row of chosen)
    for (let c = 0; c < dim; c++) squares[c]! += (rows[row * dim + c]! - mean[c]!) ** 2 / chosen.length;
  return { mean, scale: squares.map((variance) => (variance > 1e-20 ? 1 / Math.sqrt(variance) : 0)) };
}
