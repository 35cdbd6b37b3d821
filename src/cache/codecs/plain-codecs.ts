/** f32 and f16: the values themselves, after pooling. */
import { decodeHalf, encodeHalf } from '../../core/half.ts';
import { rowValuesOf } from '../../format/tensor-part.ts';
import { compareRow } from './codec-error.ts';
import { poolGrid } from './pool-grid.ts';
import { type CodedShape, storedTensorOf, targetShapeOf } from './stored-tensor.ts';
import type { CodecStatistics, EncodeTrouble, TargetCodec } from './target-codec.ts';

/** Largest finite binary16 value: anything beyond would silently become infinity. */
const HALF_MAX = 65504;

export function floatCodec(coded: CodedShape): TargetCodec {
  return {
    stored: storedTensorOf(coded),
    encode: (values, row) => {
      poolGrid(values, coded, row as Float32Array);
      return troubleBeyond(row as Float32Array, Infinity);
    },
    decode: (row, out, form) => {
      if (form === 'normalised') throw new Error('internal: f32 has no normalised form');
      out.set(new Float32Array(aligned(row, 4).buffer, aligned(row, 4).byteOffset, out.length));
    },
  };
}

export function halfCodec(coded: CodedShape, statistics: CodecStatistics | null): TargetCodec {
  const target = targetShapeOf(coded);
  const channels = target.at(-1)!;
  const pooled = new Float32Array(rowValuesOf(target));
  const decoded = new Float32Array(pooled.length);
  const precision = statistics && precisionOf(statistics.std);
  return {
    stored: storedTensorOf(coded),
    encode: (values, row, sums) => {
      poolGrid(values, coded, pooled);
      const trouble = troubleBeyond(pooled, HALF_MAX);
      if (trouble !== null) return trouble;
      encodeHalf(pooled, row as Uint16Array);
      decodeHalf(row as Uint16Array, decoded);
      compareRow({ source: pooled, decoded, channels, precision }, sums);
      return null;
    },
    decode: (row, out, form) => {
      if (form === 'normalised') throw new Error('internal: f16 has no normalised form');
      const bytes = aligned(row, 2);
      decodeHalf(new Uint16Array(bytes.buffer, bytes.byteOffset, out.length), out);
    },
  };
}

/** 1 / variance; a channel that never moves counts for nothing. */
export const precisionOf = (std: Float64Array): Float64Array =>
  std.map((deviation) => (deviation > 0 ? 1 / (deviation * deviation) : 0));

/** The first trouble of a row; `most` is the largest magnitude that can be stored. */
export function troubleBeyond(values: Float32Array, most: number): EncodeTrouble | null {
  let beyond = false;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i]!);
    if (magnitude < most) continue;
    // also true of NaN, which is less than nothing
    if (!(magnitude < Infinity)) return 'non-finite';
    if (magnitude > most) beyond = true;
  }
  return beyond ? 'beyond-f16' : null;
}

/** Bytes at an offset that is a multiple of `size`, copied only where they are not. */
function aligned(bytes: Uint8Array, size: number): Uint8Array {
  return bytes.byteOffset % size === 0 ? bytes : Uint8Array.from(bytes);
}
