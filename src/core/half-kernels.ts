/**
 * float32 to binary16 and back, eight values at a time. Integer operations alone decide the bits, so they are those of the plain
 * conversion in half.ts; values below the normal range are rounded by adding 0.5, whose last place is 2^-24, the step of binary16 there.
 */
import {
  type Code,
  advance,
  againWhile,
  constant,
  f32x4,
  get,
  i32x4,
  lanes32,
  loadVector,
  loop,
  set,
  storeVector,
  v128,
} from './wasm/instructions.ts';
import { type Kernels, kernelModule } from './wasm/kernels.ts';

/** Values that are converted at a time: in and out stay in the first cache. */
const CHUNK = 4096;
const FLOATS_AT = 0;
const HALVES_AT = CHUNK * 4;
const MOST_AT = HALVES_AT + CHUNK * 2;

const [FROM, TO, LEFT] = [0, 1, 2] as const;
const [BITS, MAGNITUDE, RESULT, PAYLOAD, FIRST, MOST] = [3, 4, 5, 6, 7, 8] as const;
const VECTORS = 6;

/** The half, in the low 16 bits of each lane, of the float in BITS; leaves it in RESULT and widens MOST. */
const toHalf: Code = [
  ...get(BITS),
  ...lanes32(0x7fffffff),
  ...v128.and,
  ...set(MAGNITUDE),
  ...get(MOST),
  ...get(MAGNITUDE),
  ...i32x4.mostUnsigned,
  ...set(MOST),
  // normal: what rounds to infinity or beyond counts as the least that does; half a step less one, plus the last kept bit
  ...get(MAGNITUDE),
  ...lanes32(0x477ff000),
  ...i32x4.leastUnsigned,
  ...set(PAYLOAD),
  ...get(PAYLOAD),
  ...lanes32(0x38000000 - 0xfff),
  ...i32x4.subtract,
  ...get(PAYLOAD),
  ...i32x4.shiftRight(13),
  ...lanes32(1),
  ...v128.and,
  ...i32x4.add,
  ...i32x4.shiftRight(13),
  ...set(RESULT),
  // below the normals
  ...get(MAGNITUDE),
  ...lanes32(0x3f000000),
  ...f32x4.add,
  ...lanes32(0x3f000000),
  ...i32x4.subtract,
  ...get(RESULT),
  ...get(MAGNITUDE),
  ...lanes32(0x38800000),
  ...i32x4.less,
  ...v128.select,
  ...set(RESULT),
  // NaN
  ...get(MAGNITUDE),
  ...i32x4.shiftRight(13),
  ...lanes32(0x3ff),
  ...v128.and,
  ...set(PAYLOAD),
  ...get(PAYLOAD),
  ...get(PAYLOAD),
  ...lanes32(0),
  ...i32x4.equal,
  ...lanes32(0x200),
  ...v128.and,
  ...v128.or,
  ...lanes32(0x7c00),
  ...v128.or,
  ...get(RESULT),
  ...get(MAGNITUDE),
  ...lanes32(0x7f800000),
  ...i32x4.greater,
  ...v128.select,
  // sign
  ...get(BITS),
  ...lanes32(0x80000000 | 0),
  ...v128.and,
  ...i32x4.shiftRight(16),
  ...v128.or,
  ...set(RESULT),
];

const encode: Code = [
  ...lanes32(0),
  ...set(MOST),
  ...loop([
    ...get(FROM),
    ...loadVector(0),
    ...set(BITS),
    ...toHalf,
    ...get(RESULT),
    ...set(FIRST),
    ...get(FROM),
    ...loadVector(16),
    ...set(BITS),
    ...toHalf,
    ...get(TO),
    ...get(FIRST),
    ...get(RESULT),
    ...i32x4.narrow,
    ...storeVector(0),
    ...advance(FROM, constant(32)),
    ...advance(TO, constant(16)),
    ...againWhile(LEFT),
  ]),
  ...constant(MOST_AT),
  ...get(MOST),
  ...storeVector(0),
];

