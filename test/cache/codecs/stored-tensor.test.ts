import { describe, expect, it } from 'vitest';
import {
  codecMisfit,
  normalisedShapeOf,
  storedRowBytes,
  storedTensorOf,
  targetShapeOf,
} from '../../../src/cache/codecs/stored-tensor.ts';

const map = [16, 16, 768];

describe('a stored row', () => {
  it.each([
    ['f32', [16, 16, 768], 'float32', 786_432],
    ['f16', [16, 16, 768], 'float16', 393_216],
    ['i8c', [16, 16, 768], 'uint8', 196_608],
    ['i8p', [16, 16, 770], 'uint8', 197_120],
    ['i4p', [16, 16, 386], 'uint8', 98_816],
  ] as const)('of a ViT-B map under %s has shape %j of %s: %i bytes', (id, shape, dtype, bytes) => {
    const coded = { shape: map, codec: { id } };
    expect(storedTensorOf(coded)).toMatchObject({ shape, dtype });
    expect(storedRowBytes(coded)).toBe(bytes);
  });

  it('names its axes: a rotated codec has bytes, not channels', () => {
    expect(storedTensorOf({ shape: map, codec: { id: 'f16' } }).dimNames).toEqual([
      'row',
      'column',
      'channel',
    ]);
    expect(storedTensorOf({ shape: map, codec: { id: 'i8p' } }).dimNames).toEqual(['row', 'column', 'byte']);
    expect(storedTensorOf({ shape: [512], codec: { id: 'f16' } }).dimNames).toEqual(['channel']);
    expect(storedTensorOf({ shape: [512], codec: { id: 'i4p' } })).toEqual({
      shape: [258],
      dtype: 'uint8',
      dimNames: ['byte'],
    });
  });

  it('of an odd number of 4-bit codes ends with half a byte unused', () => {
    expect(storedTensorOf({ shape: [4, 4, 7], codec: { id: 'i4p' } }).shape).toEqual([4, 4, 6]);
  });
});

describe('pooling and dropping channels', () => {
  const coded = { shape: map, codec: { id: 'i8p', pool: 2, channels: 100 } } as const;

  it('change the grid that is read, and the channels of the normalised form only', () => {
    expect(targetShapeOf(coded)).toEqual([8, 8, 768]);
    expect(normalisedShapeOf(coded)).toEqual([8, 8, 100]);
    expect(storedTensorOf(coded).shape).toEqual([8, 8, 102]);
    expect(normalisedShapeOf({ shape: map, codec: { id: 'i8c' } })).toBeNull();
  });

  it.each([
    [{ shape: [512], codec: { id: 'f16', pool: 2 } }, 'a summary has no grid to pool'],
    [
      { shape: [27, 27, 8], codec: { id: 'f16', pool: 2 } },
      'a grid of 27 x 27 cells is not made of 2 x 2 blocks',
    ],
    [{ shape: [4, 4, 8], codec: { id: 'i8p', channels: 9 } }, '9 channels are more than the 8 there are'],
    [{ shape: [27, 27, 8], codec: { id: 'i8p', pool: 3, channels: 8 } }, null],
  ] as const)('%j: %s', (coded, misfit) => {
    expect(codecMisfit(coded)).toBe(misfit);
  });
});
