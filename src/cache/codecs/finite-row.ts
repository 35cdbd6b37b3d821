/** Whether what a payload row stands for is finite: a part may have been written by other code, or in another time. */
import { floatFromHalf } from '../../core/half.ts';
import { isRotated } from './codec.ts';
import { type CodedShape, SCALE_BYTES, storedTensorOf } from './stored-tensor.ts';

/** `row` at an offset that is a multiple of 4. Codes are always finite; scales of tokens need not be. */
export function isFiniteRow(row: Uint8Array, coded: CodedShape): boolean {
  const { shape, dtype } = storedTensorOf(coded);
  if (dtype === 'float32')
    return new Float32Array(row.buffer, row.byteOffset, row.length / 4).every(Number.isFinite);
  if (dtype === 'float16')
    return new Uint16Array(row.buffer, row.byteOffset, row.length / 2).every(isFiniteHalf);
  if (!isRotated(coded.codec)) return true;
  const record = shape.at(-1)!;
  for (let end = record; end <= row.length; end += record)
    if (!isFiniteHalf(row[end - SCALE_BYTES]! | (row[end - 1]! << 8))) return false;
  return true;
}

const isFiniteHalf = (bits: number): boolean => Number.isFinite(floatFromHalf(bits));
