/**
 * The two passes of resampling, four or sixteen sums at a time. Integers wrap and shift as in Pillow's loops, so the bytes are the
 * same. Rows may be written up to 15 bytes beyond their end: what lies there is either written later or padding.
 */
import {
  ADD,
  type Code,
  advance,
  againWhile,
  constant,
  get,
  i16x8,
  i32x4,
  lanes32,
  load,
  loadVector,
  loop,
  set,
  storeVector,
  v128,
} from '../core/wasm/instructions.ts';
import { kernelModule } from '../core/wasm/kernels.ts';

/** Weights have 22 bits behind the binary point; sums start at a half, so that shifting rounds. */
const SHIFT = 22;
const HALF = 1 << (SHIFT - 1);

/** Parameters of both kernels, in this order. Addresses, sizes and strides are in bytes. */
const [FROM, FROM_STRIDE, TO, TO_STRIDE, ROWS, STEPS, OFFSETS, LENGTHS, WEIGHTS, WEIGHTS_STRIDE] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
] as const;
const PARAMETERS = 10;

/** Of `across`: the pixel to write, weight sets left, addresses of the set's tables, the tap and taps left. */
const [PIXEL, LEFT, OFFSET_AT, LENGTH_AT, SET_AT, TAP, WEIGHT_AT, TAPS] = [
  10, 11, 12, 13, 14, 15, 16, 17,
] as const;
const ACROSS_INTEGERS = 8;
const SUM = PARAMETERS + ACROSS_INTEGERS;

/**
 * ROWS rows of RGB bytes at FROM, each to STEPS pixels: pixel i is the sum of LENGTHS[i] pixels from byte OFFSETS[i] of the row on,
 * times the weights of set i.
 */
const across: Code = loop([
  ...get(TO),
  ...set(PIXEL),
  ...get(OFFSETS),
  ...set(OFFSET_AT),
  ...get(LENGTHS),
  ...set(LENGTH_AT),
  ...get(WEIGHTS),
  ...set(SET_AT),
  ...get(STEPS),
  ...set(LEFT),
  ...loop([
    ...get(OFFSET_AT),
    ...load(0),
    ...get(FROM),
    ...ADD,
    ...set(TAP),
    ...get(LENGTH_AT),
    ...load(0),
    ...set(TAPS),
    ...get(SET_AT),
    ...set(WEIGHT_AT),
    ...lanes32(HALF),
    ...set(SUM),
    ...loop([
      ...get(SUM),
      ...get(TAP),
      ...v128.load32(0),
      ...i16x8.extendLow,
      ...i32x4.extendLow,
      ...get(WEIGHT_AT),
      ...v128.load32Splat(0),
      ...i32x4.multiply,
      ...i32x4.add,
      ...set(SUM),
      ...advance(TAP, constant(3)),
      ...advance(WEIGHT_AT, constant(4)),
      ...againWhile(TAPS),
    ]),
    ...get(SUM),
    ...i32x4.shiftRightSigned(SHIFT),
    ...set(SUM),
    ...get(PIXEL),
    ...get(SUM),
    ...get(SUM),
    ...i32x4.narrowSigned,
    ...set(SUM),
    ...get(SUM),
    ...get(SUM),
    ...i16x8.narrow,
    ...v128.store32(0),
    ...advance(PIXEL, constant(3)),
    ...advance(OFFSET_AT, constant(4)),
    ...advance(LENGTH_AT, constant(4)),
    ...advance(SET_AT, get(WEIGHTS_STRIDE)),
    ...againWhile(LEFT),
  ]),
  ...advance(FROM, get(FROM_STRIDE)),
  ...advance(TO, get(TO_STRIDE)),
  ...againWhile(ROWS),
]);

/** Of `down`: bytes to write, steps left, the column, the tap, its weight, taps left. */
const [BYTES, STEPS_LEFT, COLUMN, DOWN_TAP, DOWN_WEIGHT, DOWN_TAPS] = [10, 11, 12, 13, 14, 15] as const;
const DOWN_INTEGERS = 6;
const SUMS = [0, 1, 2, 3].map((i) => PARAMETERS + DOWN_INTEGERS + i);
const [PIXELS, WIDE, WEIGHT] = [4, 5, 6].map((i) => PARAMETERS + DOWN_INTEGERS + i) as [
  number,
  number,
  number,
];

const addProduct = (sum: number, lanes: Code): Code => [
  ...get(sum),
  ...get(WIDE),
  ...lanes,
  ...get(WEIGHT),
  ...i32x4.multiply,
  ...i32x4.add,
  ...set(sum),
];

const sumOf = (at: number): Code => [...get(SUMS[at]!), ...i32x4.shiftRightSigned(SHIFT)];

/**
 * ROWS rows of STEPS * 16 bytes: byte x of row i is the sum of byte x of LENGTHS[i] rows from FROM + OFFSETS[i] on, FROM_STRIDE
 * apart, times the weights of set i.
 */
const down: Code = loop([
  ...get(TO),
  ...set(BYTES),
  ...get(OFFSETS),
  ...load(0),
  ...get(FROM),
  ...ADD,
  ...set(COLUMN),
  ...get(STEPS),
  ...set(STEPS_LEFT),
  ...loop([
    ...SUMS.flatMap((sum) => [...lanes32(HALF), ...set(sum)]),
    ...get(COLUMN),
    ...set(DOWN_TAP),
    ...get(WEIGHTS),
    ...set(DOWN_WEIGHT),
    ...get(LENGTHS),
    ...load(0),
    ...set(DOWN_TAPS),
    ...loop([
      ...get(DOWN_TAP),
      ...loadVector(0),
      ...set(PIXELS),
      ...get(DOWN_WEIGHT),
      ...v128.load32Splat(0),
      ...set(WEIGHT),
      ...get(PIXELS),
      ...i16x8.extendLow,
      ...set(WIDE),
      ...addProduct(SUMS[0]!, i32x4.extendLow),
      ...addProduct(SUMS[1]!, i32x4.extendHigh),
      ...get(PIXELS),
      ...i16x8.extendHigh,
      ...set(WIDE),
      ...addProduct(SUMS[2]!, i32x4.extendLow),
      ...addProduct(SUMS[3]!, i32x4.extendHigh),
      ...advance(DOWN_TAP, get(FROM_STRIDE)),
      ...advance(DOWN_WEIGHT, constant(4)),
      ...againWhile(DOWN_TAPS),
    ]),
    ...get(BYTES),
    ...sumOf(0),
    ...sumOf(1),
    ...i32x4.narrowSigned,
    ...sumOf(2),
    ...sumOf(3),
    ...i32x4.narrowSigned,
    ...i16x8.narrow,
    ...storeVector(0),
    ...advance(BYTES, constant(16)),
    ...advance(COLUMN, constant(16)),
    ...againWhile(STEPS_LEFT),
  ]),
  ...advance(TO, get(TO_STRIDE)),
  ...advance(OFFSETS, constant(4)),
  ...advance(LENGTHS, constant(4)),
  ...advance(WEIGHTS, get(WEIGHTS_STRIDE)),
  ...againWhile(ROWS),
]);

/** Opens both passes over a memory of at least so many bytes. */
export const openResampleKernels = kernelModule(() => [
  { name: 'across', parameters: PARAMETERS, integers: ACROSS_INTEGERS, vectors: 1, code: across },
  { name: 'down', parameters: PARAMETERS, integers: DOWN_INTEGERS, vectors: 7, code: down },
]);
