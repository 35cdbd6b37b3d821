/**
 * IEEE 754 binary16 as bits. Node 20 has no Float16Array, and apache-arrow's own builder corrupts values
 * (formats-and-loaders.md §3.2), so conversion is ours: round to nearest, ties to even, overflow to infinity; a NaN stays one, with as
 * much of its payload as fits.
 */

import { decodeHalves, encodeHalves } from './half-kernels.ts';

const scratchF32 = new Float32Array(1);
const scratchU32 = new Uint32Array(scratchF32.buffer);

/** One float32 value to binary16 bits. */
export function halfFromFloat(value: number): number {
  scratchF32[0] = value;
  return halfBits(scratchU32[0]!);
}

function halfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  // NaN: the top payload bits are kept; where those are none, it is the quiet one
  if (magnitude > 0x7f800000) return sign | 0x7c00 | ((magnitude >>> 13) & 0x3ff || 0x200);
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity
  if (magnitude >= 0x38800000) {
    // normal: drop 13 bits; adding 0xfff plus the lowest kept bit rounds ties to even, a carry moves into the exponent
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  if (magnitude <= 0x33000000) return sign; // 2^-25 and below round to zero (2^-25 is a tie with zero, which is even)
  const exponent = magnitude >>> 23;
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - exponent; // 14..24
  const kept = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0));
}

/** Exact: every binary16 value is a float32. */
export function floatFromHalf(bits: number): number {
  scratchU32[0] = floatBits(bits & 0xffff);
  return scratchF32[0]!;
}

function floatBits(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const magnitude = bits & 0x7fff;
  if (magnitude >= 0x7c00) return sign | 0x7f800000 | ((magnitude & 0x3ff) << 13);
  if (magnitude >= 0x400) return sign | ((magnitude << 13) + 0x38000000);
  scratchF32[0] = magnitude * 2 ** -24;
  return sign | scratchU32[0]!;
}

/** Shorter arrays are not worth the way into the kernels' memory. */
const FEW = 128;

/** Encodes float32 values into binary16 bits, in place of `out` when given. Shapes: [n] -> [n]. */
export function encodeHalf(
  values: Float32Array,
  out: Uint16Array = new Uint16Array(values.length),
): Uint16Array {
  encodeHalfMost(values, out);
  return out;
}

/**
 * The same, and tells the largest magnitude among the values: infinity, or NaN when one is. Shapes: [n] -> [n].
 * @throws Error (a defect) when `out` has not enough room.
 */
export function encodeHalfMost(values: Float32Array, out: Uint16Array): number {
  checkRoom(values, out);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  let most = 0;
  if (bits.length >= FEW) most = encodeHalves(bits, out);
  else
    for (let i = 0; i < bits.length; i++) {
      out[i] = halfBits(bits[i]!);
      most = Math.max(most, bits[i]! & 0x7fffffff);
    }
  scratchU32[0] = most;
  return scratchF32[0]!;
}

/** Decodes binary16 bits into float32 values, in place of `out` when given. Shapes: [n] -> [n]. */
export function decodeHalf(
  bits: Uint16Array,
  out: Float32Array = new Float32Array(bits.length),
): Float32Array {
  checkRoom(bits, out);
  // as bits: a number on its way through the engine may lose the payload of a NaN
  const floats = new Uint32Array(out.buffer, out.byteOffset, out.length);
  if (bits.length >= FEW) decodeHalves(bits, floats);
  else for (let i = 0; i < bits.length; i++) floats[i] = floatBits(bits[i]!);
  return out;
}

/** A typed array drops what is written past its end without a word. */
function checkRoom(values: ArrayLike<number>, out: ArrayLike<number>): void {
  if (out.length < values.length)
    throw new Error(`internal: ${values.length} values, room for ${out.length}`);
}
