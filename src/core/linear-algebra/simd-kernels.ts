/**
 * Matrix products in WebAssembly SIMD: synchronous, usable in any thread, and with the same bits on every machine, because
 * WebAssembly fixes the rounding of every operation and the kernels the order of every sum. Plain loops of JavaScript reach a
 * tenth of the speed; the inference engine is faster on many cores, but asynchronous, and its sums differ between processors.
 *
 * Each kernel adds A B to C, block by block of 4 rows by 32 bytes of columns, which fits the vector registers:
 *
 *     a: blocks of 4 rows, [blocks][k][4]      b: panels of 32 bytes of columns, [panels][k][8 or 4]      c: row by row
 *
 * The module is assembled here from its instructions (webassembly.github.io/spec, "Binary Format"), 1 KB.
 */

export type KernelDtype = 'float32' | 'float64';

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

/** The part of the standard global that is used: its types come with those of the DOM, which a Node program does without. */
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: Record<string, Record<string, object>>,
  ) => { readonly exports: Readonly<Record<KernelDtype, (...args: number[]) => void>> };
};

const PAGE_BYTES = 65_536;

/** Kernels over a memory of their own, zeroed. */
export function openKernelMemory(dtype: KernelDtype, sizeBytes: number): KernelMemory {
  const memory = new WebAssembly.Memory({ initial: Math.ceil(sizeBytes / PAGE_BYTES) });
  module ??= new WebAssembly.Module(kernelModule());
  const { exports } = new WebAssembly.Instance(module, { host: { memory } });
  const kernel = exports[dtype];
  return {
    memory,
    addProduct: ({ a, b, c, k, blocks, panels, rowStride }) => kernel(a, b, c, k, blocks, panels, rowStride),
  };
}

/** Compiled once per thread. */
let module: object | undefined;

type Code = number[];

/** Parameters of a kernel, then its locals. */
const [A, B, C, K, BLOCKS, PANELS, STRIDE] = [0, 1, 2, 3, 4, 5, 6] as const;
const [ROWS_AT, PANEL_AT, OUT_AT, LEFT, BLOCKS_LEFT] = [7, 8, 9, 10, 11] as const;
const I32_LOCALS = 5;
const [B_LOW, B_HIGH, SPLAT, SUMS] = [12, 13, 14, 15] as const;
const ROWS = 4;
/** Two vectors of 16 bytes per row of a block. */
const PANEL_BYTES = 32;
const VECTOR_LOCALS = 3 + ROWS * 2;

function kernelCode(dtype: KernelDtype): Code {
  const valueBytes = dtype === 'float32' ? 4 : 8;
  const simd = SIMD[dtype];
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

// Instructions. Integers are LEB128.
const I32 = 0x7f;
const V128 = 0x7b;
const END = 0x0b;
const ADD: Code = [0x6a];
const MULTIPLY: Code = [0x6c];
const get = (local: number): Code => [0x20, local];
const set = (local: number): Code => [0x21, local];
const constant = (value: number): Code => [0x41, ...signed(value)];
const vector = (opcode: number, ...rest: Code): Code => [0xfd, ...unsigned(opcode), ...rest];
/** Alignment is a hint: 2^2 always holds. */
const loadVector = (offset: number): Code => vector(0x00, 2, ...unsigned(offset));
const storeVector = (offset: number): Code => vector(0x0b, 2, ...unsigned(offset));
const SIMD = {
  float32: {
    loadSplat: (offset: number): Code => vector(0x09, 2, ...unsigned(offset)),
    multiply: vector(0xe6),
    add: vector(0xe4),
  },
  float64: {
    loadSplat: (offset: number): Code => vector(0x0a, 3, ...unsigned(offset)),
    multiply: vector(0xf2),
    add: vector(0xf0),
  },
} as const;
const loop = (body: Code): Code => [0x03, 0x40, ...body, END];
const advance = (local: number, by: Code): Code => [...get(local), ...by, ...ADD, ...set(local)];
/** Counts a local down and goes back to the start of the innermost loop until it is 0. */
const againWhile = (local: number): Code => [...get(local), ...constant(-1), ...ADD, 0x22, local, 0x0d, 0];

function unsigned(value: number): Code {
  const bytes: Code = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

function signed(value: number): Code {
  const bytes: Code = [];
  for (let rest = value; ; rest >>= 7) {
    if (rest >= -64 && rest < 64) return [...bytes, rest & 0x7f];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

const text = (name: string): Code => [name.length, ...Buffer.from(name)];
const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content];

function kernelModule(): Uint8Array<ArrayBuffer> {
  const kernels = (['float32', 'float64'] as const).flatMap((dtype) => {
    const code = [2, I32_LOCALS, I32, VECTOR_LOCALS, V128, ...kernelCode(dtype), END];
    return [...unsigned(code.length), ...code];
  });
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    // one type: seven integers to nothing
    ...section(1, [1, 0x60, 7, I32, I32, I32, I32, I32, I32, I32, 0]),
    // import host.memory, at least 0 pages
    ...section(2, [1, ...text('host'), ...text('memory'), 2, 0, 0]),
    ...section(3, [2, 0, 0]),
    ...section(7, [2, ...text('float32'), 0, 0, ...text('float64'), 0, 1]),
    ...section(10, [2, ...kernels]),
  ]);
}
