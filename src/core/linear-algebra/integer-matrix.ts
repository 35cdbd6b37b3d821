/**
 * A matrix rounded to 16-bit integers, for products with small integers from the left, such as the codes of quantised tokens: half the
 * work of float32, and sums without rounding. The scale is the largest at which no sum can overflow, by Cauchy and Schwarz, so an entry
 * is off by half a 32,767th of the largest one at most where rows are short, or by 2^-31 times the two lengths.
 */
import { type KernelMemory, openKernelMemory } from './simd-kernels.ts';

const BLOCK_ROWS = 4;
const PANEL = 8;
/** Rows of one call: what is packed and what comes out then stay in the second cache. */
const CHUNK_ROWS = 64;
const SHORT_MAX = 32_767;
const SUM_MAX = 2 ** 31 - 1;

export interface IntegerMatrixOptions {
  readonly k: number;
  readonly n: number;
  /** No row that is multiplied is longer than this, as a vector. */
  readonly longestRow: number;
}

export class IntegerMatrix {
  readonly #k: number;
  readonly #n: number;
  /** Pairs of rows of the matrix, and columns with zeros behind them. */
  readonly #pairs: number;
  readonly #stride: number;
  /** What an integer of the matrix stands for. */
  readonly step: number;
  readonly #kernel: KernelMemory;
  readonly #rows: Int32Array;
  readonly #results: Int32Array;

  /** @param matrix [k, n], row by row. */
  constructor(matrix: Float64Array, { k, n, longestRow }: IntegerMatrixOptions) {
    if (k < 1 || n < 1 || matrix.length !== k * n)
      throw new Error(`internal: ${matrix.length} values are no ${k} x ${n} matrix`);
    this.#k = k;
    this.#n = n;
    this.#pairs = (k + 1) >> 1;
    this.#stride = Math.ceil(n / PANEL) * PANEL;
    this.step = stepOf(matrix, n, longestRow);
    const rowsAt = this.#pairs * this.#stride * 4;
    const resultsAt = rowsAt + CHUNK_ROWS * this.#pairs * 4;
    this.#kernel = openKernelMemory('int16', resultsAt + CHUNK_ROWS * this.#stride * 4);
    const { buffer } = this.#kernel.memory;
    this.#rows = new Int32Array(buffer, rowsAt, CHUNK_ROWS * this.#pairs);
    this.#results = new Int32Array(buffer, resultsAt, CHUNK_ROWS * this.#stride);
    const packed = new Int16Array(buffer, 0, 2 * this.#pairs * this.#stride);
    for (let row = 0; row < k; row++)
      for (let column = 0; column < n; column++) {
        const panel = Math.floor(column / PANEL);
        const pair = (panel * this.#pairs + (row >> 1)) * PANEL + (column % PANEL);
        packed[2 * pair + (row & 1)] = Math.round(matrix[row * n + column]! / this.step);
      }
  }

  /** 16-bit integers per row: k, and a zero where k is odd. */
  get rowStride(): number {
    return 2 * this.#pairs;
  }

  /**
   * rows [m, rowStride] times this, each times its scale and plus the bias [n], into `out` [m, n].
   * @param scales [m]
   */
  product(rows: Int16Array, scales: Float64Array, bias: Float64Array, out: Float32Array): void {
    const pairs = this.#pairs;
    const n = this.#n;
    const count = rows.length / this.rowStride;
    if (!Number.isInteger(count) || out.length !== count * n || scales.length < count)
      throw new Error(`internal: ${rows.length} integers times ${this.#k} x ${n} are not ${out.length}`);
    const joined = new Int32Array(rows.buffer, rows.byteOffset, count * pairs);
    for (let start = 0; start < count; start += CHUNK_ROWS) {
      const chunk = Math.min(CHUNK_ROWS, count - start);
      const blocks = Math.ceil(chunk / BLOCK_ROWS);
      for (let row = 0; row < chunk; row++) {
        const from = (start + row) * pairs;
        let to = (row >> 2) * pairs * BLOCK_ROWS + (row & 3);
        for (let i = 0; i < pairs; i++, to += BLOCK_ROWS) this.#rows[to] = joined[from + i]!;
      }
      this.#results.fill(0, 0, blocks * BLOCK_ROWS * this.#stride);
      this.#kernel.addProduct({
        a: this.#rows.byteOffset,
        b: 0,
        c: this.#results.byteOffset,
        k: pairs,
        blocks,
        panels: this.#stride / PANEL,
        rowStride: this.#stride * 4,
      });
      for (let row = 0; row < chunk; row++) {
        const scale = scales[start + row]! * this.step;
        const [from, to] = [row * this.#stride, (start + row) * n];
        for (let column = 0; column < n; column++)
          out[to + column] = this.#results[from + column]! * scale + bias[column]!;
      }
    }
  }
}

/** The finest step at which neither an entry nor a sum overflows. */
function stepOf(matrix: Float64Array, n: number, longestRow: number): number {
  let most = 0;
  const squares = new Float64Array(n);
  matrix.forEach((value, i) => {
    if (Math.abs(value) > most) most = Math.abs(value);
    squares[i % n]! += value * value;
  });
  const longest = Math.sqrt(squares.reduce((all, square) => Math.max(all, square), 0));
  // rounding may make a column a little longer
  const bySum = (1.01 * longest * longestRow) / SUM_MAX;
  return Math.max(most / SHORT_MAX, bySum) || 1;
}
