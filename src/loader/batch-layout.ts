/** Where the tensors of one batch lie in its buffer: each begins at a multiple of 64 bytes. Pure. */
import { CRC_SCRATCH_BYTES } from '../core/wasm/crc32-kernel.ts';
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
  /** Byte of the first picture; they come last, since their size may differ between batches. */
  readonly pixelsAt: number;
  /** Byte of the first picture as it is stored, on its way through a transform. */
  readonly stagedAt: number;
  /** Byte of what threads that check rows need to themselves, {@link CRC_SCRATCH_BYTES} each; -1 where no row is worth it. */
  readonly scratchAt: number;
  readonly sizeBytes: number;
}

export interface LayoutOptions {
  /** Of a full batch. */
  readonly rows: number;
  /** Of one row of each space. */
  readonly shapes: readonly (readonly number[])[];
  readonly as: DeliveredAs;
  /** Of the largest picture; 0 without pixels. */
  readonly pixelBytes: number;
  /** Of the largest one that is staged; 0 where none is. */
  readonly stagedBytes?: number;
  /** That check rows, the caller's included; 0 where none is large enough for a kernel. */
  readonly checking?: number;
}

export function batchLayout({
  rows,
  shapes,
  as,
  pixelBytes,
  stagedBytes = 0,
  checking = 0,
}: LayoutOptions): BatchLayout {
  let end = 0;
  const targets = shapes.map((shape): TensorPlace => {
    const at = end;
    const rowBytes = rowValuesOf(shape) * BYTES_OF[as];
    end = Math.ceil((at + rows * rowBytes) / ALIGNMENT) * ALIGNMENT;
    return { at, rowBytes, shape };
  });
  const stagedAt = Math.ceil((end + rows * pixelBytes) / ALIGNMENT) * ALIGNMENT;
  const used = stagedBytes === 0 ? end + rows * pixelBytes : stagedAt + rows * stagedBytes;
  const scratchAt = checking === 0 ? -1 : Math.ceil(used / ALIGNMENT) * ALIGNMENT;
  const sizeBytes = checking === 0 ? used : scratchAt + checking * CRC_SCRATCH_BYTES;
  return { targets, pixelsAt: end, stagedAt, scratchAt, sizeBytes };
}
