/**
 * A matrix laid out for products from the left, such as tokens times a rotation. A row of the result has the same bits on every
 * machine and however many rows are multiplied at a time (simd-kernels.ts).
 */
import { type KernelMemory, openKernelMemory } from './simd-kernels.ts';

type KernelDtype = 'float32' | 'float64';

const BLOCK_ROWS = 4;
const PANEL_BYTES = 32;
/** Rows of one call: what is packed and what comes out then stay in the second cache. */
const CHUNK_ROWS = 64;

type Values<D extends KernelDtype> = D extends 'float32'
  ? Float32Array<ArrayBuffer>
  : Float64Array<ArrayBuffer>;

export interface PackedMatrixOptions<D extends KernelDtype> {
  readonly dtype: D;
  /** Rows: the length of the sums. */
  readonly k: number;
  /** Columns. */
  readonly n: number;
}

export interface ProductOptions {
  /** Subtracted from each row before the product, [k]. */
  readonly centre?: Float64Array;
  /** Added to each row of the result, [n]; the sum starts with it. */
  readonly bias?: Float64Array;
}

export class PackedMatrix<D extends KernelDtype> {
  readonly #k: number;
  readonly #n: number;
  /** Columns per panel, and values from one row of the results to the next. */
  readonly #panel: number;
  readonly #stride: number;
  readonly #kernel: KernelMemory;
  readonly #rows: Values<D>;
  readonly #results: Values<D>;

  /** @param matrix [k, n], row by row; rounded to `dtype`. */
  constructor(matrix: Float32Array | Float64Array, { dtype, k, n }: PackedMatrixOptions<D>) {
    if (k < 1 || n < 1 || matrix.length !== k * n)
      throw new Error(`internal: ${matrix.length} values are no ${k} x ${n} matrix`);
    const valueBytes = dtype === 'float32' ? 4 : 8;
    const panel = PANEL_BYTES / valueBytes;
    this.#k = k;
    this.#n = n;
    this.#panel = panel;
    this.#stride = Math.ceil(n / panel) * panel;
    const rowsAt = k * this.#stride * valueBytes;
    const resultsAt = rowsAt + CHUNK_ROWS * k * valueBytes;
    this.#kernel = openKernelMemory(dtype, resultsAt + CHUNK_ROWS * this.#stride * valueBytes);
    const { buffer } = this.#kernel.memory;
    const view = (at: number, length: number): Values<D> =>
      (dtype === 'float32'
        ? new Float32Array(buffer, at, length)
        : new Float64Array(buffer, at, length)) as Values<D>;
    this.#rows = view(rowsAt, CHUNK_ROWS * k);
    this.#results = view(resultsAt, CHUNK_ROWS * this.#stride);
    const packed = view(0, k * this.#stride);
    for (let row = 0; row < k; row++)
      for (let column = 0; column < n; column++)
        packed[(Math.floor(column / panel) * k + row) * panel + (column % panel)] = matrix[row * n + column]!;
  }

  /** rows [m, k] times this, into `out` [m, n]; both of exactly that size. */
  product(
    rows: Float32Array | Float64Array,
    out: Float32Array | Float64Array,
    options: ProductOptions = {},
  ): void {
    const k = this.#k;
    const n = this.#n;
    const count = rows.length / k;
    if (!Number.isInteger(count) || out.length !== count * n)
      throw new Error(`internal: ${rows.length} values times ${k} x ${n} are not ${out.length}`);
    const { BYTES_PER_ELEMENT: valueBytes } = this.#rows;
    for (let start = 0; start < count; start += CHUNK_ROWS) {
      const chunk = Math.min(CHUNK_ROWS, count - start);
      const blocks = Math.ceil(chunk / BLOCK_ROWS);
      this.#pack(rows.subarray(start * k, (start + chunk) * k), options.centre);
      this.#startResults(blocks * BLOCK_ROWS, options.bias);
      this.#kernel.addProduct({
        a: this.#rows.byteOffset,
        b: 0,
        c: this.#results.byteOffset,
        k,
        blocks,
        panels: this.#stride / this.#panel,
        rowStride: this.#stride * valueBytes,
      });
      for (let row = 0; row < chunk; row++)
        out.set(this.#results.subarray(row * this.#stride, row * this.#stride + n), (start + row) * n);
    }
  }

  /** Rows of the last block beyond the last row keep what they held: their results are not read. */
  #pack(rows: Float32Array | Float64Array, centre: Float64Array | undefined): void {
    const k = this.#k;
    const packed = this.#rows;
    for (let row = 0; row * k < rows.length; row++) {
      const from = row * k;
      let to = (row >> 2) * k * BLOCK_ROWS + (row & 3);
      if (centre === undefined) for (let i = 0; i < k; i++, to += BLOCK_ROWS) packed[to] = rows[from + i]!;
      else for (let i = 0; i < k; i++, to += BLOCK_ROWS) packed[to] = rows[from + i]! - centre[i]!;
    }
  }

  #startResults(rows: number, bias: Float64Array | undefined): void {
    if (bias === undefined) this.#results.fill(0, 0, rows * this.#stride);
    else for (let row = 0; row < rows; row++) this.#results.set(bias, row * this.#stride);
  }
}

/** a [m, k] times b [k, n] = [m, n] in float64. */
export function product64(
  a: Float64Array,
  b: Float64Array,
  { k, n }: { readonly k: number; readonly n: number },
): Float64Array<ArrayBuffer> {
  const out = new Float64Array((a.length / k) * n);
  new PackedMatrix(b, { dtype: 'float64', k, n }).product(a, out);
  return out;
}
