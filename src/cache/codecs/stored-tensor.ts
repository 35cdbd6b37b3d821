/** Shapes of a target before, in, and after its codec. */
import { type TensorDtype, type TensorValues, rowBytesOf } from '../../format/tensor-part.ts';
import { type CodecDescriptor, isRotated } from './codec.ts';

/** One row of a part's payload. */
export interface StoredTensor {
  readonly shape: readonly number[];
  readonly dtype: TensorDtype;
  readonly dimNames: readonly string[];
}

/** A target's shape before its codec, [D] or [h, w, C], and the codec. */
export interface CodedShape {
  readonly shape: readonly number[];
  readonly codec: CodecDescriptor;
}

/** Bytes of a token's scale behind its codes. */
export const SCALE_BYTES = 2;

const DTYPE: Readonly<Record<CodecDescriptor['id'], TensorDtype>> = {
  f32: 'float32',
  f16: 'float16',
  i8c: 'uint8',
  i8p: 'uint8',
  i4p: 'uint8',
  u8: 'uint8',
};

/** What a reader gets in the teacher's own space: [D], or [h / pool, w / pool, C]. Dropped channels come back as their mean. */
export function targetShapeOf({ shape, codec }: CodedShape): readonly number[] {
  const { pool } = codec;
  if (pool === undefined) return shape;
  return shape.map((side, axis) => (axis < shape.length - 1 ? side / pool : side));
}

/** Channels of the PHI-S space that i8p and i4p store. */
export const keptChannels = ({ shape, codec }: CodedShape): number => codec.channels ?? shape.at(-1)!;

/** What a reader gets in normalised PHI-S space; null for codecs that do not rotate. */
export function normalisedShapeOf(coded: CodedShape): readonly number[] | null {
  return isRotated(coded.codec) ? [...targetShapeOf(coded).slice(0, -1), keptChannels(coded)] : null;
}

/**
 * The payload row. i8p and i4p store one record per token: its codes, then its scale as a little-endian half, so that a row is
 * one range of bytes under one checksum.
 */
export function storedTensorOf(coded: CodedShape): StoredTensor {
  const { id } = coded.codec;
  const target = targetShapeOf(coded);
  const grid = target.length === 1 ? [] : ['row', 'column'];
  if (id === 'u8') return { shape: target, dtype: DTYPE[id], dimNames: ['channel', 'row', 'column'] };
  if (!isRotated(coded.codec)) return { shape: target, dtype: DTYPE[id], dimNames: [...grid, 'channel'] };
  const codes = id === 'i4p' ? Math.ceil(keptChannels(coded) / 2) : keptChannels(coded);
  return {
    shape: [...target.slice(0, -1), codes + SCALE_BYTES],
    dtype: DTYPE[id],
    dimNames: [...grid, 'byte'],
  };
}

export function storedRowBytes(coded: CodedShape): number {
  const { shape, dtype } = storedTensorOf(coded);
  return rowBytesOf(shape, dtype);
}

export function newTensorValues(dtype: TensorDtype, length: number): TensorValues {
  switch (dtype) {
    case 'float16':
      return new Uint16Array(length);
    case 'float32':
      return new Float32Array(length);
    case 'int8':
      return new Int8Array(length);
    case 'uint8':
      return new Uint8Array(length);
  }
}

/** Why a codec does not fit a shape, in a clause; null when it does. */
export function codecMisfit({ shape, codec }: CodedShape): string | null {
  const { pool, channels } = codec;
  const width = shape.at(-1)!;
  if (pool !== undefined && shape.length === 1) return 'a summary has no grid to pool';
  if (pool !== undefined && shape.slice(0, -1).some((side) => side % pool !== 0))
    return `a grid of ${shape.slice(0, -1).join(' x ')} cells is not made of ${pool} x ${pool} blocks`;
  if (channels !== undefined && channels > width)
    return `${channels} channels are more than the ${width} there are`;
  return null;
}
