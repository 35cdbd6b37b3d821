/**
 * IEEE 754 binary16 as bits. Node 20 has no Float16Array, and apache-arrow's own builder corrupts values
 * (formats-and-loaders.md §3.2), so conversion is ours: round to nearest, ties to even, overflow to infinity, NaN kept.
 */

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
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x1ff); // NaN, quiet, top payload bits kept
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
  return table()[bits & 0xffff]!;
}

let cached: Float32Array | undefined;

/** All 65,536 values; 256 KiB, built once. */
function table(): Float32Array {
  if (cached) return cached;
  const values = new Float32Array(0x10000);
  for (let bits = 0; bits < 0x10000; bits++) {
    const exponent = (bits >>> 10) & 0x1f;
    const mantissa = bits & 0x3ff;
    const magnitude =
      exponent === 0x1f
        ? mantissa === 0
          ? Infinity
          : NaN
        : exponent === 0
          ? mantissa * 2 ** -24
          : (1024 + mantissa) * 2 ** (exponent - 25);
    values[bits] = bits & 0x8000 ? -magnitude : magnitude;
  }
  cached = values;
  return values;
}

/** Encodes float32 values into binary16 bits, in place of `out` when given. Shapes: [n] -> [n]. */
export function encodeHalf(
  values: Float32Array,
  out: Uint16Array = new Uint16Array(values.length),
): Uint16Array {
  checkRoom(values, out);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) out[i] = halfBits(bits[i]!);
  return out;
}

/** Decodes binary16 bits into float32 values, in place of `out` when given. Shapes: [n] -> [n]. */
export function decodeHalf(
  bits: Uint16Array,
  out: Float32Array = new Float32Array(bits.length),
): Float32Array {
  checkRoom(bits, out);
  const values = table();
  for (let i = 0; i < bits.length; i++) out[i] = values[bits[i]!]!;
  return out;
}

/** A typed array drops what is written past its end without a word. */
function checkRoom(values: ArrayLike<number>, out: ArrayLike<number>): void {
  if (out.length < values.length)
    throw new Error(`internal: ${values.length} values, room for ${out.length}`);
}
