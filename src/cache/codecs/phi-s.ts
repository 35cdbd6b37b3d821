/**
 * PHI-S (arXiv 2410.01680 §2; distillation.md §4): centre, rotate to the eigenbasis, rotate on so that every channel has the same
 * variance, and divide by one scalar. Distances keep their ratios: an error in the normalised space is the error in the teacher's
 * space over phi, whatever its direction.
 *
 *     normalised = R (y - mean) / phi        y = phi R^T normalised + mean        R [k, C], orthonormal rows
 */
import { product64 } from '../../core/linear-algebra/packed-matrix.ts';
import { equalDiagonalRotation } from './equal-diagonal.ts';

/** Variance below this share of the squared mean is the rounding of a constant, not a signal. */
const ROUNDING = 1e-20;

export interface PhiSInput {
  /** [C] */
  readonly mean: Float64Array;
  /** Of the covariance, descending, [C]; eigenvectors as rows, [C, C]. */
  readonly eigenvalues: Float64Array;
  readonly eigenvectors: Float64Array;
}

export interface PhiS {
  /** C of the teacher. */
  readonly channels: number;
  /** Principal directions kept, k. */
  readonly kept: number;
  readonly mean: Float64Array;
  /** Root of the mean variance of the kept directions; 1 for a source that never moves. */
  readonly phi: number;
  /** R, [k, C]. */
  readonly rotation: Float64Array;
  /** Share of the total variance that lies in the kept directions, 0..1. */
  readonly explainedVariance: number;
}

/** @param kept principal directions to keep, at most C; default all. */
export function phiS(input: PhiSInput, kept: number = input.mean.length): PhiS {
  const channels = input.mean.length;
  // rounding leaves a singular covariance with eigenvalues just below 0
  const variances = input.eigenvalues.map((value) => Math.max(0, value));
  const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);
  const keptVariance = sum(variances.subarray(0, kept));
  const total = sum(variances);
  const basis = input.eigenvectors.subarray(0, kept * channels);
  const rotation = product64(equalDiagonalRotation(variances.slice(0, kept)), basis, {
    k: kept,
    n: channels,
  });
  return {
    channels,
    kept,
    mean: input.mean,
    phi:
      keptVariance > ROUNDING * sum(input.mean.map((value) => value * value))
        ? Math.sqrt(keptVariance / kept)
        : 1,
    rotation,
    explainedVariance: total > 0 ? keptVariance / total : 1,
  };
}

/** The forward map as a matrix for row vectors, [C, k]: (y - mean) times it is the normalised token. */
export function forwardMatrix({ rotation, phi, kept, channels }: PhiS): Float64Array {
  const out = new Float64Array(channels * kept);
  for (let i = 0; i < kept; i++)
    for (let c = 0; c < channels; c++) out[c * kept + i] = rotation[i * channels + c]! / phi;
  return out;
}

/** The way back, [k, C]: a normalised token times it, plus the mean, is the teacher's. */
export function inverseMatrix({ rotation, phi }: PhiS): Float64Array {
  return rotation.map((value) => value * phi);
}

export interface LinearLayer {
  /** [inputs, outputs]: x times weight plus bias. */
  readonly weight: Float64Array;
  readonly bias: Float64Array;
}

/**
 * A head trained on normalised targets as a head that answers in the teacher's own space (distillation.md §4.2): the way back is
 * linear, so it folds into the head's last layer.
 */
export function foldIntoLinear(layer: LinearLayer, transform: PhiS): LinearLayer {
  const { channels, kept, mean } = transform;
  const inverse = inverseMatrix(transform);
  const bias = product64(layer.bias, inverse, { k: kept, n: channels });
  return {
    weight: product64(layer.weight, inverse, { k: kept, n: channels }),
    bias: bias.map((value, c) => value + mean[c]!),
  };
}
