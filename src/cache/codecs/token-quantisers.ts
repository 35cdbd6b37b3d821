/**
 * Tokens of normalised PHI-S values to codes and one half-precision scale each, and back. After the rotation the values of a token
 * are close to Gaussian with one deviation, which is what makes few levels enough.
 *
 *     i8p  code = round(value / scale), -127..127 in two's complement; scale = largest magnitude / 127, rounded up
 *     i4p  code = nearest of 16 ascending levels, the value of an even channel in the low half of a byte; scale fitted to the token
 *
 * A token's record is its codes, then its scale, little-endian. The value is the float32 product of level and scale.
 */
import { floatFromHalf, halfFromFloat } from '../../core/half.ts';
import { SCALE_BYTES } from './stored-tensor.ts';

export interface TokenQuantiser {
  /** Bytes of a token's record. */
  readonly recordBytes: number;
  /**
   * Writes the record at `at` and what it stands for over `values` at `from`. False, the record then being undefined, when the
   * token is beyond the range of a half-precision scale.
   */
  encode(token: QuantisedToken): boolean;
  /** Writes the values of the record at `at` into `out` at `to`. */
  decode(row: Uint8Array, at: number, out: Float32Array, to: number): void;
  /** Writes integers that stand for the values into `out` at `to`; returns what 1 stands for. */
  decodeIntegers(row: Uint8Array, at: number, out: Int16Array, to: number): number;
  /** No token is longer than this in integers, as a vector. */
  readonly longestIntegers: number;
}

export interface QuantisedToken {
  readonly values: Float32Array;
  readonly from: number;
  readonly row: Uint8Array;
  readonly at: number;
}

/** Positive levels of the 16 that give a unit Gaussian the least squared error (Max, "Quantizing for minimum distortion", 1960). */
const LLOYD_MAX = [0.128395, 0.388048, 0.656759, 0.94234, 1.256231, 1.618046, 2.069017, 2.73259];
/** By code, ascending. */
export const LEVELS: Float32Array = Float32Array.from([
  ...LLOYD_MAX.map((level) => -level).reverse(),
  ...LLOYD_MAX,
]);

/** At which all levels, up to 4000, are nearest to whole numbers: none is off by more than 0.000115. Found by search. */
const LEVEL_STEP = 1 / 1417.659493947531;
const INTEGER_LEVELS: Int16Array = Int16Array.from(LEVELS, (level) => Math.round(level / LEVEL_STEP));

const INT8_MAX = 127;

export function int8Quantiser(channels: number): TokenQuantiser {
  return {
    recordBytes: channels + SCALE_BYTES,
    encode: ({ values, from, row, at }) => {
      let most = 0;
      for (let i = from; i < from + channels; i++) {
        const magnitude = Math.abs(values[i]!);
        if (magnitude > most) most = magnitude;
      }
      const scale = writeScale(row, at + channels, halfAtLeast(most / INT8_MAX));
      if (!(scale < Infinity)) return false;
      const perScale = scale > 0 ? 1 / scale : 0;
      for (let i = 0; i < channels; i++) {
        const quotient = values[from + i]! * perScale;
        // towards zero after half a step away from it: nearest, ties away from zero
        const code = (quotient < 0 ? quotient - 0.5 : quotient + 0.5) | 0;
        row[at + i] = code;
        values[from + i] = code * scale;
      }
      return true;
    },
    decode: (row, at, out, to) => {
      const scale = readScale(row, at + channels);
      for (let i = 0; i < channels; i++) out[to + i] = ((row[at + i]! << 24) >> 24) * scale;
    },
    decodeIntegers: (row, at, out, to) => {
      for (let i = 0; i < channels; i++) out[to + i] = (row[at + i]! << 24) >> 24;
      return readScale(row, at + channels);
    },
    longestIntegers: 128 * Math.sqrt(channels),
  };
}

