import { describe, expect, it } from 'vitest';
import { LEVELS, int4Quantiser, int8Quantiser } from '../../../src/cache/codecs/token-quantisers.ts';
import { floatFromHalf } from '../../../src/core/half.ts';
import { Rng } from '../../../src/core/rng.ts';

const gaussian = (length: number, seed = 1): Float32Array => {
  const rng = new Rng(seed, 'gaussian');
  return Float32Array.from({ length }, () => rng.normal());
};

function through(make: typeof int8Quantiser, token: Float32Array) {
  const quantiser = make(token.length);
  // records seldom start at the beginning of a row
  const row = new Uint8Array(quantiser.recordBytes + 3);
  const values = Float32Array.of(9, ...token);
  const fits = quantiser.encode({ values, from: 1, row, at: 3 });
  const decoded = new Float32Array(token.length + 2);
  quantiser.decode(row, 3, decoded, 2);
  const scale = floatFromHalf(row.at(-2)! | (row.at(-1)! << 8));
  return { fits, row: row.subarray(3), scale, stands: values.subarray(1), decoded: decoded.subarray(2) };
}

const squaredError = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0) / a.reduce((sum, x) => sum + x * x, 0);

describe.each([
  ['8 bits', int8Quantiser],
  ['4 bits', int4Quantiser],
])('a token in %s', (_, make) => {
  it.each([1, 2, 7, 64, 333])('of %i channels decodes to what the encoder said it stands for', (channels) => {
    const { stands, decoded, fits } = through(make, gaussian(channels, channels));
    expect(fits).toBe(true);
    expect(decoded).toEqual(stands);
  });

  it('is given in integers too, each off by 0.000115 of the scale at most', () => {
    const quantiser = make(33);
    const row = new Uint8Array(quantiser.recordBytes);
    quantiser.encode({ values: gaussian(33), from: 0, row, at: 0 });
    const [values, integers] = [new Float32Array(33), new Int16Array(34)];
    quantiser.decode(row, 0, values, 0);
    const one = quantiser.decodeIntegers(row, 0, integers, 1);
    const scale = floatFromHalf(row.at(-2)! | (row.at(-1)! << 8));
    values.forEach((value, i) =>
      expect(Math.abs(integers[i + 1]! * one - value)).toBeLessThan(scale * 0.000116),
    );
    const length = Math.sqrt(integers.reduce((sum, x) => sum + x * x, 0));
    expect(length).toBeLessThanOrEqual(quantiser.longestIntegers);
  });

  it('of zeros is zeros', () => {
    const { decoded, fits, scale } = through(make, new Float32Array(5));
    expect([fits, scale]).toEqual([true, 0]);
    expect(decoded.map(Math.abs)).toEqual(new Float32Array(5));
  });

  it('of a hundred times the size has the same codes', () => {
    const token = gaussian(256);
    const codes = (scaled: number) =>
      through(
        make,
        token.map((x) => x * scaled),
      ).row.slice(0, -2);
    const [once, more] = [codes(1), codes(128)];
    expect(more).toEqual(once);
  });

  it('beyond the range of a half-precision scale does not fit', () => {
    expect(through(make, Float32Array.of(1e9, 2e9)).fits).toBe(false);
  });
});

describe('8 bits', () => {
  it('use codes from -127 to 127 and a scale that reaches the largest value', () => {
    for (let seed = 0; seed < 50; seed++) {
      const token = gaussian(100, seed);
      const { row, scale } = through(int8Quantiser, token);
      const codes = Array.from(new Int8Array(row.slice(0, 100).buffer));
      expect(Math.min(...codes)).toBeGreaterThanOrEqual(-127);
      expect(scale * 127).toBeGreaterThanOrEqual(Math.max(...token.map(Math.abs)));
      token.forEach((x, i) => expect(Math.abs(codes[i]! * scale - x)).toBeLessThanOrEqual(scale * 0.5001));
    }
  });

  it('cost a Gaussian token of 768 channels 6e-5 of its power', () => {
    const token = gaussian(768);
    expect(squaredError(token, through(int8Quantiser, token).decoded)).toBeLessThan(8e-5);
  });
});

describe('4 bits', () => {
  it('have levels that are the means of what they stand for, under a unit Gaussian', () => {
    const density = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
    for (let i = 8; i < 16; i++) {
      const from = i === 8 ? 0 : (LEVELS[i - 1]! + LEVELS[i]!) / 2;
      const to = i === 15 ? 12 : (LEVELS[i]! + LEVELS[i + 1]!) / 2;
      let [mass, moment] = [0, 0];
      const steps = 20_000;
      for (let s = 0; s < steps; s++) {
        const x = from + ((to - from) * (s + 0.5)) / steps;
        mass += density(x);
        moment += x * density(x);
      }
      expect(moment / mass).toBeCloseTo(LEVELS[i]!, 4);
      expect(LEVELS[15 - i]).toBe(-LEVELS[i]!);
    }
  });

  it('cost a Gaussian token of 768 channels less than 1 % of its power, less than the fixed levels alone', () => {
    let error = 0;
    for (let seed = 0; seed < 40; seed++) {
      const token = gaussian(768, seed);
      error += squaredError(token, through(int4Quantiser, token).decoded) / 40;
    }
    // 0.009497 is the least that 16 fixed levels can have (Max 1960, table I)
    expect(error).toBeLessThan(0.0095);
    expect(error).toBeGreaterThan(0.009);
  });

  it('put the even channel of a pair into the low half of a byte', () => {
    const token = gaussian(63);
    token.set([-9, 9], 0);
    token[62] = 0.01;
    const { row } = through(int4Quantiser, token);
    expect([row[0]! & 15, row[0]! >> 4]).toEqual([0, 15]);
    // the last of an odd number has its byte to itself
    expect([row[31]! & 15, row[31]! >> 4]).toEqual([8, 0]);
  });
});
