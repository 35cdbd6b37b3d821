/** Where the tensors of one batch lie in its buffer: each begins at a multiple of 64 bytes. Pure. */
import { rowValuesOf } from '../format/tensor-part.ts';
import { BYTES_OF, type DeliveredAs } from './row-decoder.ts';

export const ALIGNMENT = 64;

export interface TensorPlace {
  /** Byte of the first row. */
  readonly at: number;
  readonly rowBytes: number;
  /** Of one row. */
  readonly shape: readonly number[];
}

export interface BatchLayout {
  /** In the order of the shapes. */
  readonly targets: readonly TensorPlace[];
  readonly sizeBytes: number;
}

/** @param rows of a full batch. @param shapes of one row of each space. */
export function batchLayout(
  rows: number,
  shapes: readonly (readonly number[])[],
  as: DeliveredAs,
): BatchLayout {
  let end = 0;
  const targets = shapes.map((shape): TensorPlace => {
    const at = end;
    const rowBytes = rowValuesOf(shape) * BYTES_OF[as];
    end = Math.ceil((at + rows * rowBytes) / ALIGNMENT) * ALIGNMENT;
    return { at, rowBytes, shape };
  });
  return { targets, sizeBytes: end };
}
