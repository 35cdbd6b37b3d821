import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeHalf, encodeHalf, encodeHalfMost, floatFromHalf, halfFromFloat } from '../../src/core/half.ts';
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

const bytesOf = (array: Uint16Array): Uint8Array => new Uint8Array(array.buffer);

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

  it('gives all 65,536 patterns back through arrays, every NaN with its payload', () => {
    const all = Uint16Array.from({ length: 0x10000 }, (_, bits) => bits);
    expect(Buffer.compare(bytesOf(encodeHalf(decodeHalf(all))), bytesOf(all))).toBe(0);
  });

  it('keeps a NaN one, with the top of its payload, quiet where that is empty', () => {
    const floats = Uint32Array.of(0x7f800001, 0x7fc00000, 0x7fffffff, 0xff800001, 0xffc02000);
    const bits = [...encodeHalf(new Float32Array(floats.buffer))];
    expect(bits).toEqual([0x7e00, 0x7e00, 0x7fff, 0xfe00, 0xfe01]);
    expect(halfFromFloat(NaN) & 0x7e00).toBe(0x7e00);
  });

  it('rounds as numpy does: special values, ties, random patterns (test/cross/goldens/make_half.py)', () => {
    const golden = JSON.parse(readFileSync('test/golden/half/numpy.json', 'utf8')) as Record<
      'float32' | 'float16',
      string
    >;
    const patterns = (text: string, digits: number): number[] =>
      text.match(new RegExp(`.{${digits}}`, 'g'))!.map((hex) => parseInt(hex, 16));
    const floats = Uint32Array.from(patterns(golden.float32, 8));
    expect(floats.length).toBeGreaterThan(900);
    const halves = encodeHalf(new Float32Array(floats.buffer));
    expect([...halves]).toEqual(patterns(golden.float16, 4));
  });

  it('converts whole arrays as it does single values, also in the middle of a buffer', () => {
    const rng = new Rng(2, 'arrays');
    const values = Float32Array.from({ length: 100 }, () => rng.normal()).subarray(3, 90);
    const encoded = encodeHalf(values);
    expect([...encoded]).toEqual([...values].map(halfFromFloat));
    expect([...decodeHalf(encoded)]).toEqual([...encoded].map(floatFromHalf));
  });

  it('converts arrays of any length with the bits of single values, whatever their patterns', () => {
    const rng = new Rng(4, 'lengths');
    for (const length of [1, 127, 128, 129, 4096, 4097, 20_001]) {
      // anything; magnitudes that binary16 has; of those, the ones half-way between two halves
      const bits = Uint32Array.from({ length }, (_, i) => {
        if (i % 3 === 0) return rng.uint32();
        const near = ((96 + rng.below(50)) << 23) | (rng.uint32() & 0x807fffff);
        return i % 3 === 1 ? near : (near & ~0x1fff) | 0x1000;
      });
      const values = new Float32Array(bits.buffer);
      const halves = new Uint16Array(length);
      const most = encodeHalfMost(values, halves);
      const wrong = [...values].filter(
        (value, i) => !Number.isNaN(value) && halfFromFloat(value) !== halves[i],
      );
      expect(wrong).toEqual([]);
      const largest = bits.reduce((all, pattern) => Math.max(all, pattern & 0x7fffffff), 0);
      expect(most).toEqual(floatOfBits(largest));
      const floats = decodeHalf(halves);
      expect([...halves].filter((half, i) => !Object.is(floatFromHalf(half), floats[i]))).toEqual([]);
    }
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