/** The float of the half in the low 16 bits of each lane of BITS; leaves it on the stack. */
const toFloat: Code = [
  ...get(BITS),
  ...lanes32(0x7fff),
  ...v128.and,
  ...set(MAGNITUDE),
  // normal: another bias; infinity and NaN: the whole exponent
  ...get(MAGNITUDE),
  ...i32x4.shiftLeft(13),
  ...lanes32(0x38000000),
  ...i32x4.add,
  ...get(MAGNITUDE),
  ...lanes32(0x7bff),
  ...i32x4.greater,
  ...lanes32(0x38000000),
  ...v128.and,
  ...i32x4.add,
  ...set(RESULT),
  // below the normals: a whole number of steps
  ...get(MAGNITUDE),
  ...f32x4.convert,
  ...lanes32(0x33800000),
  ...f32x4.multiply,
  ...get(RESULT),
  ...get(MAGNITUDE),
  ...lanes32(0x400),
  ...i32x4.less,
  ...v128.select,
  ...get(BITS),
  ...lanes32(0x8000),
  ...v128.and,
  ...i32x4.shiftLeft(16),
  ...v128.or,
];

const decode: Code = loop([
  ...get(FROM),
  ...loadVector(0),
  ...set(FIRST),
  ...get(FIRST),
  ...i32x4.extendLow,
  ...set(BITS),
  ...get(TO),
  ...toFloat,
  ...storeVector(0),
  ...get(FIRST),
  ...i32x4.extendHigh,
  ...set(BITS),
  ...get(TO),
  ...toFloat,
  ...storeVector(16),
  ...advance(FROM, constant(16)),
  ...advance(TO, constant(32)),
  ...againWhile(LEFT),
]);

const open = kernelModule(() =>
  (
    [
      ['encode', encode],
      ['decode', decode],
    ] as const
  ).map(([name, code]) => ({
    name,
    parameters: 3,
    integers: 0,
    vectors: VECTORS,
    code,
  })),
);

interface Converter {
  readonly kernels: Kernels<'encode' | 'decode'>;
  readonly floats: Uint32Array;
  readonly halves: Uint16Array;
  readonly most: Uint32Array;
}

let converter: Converter | undefined;

function opened(): Converter {
  if (converter) return converter;
  const kernels = open(MOST_AT + 16);
  converter = {
    kernels,
    floats: new Uint32Array(kernels.buffer, FLOATS_AT, CHUNK),
    halves: new Uint16Array(kernels.buffer, HALVES_AT, CHUNK),
    most: new Uint32Array(kernels.buffer, MOST_AT, 4),
  };
  return converter;
}

/** Bits to bits, [n] to [n]. Returns the bits of the largest magnitude, NaN counting as larger than infinity. */
export function encodeHalves(floats: Uint32Array, halves: Uint16Array): number {
  const to = opened();
  let most = 0;
  for (let start = 0; start < floats.length; start += CHUNK) {
    const count = Math.min(CHUNK, floats.length - start);
    to.floats.set(floats.subarray(start, start + count));
    // the last group of eight may reach over the end: what was left there from before must not count
    to.floats.fill(0, count, (count + 7) & ~7);
    to.kernels.run.encode(FLOATS_AT, HALVES_AT, (count + 7) >> 3);
    halves.set(to.halves.subarray(0, count), start);
    for (const magnitude of to.most) if (magnitude > most) most = magnitude;
  }
  return most;
}

/** Bits to bits, [n] to [n]. */
export function decodeHalves(halves: Uint16Array, floats: Uint32Array): void {
  const to = opened();
  for (let start = 0; start < halves.length; start += CHUNK) {
    const count = Math.min(CHUNK, halves.length - start);
    to.halves.set(halves.subarray(start, start + count));
    to.kernels.run.decode(HALVES_AT, FLOATS_AT, (count + 7) >> 3);
    floats.set(to.floats.subarray(0, count), start);
  }
}
