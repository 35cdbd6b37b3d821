import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CodecErrorSums } from '../../../src/cache/codecs/codec-error.ts';
import { isFiniteRow } from '../../../src/cache/codecs/finite-row.ts';
import { openCodec } from '../../../src/cache/codecs/open-codec.ts';
import { type CodedShape, newTensorValues, targetShapeOf } from '../../../src/cache/codecs/stored-tensor.ts';
import { rowValuesOf } from '../../../src/format/tensor-part.ts';

/** Encodes one target and decodes it again, the bytes at `offset` of a larger buffer. */
function through(coded: CodedShape, values: ArrayLike<number>, offset = 0) {
  const codec = openCodec(coded, null);
  const row = newTensorValues(codec.stored.dtype, rowValuesOf(codec.stored.shape));
  const sums = new CodecErrorSums();
  const trouble = codec.encode(Float32Array.from(values), row, sums);
  const bytes = new Uint8Array(offset + row.byteLength);
  bytes.set(new Uint8Array(row.buffer), offset);
  const decoded = new Float32Array(rowValuesOf(targetShapeOf(coded)));
  codec.decode(bytes.subarray(offset), decoded, 'teacher');
  return { trouble, decoded, error: sums.result(), codec, bytes: bytes.subarray(offset) };
}

describe('f32', () => {
  it('gives back every finite value bit for bit, from any offset', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 6, maxLength: 6 }),
        fc.integer({ min: 0, max: 7 }),
        (values, offset) => {
          const { decoded, trouble, error } = through({ shape: [6], codec: { id: 'f32' } }, values, offset);
          expect(new Uint32Array(decoded.buffer)).toEqual(new Uint32Array(Float32Array.from(values).buffer));
          expect([trouble, error]).toEqual([null, null]);
        },
      ),
    );
  });

  it('has room for values that f16 has not, and none for NaN', () => {
    const shape = [3];
    expect(through({ shape, codec: { id: 'f32' } }, [1e30, 0, 0]).trouble).toBeNull();
    expect(through({ shape, codec: { id: 'f16' } }, [1e30, 0, 0]).trouble).toBe('beyond-f16');
    expect(through({ shape, codec: { id: 'f32' } }, [1e30, 0, NaN]).trouble).toBe('non-finite');
    expect(through({ shape, codec: { id: 'f16' } }, [1e30, 0, NaN]).trouble).toBe('non-finite');
    expect(through({ shape, codec: { id: 'f16' } }, [65504, -65504, 0]).trouble).toBeNull();
  });
});

describe('f16', () => {
  it('keeps a relative error below 2^-11 and says so', () => {
    const values = Array.from({ length: 64 }, (_, i) => Math.sin(i) * 10 ** (i % 4));
    const { decoded, error } = through({ shape: [4, 4, 4], codec: { id: 'f16' } }, values, 3);
    values.forEach((value, i) =>
      expect(Math.abs(decoded[i]! - value)).toBeLessThanOrEqual(Math.abs(value) * 2 ** -11),
    );
    expect(error!.tokens).toBe(16);
    expect(error!.cosine.worst).toBeGreaterThan(1 - 1e-6);
    expect(error!.mse.mean).toBeGreaterThan(0);
  });

  it('has no normalised form', () => {
    const { codec, bytes } = through({ shape: [2], codec: { id: 'f16' } }, [1, 2]);
    expect(() => codec.decode(bytes, new Float32Array(2), 'normalised')).toThrow('no normalised form');
  });
});

describe('pooling', () => {
  it('averages each block of cells, channel by channel', () => {
    // [2, 4, 2]: channel 0 counts cells, channel 1 is its negative
    const values = Array.from({ length: 8 }, (_, cell) => [cell, -cell]).flat();
    const { decoded } = through({ shape: [2, 4, 2], codec: { id: 'f32', pool: 2 } }, values);
    expect([...decoded]).toEqual([2.5, -2.5, 4.5, -4.5]);
  });

  it('keeps the mean of every channel', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -99, max: 99 }), { minLength: 108, maxLength: 108 }),
        (values) => {
          const { decoded } = through({ shape: [6, 6, 3], codec: { id: 'f32', pool: 3 } }, values);
          for (let c = 0; c < 3; c++) {
            const mean = (of: ArrayLike<number>) =>
              Array.from(of)
                .filter((_, i) => i % 3 === c)
                .reduce((sum, x) => sum + x, 0) /
              (of.length / 3);
            expect(mean(decoded)).toBeCloseTo(mean(values), 4);
          }
        },
      ),
    );
  });

  it('comes after rounding to f16, so that a pooled space can be derived from one that is not', () => {
    const values = [2049, 2049, 0, 0];
    const { decoded } = through({ shape: [2, 2, 1], codec: { id: 'f16', pool: 2 } }, values);
    // 2049 rounds to 2048 first
    expect(decoded[0]).toBe(1024);
    expect(through({ shape: [2, 2, 1], codec: { id: 'f16', pool: 2 } }, [65_505, 0, 0, 0]).trouble).toBe(
      'beyond-f16',
    );
  });
});

describe('a row on disk', () => {
  it.each([
    ['f32', Float32Array.of(1, 2), true],
    ['f32', Float32Array.of(1, NaN), false],
    ['f32', Float32Array.of(-Infinity, 1), false],
    ['f16', Uint16Array.of(0x3c00, 0x7c00), false],
    ['f16', Uint16Array.of(0xfe00, 0), false],
    ['f16', Uint16Array.of(0x3c00, 0x7bff), true],
  ] as const)('of %s with the values %j is finite: %s', (id, values, finite) => {
    expect(isFiniteRow(new Uint8Array(values.buffer), { shape: [2], codec: { id } })).toBe(finite);
  });
});
