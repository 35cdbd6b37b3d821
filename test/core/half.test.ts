import { describe, expect, it } from 'vitest';
import { decodeHalf, encodeHalf, floatFromHalf, halfFromFloat } from '../../src/core/half.ts';
import { Rng } from '../../src/core/rng.ts';

const INFINITY = 0x7c00;

/** Value of a binary16 pattern without sign; the pattern of infinity stands for 65,536, where rounding would put it. */
function magnitudeOf(bits: number): number {
  const exponent = bits >> 10;
  const mantissa = bits & 0x3ff;
  return exponent === 0 ? mantissa / 2 ** 24 : (1 + mantissa / 1024) * 2 ** (exponent - 15);
}
const MAGNITUDES = Array.from({ length: INFINITY + 1 }, (_, bits) => magnitudeOf(bits));

/** Nearest binary16 by search: midpoints of neighbours are exact doubles, so every comparison is exact. */
function slowHalf(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65536) return sign | INFINITY;
  let low = 0;
  let high = INFINITY;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (MAGNITUDES[middle]! <= magnitude) low = middle;
    else high = middle;
  }
  const midpoint = (MAGNITUDES[low]! + MAGNITUDES[high]!) / 2;
  const up = magnitude > midpoint || (magnitude === midpoint && low % 2 === 1);
  return sign | (up ? high : low);
}

const u32 = new Uint32Array(1);
const f32 = new Float32Array(u32.buffer);
const floatOfBits = (bits: number): number => {
  u32[0] = bits;
  return f32[0]!;
};
const bitsOfFloat = (value: number): number => {
  f32[0] = value;
  return u32[0]!;
};

describe('binary16', () => {
  it('gives all 65,536 patterns back, a NaN as some NaN', () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < 0x10000; bits++) {
      const back = halfFromFloat(floatFromHalf(bits));
      const isNaNPattern = (bits & 0x7fff) > INFINITY;
      if (isNaNPattern ? (back & 0x7fff) <= INFINITY : back !== bits) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  it('decodes every pattern to its exact value', () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < INFINITY; bits++) {
      if (floatFromHalf(bits) !== MAGNITUDES[bits]) wrong.push(bits);
      if (!Object.is(floatFromHalf(bits | 0x8000), -MAGNITUDES[bits]!)) wrong.push(bits | 0x8000);
    }
    expect(wrong).toEqual([]);
    expect([floatFromHalf(INFINITY), floatFromHalf(0xfc00)]).toEqual([Infinity, -Infinity]);
    for (const nan of [0x7c01, 0x7e00, 0x7fff, 0xfe00]) expect(floatFromHalf(nan)).toBeNaN();
  });

  it('rounds as the slow reference does at every midpoint and one float32 to either side of it', () => {
    const wrong: number[] = [];
    for (let low = 0; low < INFINITY; low++) {
      const tie = bitsOfFloat((MAGNITUDES[low]! + MAGNITUDES[low + 1]!) / 2);
      for (const bits of [tie - 1, tie, tie + 1])
        for (const value of [floatOfBits(bits), -floatOfBits(bits)])
          if (halfFromFloat(value) !== slowHalf(value)) wrong.push(value);
    }
    expect(wrong).toEqual([]);
  });

  it('rounds as the slow reference does for random float32 patterns', () => {
    const rng = new Rng(1, 'half');
    const wrong: number[] = [];
    for (let i = 0; i < 200_000; i++) {
      // every second one in the range where binary16 has values
      const bits = i % 2 === 0 ? rng.uint32() : bitsOfFloat(rng.normal() * 2 ** (rng.below(44) - 26));
      const value = floatOfBits(bits);
      if (!Number.isNaN(value) && halfFromFloat(value) !== slowHalf(value)) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  it.each([
    ['zero', 0, 0],
    ['negative zero', -0, 0x8000],
    ['one', 1, 0x3c00],
    ['the largest finite value', 65504, 0x7bff],
    ['the last value that rounds down to it', floatOfBits(0x477fefff), 0x7bff],
    ['the tie with infinity', 65520, 0x7c00],
    ['the largest float32', floatOfBits(0x7f7fffff), 0x7c00],
    ['minus infinity', -Infinity, 0xfc00],
    ['the smallest normal', 2 ** -14, 0x0400],
    ['the largest subnormal', 2 ** -14 - 2 ** -24, 0x03ff],
    ['a value that rounds up into the normals', floatOfBits(0x387fffff), 0x0400],
    ['the smallest subnormal', 2 ** -24, 0x0001],
    ['the tie between zero and the smallest subnormal', 2 ** -25, 0],
    ['just above that tie', floatOfBits(0x33000001), 0x0001],
    ['the tie above the smallest subnormal', 1.5 * 2 ** -24, 0x0002],
    ['the smallest float32', floatOfBits(1), 0],
    ['a tie that goes down to even', 2049, 0x6800],
    ['a tie that goes up to even', 2051, 0x6802],
  ])('encodes %s', (_, value, bits) => {
    expect(halfFromFloat(value)).toBe(bits);
  });

  it('keeps NaN a quiet NaN, whatever its payload', () => {
    const floats = Uint32Array.of(0x7f800001, 0x7fc00000, 0x7fffffff, 0xff800001, 0xffc01234);
    const bits = [...encodeHalf(new Float32Array(floats.buffer))];
    for (const pattern of bits) expect(pattern & 0x7e00).toBe(0x7e00);
    expect(bits.map((pattern) => pattern >> 15)).toEqual([0, 0, 0, 1, 1]);
    expect(halfFromFloat(NaN) & 0x7e00).toBe(0x7e00);
  });

  it('converts whole arrays as it does single values, also in the middle of a buffer', () => {
    const rng = new Rng(2, 'arrays');
    const values = Float32Array.from({ length: 100 }, () => rng.normal()).subarray(3, 90);
    const encoded = encodeHalf(values);
    expect([...encoded]).toEqual([...values].map(halfFromFloat));
    expect([...decodeHalf(encoded)]).toEqual([...encoded].map(floatFromHalf));
  });

  it('writes into the array it is given and nowhere else', () => {
    const bits = new Uint16Array(5).fill(7);
    expect(encodeHalf(Float32Array.of(1, -1), bits.subarray(2, 4)).buffer).toBe(bits.buffer);
    expect([...bits]).toEqual([7, 7, 0x3c00, 0xbc00, 7]);
    const floats = new Float32Array(3).fill(9);
    decodeHalf(bits.subarray(2, 4), floats.subarray(1));
    expect([...floats]).toEqual([9, 1, -1]);
  });

  it('refuses an array that is too short for the values', () => {
    expect(() => encodeHalf(new Float32Array(3), new Uint16Array(2))).toThrow(
      'internal: 3 values, room for 2',
    );
    expect(() => decodeHalf(new Uint16Array(3), new Float32Array(2))).toThrow(
      'internal: 3 values, room for 2',
    );
  });
});
