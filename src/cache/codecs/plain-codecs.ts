/** f32 and f16: the values themselves, after pooling. u8: bytes, of pixels. */
import { decodeHalf, encodeHalf } from '../../core/half.ts';
import { rowValuesOf } from '../../format/tensor-part.ts';
import { rowComparison } from './codec-error.ts';
import { halfSource, isFinite } from './half-source.ts';
import { poolGrid } from './pool-grid.ts';
import { type CodedShape, storedTensorOf, targetShapeOf } from './stored-tensor.ts';
import type { TargetCodec } from './target-codec.ts';

export function floatCodec(coded: CodedShape): TargetCodec {
  return {
    stored: storedTensorOf(coded),
    encode: (values, row) => {
      poolGrid(values, coded, row as Float32Array);
      return isFinite(row as Float32Array) ? null : 'non-finite';
    },
    decode: (row, out, form) => {
      if (form === 'normalised') throw new Error('internal: f32 has no normalised form');
      const bytes = aligned(row, 4);
      out.set(new Float32Array(bytes.buffer, bytes.byteOffset, out.length));
    },
  };
}

export function halfCodec(coded: CodedShape): TargetCodec {
  const target = targetShapeOf(coded);
  const channels = target.at(-1)!;
  const source = halfSource(coded);
  const decoded = new Float32Array(rowValuesOf(target));
  const compare = rowComparison(channels);
  return {
    stored: storedTensorOf(coded),
    encode: (values, row, sums) => {
      const trouble = source.load(values);
      if (trouble !== null) return trouble;
      if (coded.codec.pool === undefined) {
        (row as Uint16Array).set(source.halves);
        compare({ source: values, decoded: source.values }, sums);
      } else {
        encodeHalf(source.values, row as Uint16Array);
        decodeHalf(row as Uint16Array, decoded);
        compare({ source: source.values, decoded }, sums);
      }
      return null;
    },
    decode: (row, out, form) => {
      if (form === 'normalised') throw new Error('internal: f16 has no normalised form');
      const bytes = aligned(row, 2);
      decodeHalf(new Uint16Array(bytes.buffer, bytes.byteOffset, out.length), out);
    },
  };
}

export function byteCodec(coded: CodedShape): TargetCodec {
  return {
    stored: storedTensorOf(coded),
    encode: (values, row) => {
      (row as Uint8Array).set(values);
      if (values.some((value, i) => value !== row[i])) throw new Error('internal: u8 stores bytes alone');
      return null;
    },
    decode: (row, out, form) => {
      if (form === 'normalised') throw new Error('internal: u8 has no normalised form');
      out.set(row);
    },
  };
}

/** Bytes at an offset that is a multiple of `size`, copied only where they are not. */
function aligned(bytes: Uint8Array, size: number): Uint8Array {
  return bytes.byteOffset % size === 0 ? bytes : Uint8Array.from(bytes);
}