/** Positions of a magnitude, in 1/256 of the scale, beyond which the outermost level is the nearest. */
const TABLE_STEPS = 256;
const TABLE_END = 768;

/** Index of the nearest positive level by magnitude in steps, each step decided at its middle. */
const NEAREST_LEVEL: Uint8Array = Uint8Array.from({ length: TABLE_END + 1 }, (_, step) => {
  const magnitude = (step + 0.5) / TABLE_STEPS;
  return LLOYD_MAX.slice(1).filter((level, i) => magnitude > (level + LLOYD_MAX[i]!) / 2).length;
});

export function int4Quantiser(channels: number): TokenQuantiser {
  const codeBytes = (channels + 1) >> 1;
  const codes = new Uint8Array(codeBytes * 2);
  return {
    recordBytes: codeBytes + SCALE_BYTES,
    encode: ({ values, from, row, at }) => {
      let squares = 0;
      for (let i = from; i < from + channels; i++) squares += values[i]! * values[i]!;
      // the deviation first, then twice the scale that fits best to the levels chosen with the one before
      const deviation = Math.sqrt(squares / channels);
      const token = values.subarray(from, from + channels);
      const fitted = nearestLevels(token, codes, nearestLevels(token, codes, deviation));
      const scale = writeScale(row, at + codeBytes, halfFromFloat(fitted));
      if (!(scale < Infinity)) return false;
      for (let i = 0; i < channels; i++) values[from + i] = LEVELS[codes[i]!]! * scale;
      for (let i = 0; i < codeBytes; i++) row[at + i] = codes[2 * i]! | (codes[2 * i + 1]! << 4);
      return true;
    },
    decode: (row, at, out, to) => {
      const scale = readScale(row, at + codeBytes);
      const pairs = channels >> 1;
      for (let i = 0; i < pairs; i++) {
        const byte = row[at + i]!;
        out[to + 2 * i] = LEVELS[byte & 15]! * scale;
        out[to + 2 * i + 1] = LEVELS[byte >> 4]! * scale;
      }
      if (channels & 1) out[to + channels - 1] = LEVELS[row[at + pairs]! & 15]! * scale;
    },
    decodeIntegers: (row, at, out, to) => {
      const pairs = channels >> 1;
      for (let i = 0; i < pairs; i++) {
        const byte = row[at + i]!;
        out[to + 2 * i] = INTEGER_LEVELS[byte & 15]!;
        out[to + 2 * i + 1] = INTEGER_LEVELS[byte >> 4]!;
      }
      if (channels & 1) out[to + channels - 1] = INTEGER_LEVELS[row[at + pairs]! & 15]!;
      return readScale(row, at + codeBytes) * LEVEL_STEP;
    },
    longestIntegers: INTEGER_LEVELS[15]! * Math.sqrt(channels),
  };
}

/** Chooses codes for `scale` and returns the scale of least squared error for them. */
function nearestLevels(values: Float32Array, codes: Uint8Array, scale: number): number {
  const steps = scale > 0 ? TABLE_STEPS / scale : 0;
  let [product, squares] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const step = Math.abs(value) * steps;
    const nearest = NEAREST_LEVEL[step < TABLE_END ? step | 0 : TABLE_END]!;
    const code = value < 0 ? 7 - nearest : 8 + nearest;
    codes[i] = code;
    const level = LEVELS[code]!;
    product += value * level;
    squares += level * level;
  }
  return product / squares;
}

/** The least half that is not below a value from 0 on. */
function halfAtLeast(value: number): number {
  const bits = halfFromFloat(value);
  return floatFromHalf(bits) < value ? bits + 1 : bits;
}

/** Returns the scale as a number, which may be infinite. */
function writeScale(row: Uint8Array, at: number, bits: number): number {
  row[at] = bits;
  row[at + 1] = bits >> 8;
  return floatFromHalf(bits);
}

const readScale = (row: Uint8Array, at: number): number => floatFromHalf(row[at]! | (row[at + 1]! << 8));
