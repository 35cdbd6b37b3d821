/**
 * Matrix products as SIMD kernels (core/wasm/kernels.ts). The inference engine is faster on many cores, but asynchronous, and its sums
 * differ between processors.
 *
 * Each kernel adds A B to C, block by block of 4 rows by 32 bytes of columns, which fits the vector registers:
 *
 *     a: blocks of 4 rows, [blocks][k][4]      b: panels of 32 bytes of columns, [panels][k][8 or 4]      c: row by row
 *
 * Of int16, k counts pairs of neighbours, each pair being one value of 4 bytes.
 */
import {
  ADD,
  type Code,
  MULTIPLY,
  advance,
  againWhile,
  constant,
  f32x4,
  f64x2,
  get,
  i32x4,
  loadVector,
  loop,
  set,
  storeVector,
} from '../wasm/instructions.ts';
import { kernelModule } from '../wasm/kernels.ts';

/** `int16`: integers in pairs along k, summed in 32 bits. */
export type KernelDtype = 'float32' | 'float64' | 'int16';

/** Adds A B to C. Pointers and `rowStride` in bytes; every count at least 1. */
export type AddProduct = (args: {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  /** Length of the sums. */
  readonly k: number;
  /** Blocks of 4 rows. */
  readonly blocks: number;
  /** Panels of 32 bytes of columns. */
  readonly panels: number;
  /** From one row of C to the next. */
  readonly rowStride: number;
}) => void;

export interface KernelMemory {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly addProduct: AddProduct;
}

/** Kernels over a memory of their own, zeroed. */
export function openKernelMemory(dtype: KernelDtype, sizeBytes: number): KernelMemory {
  const { buffer, run } = open(sizeBytes);
  const kernel = run[dtype];
  return {
    memory: { buffer },
    addProduct: ({ a, b, c, k, blocks, panels, rowStride }) => kernel(a, b, c, k, blocks, panels, rowStride),
  };
}

const open = kernelModule(() =>
  (['float32', 'float64', 'int16'] as const).map((dtype) => ({
    name: dtype,
    parameters: 7,
    integers: INTEGERS,
    vectors: VECTORS,
    code: kernelCode(dtype),
  })),
);

/** Parameters of a kernel, then its locals. */
const [A, B, C, K, BLOCKS, PANELS, STRIDE] = [0, 1, 2, 3, 4, 5, 6] as const;
const [ROWS_AT, PANEL_AT, OUT_AT, LEFT, BLOCKS_LEFT] = [7, 8, 9, 10, 11] as const;
const INTEGERS = 5;
const [B_LOW, B_HIGH, SPLAT, SUMS] = [12, 13, 14, 15] as const;
const ROWS = 4;
/** Two vectors of 16 bytes per row of a block. */
const PANEL_BYTES = 32;
const VECTORS = 3 + ROWS * 2;

const LANES = {
  float32: f32x4,
  float64: f64x2,
  int16: { loadSplat: f32x4.loadSplat, multiply: i32x4.dot, add: i32x4.add },
} as const;

function kernelCode(dtype: KernelDtype): Code {
  const valueBytes = dtype === 'float64' ? 8 : 4;
  const simd = LANES[dtype];
  const sum = (row: number, half: number): number => SUMS + 2 * row + half;
  const outAddress = (row: number): Code => [
    ...get(OUT_AT),
    ...(row === 0 ? [] : [...get(STRIDE), ...constant(row), ...MULTIPLY, ...ADD]),
  ];
  const eachSum = (code: (row: number, half: number) => Code): Code =>
    [0, 1, 2, 3].flatMap((row) => [0, 1].flatMap((half) => code(row, half)));

  const alongK = loop([
    ...get(PANEL_AT),
    ...loadVector(0),
    ...set(B_LOW),
    ...get(PANEL_AT),
    ...loadVector(16),
    ...set(B_HIGH),
    ...[0, 1, 2, 3].flatMap((row) => [
      ...get(ROWS_AT),
      ...simd.loadSplat(row * valueBytes),
      ...set(SPLAT),
      ...[0, 1].flatMap((half) => [
        ...get(sum(row, half)),
        ...get(SPLAT),
        ...get(half === 0 ? B_LOW : B_HIGH),
        ...simd.multiply,
        ...simd.add,
        ...set(sum(row, half)),
      ]),
    ]),
    ...advance(ROWS_AT, constant(ROWS * valueBytes)),
    ...advance(PANEL_AT, constant(PANEL_BYTES)),
    ...againWhile(LEFT),
  ]);
  const overBlocks = loop([
    ...eachSum((row, half) => [...outAddress(row), ...loadVector(16 * half), ...set(sum(row, half))]),
    ...get(B),
    ...set(PANEL_AT),
    ...get(K),
    ...set(LEFT),
    ...alongK,
    ...eachSum((row, half) => [...outAddress(row), ...get(sum(row, half)), ...storeVector(16 * half)]),
    ...advance(OUT_AT, [...get(STRIDE), ...constant(ROWS), ...MULTIPLY]),
    ...againWhile(BLOCKS_LEFT),
  ]);
  // a panel of B stays in the first cache while all blocks of A pass by
  return loop([
    ...get(A),
    ...set(ROWS_AT),
    ...get(C),
    ...set(OUT_AT),
    ...get(BLOCKS),
    ...set(BLOCKS_LEFT),
    ...overBlocks,
    ...advance(B, [...get(K), ...constant(PANEL_BYTES), ...MULTIPLY]),
    ...advance(C, constant(PANEL_BYTES)),
    ...againWhile(PANELS),
  ]);
}
