/**
 * Encoding and decoding of single targets. Pure and synchronous, without files: a worker opens a codec from the description and
 * the statistics it was sent, and gives the same bytes on every machine.
 */
import type { TensorValues } from '../../format/tensor-part.ts';
import type { CodecErrorSums } from './codec-error.ts';
import type { StoredTensor } from './stored-tensor.ts';

/** `teacher`: the teacher's own space. `normalised`: the PHI-S space, every channel of unit variance; spares the rotation back. */
export type TargetForm = 'teacher' | 'normalised';

export interface TargetCodec {
  readonly stored: StoredTensor;
  /**
   * Encodes one target, [product of the space's shape], into one row of the payload and adds what that cost to `sums`.
   * Returns why the target cannot be stored, the row then being undefined, or null.
   */
  encode(values: Float32Array, row: TensorValues, sums: CodecErrorSums): EncodeTrouble | null;
  /**
   * Decodes the bytes of one payload row into `out`, [product of the target's shape in that form].
   * @throws Error (a defect) for a form that the codec does not have.
   */
  decode(row: Uint8Array, out: Float32Array, form: TargetForm): void;
}

/**
 * `non-finite`: NaN or infinity. `beyond-f16`: finite, but binary16 has no such value. `beyond-codec`: so far from what the
 * statistics say that no scale fits.
 */
export type EncodeTrouble = 'non-finite' | 'beyond-f16' | 'beyond-codec';

/** What a codec is built from besides its description. */
export interface CodecStatistics {
  /** All [C], over the tokens of the source. */
  readonly mean: Float64Array;
  readonly std: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
  /** Of the covariance, descending, [C]; eigenvectors as rows, [C, C]. */
  readonly eigenvalues: Float64Array;
  readonly eigenvectors: Float64Array;
}
