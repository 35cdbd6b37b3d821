/** The sum of outer products of rows, in float64 (simd-kernels.ts): what a covariance is made of. */
import { type KernelMemory, openKernelMemory } from './simd-kernels.ts';

const BLOCK = 4;
/** Blocks of rows per call: 32 rows of a tile stay in the second cache while its columns pass by. */
const BLOCKS_PER_CALL = 8;
const VALUE_BYTES = 8;

export class GramSum {
  readonly width: number;
  /** Rows that one call of {@link add} can take. */
  readonly tileRows: number;
  readonly #blocks: number;
  readonly #kernel: KernelMemory;
  readonly #tile: Float64Array;
  readonly #sum: Float64Array;
  readonly #sumAt: number;

  constructor(width: number, tileRows: number) {
    this.width = width;
    this.tileRows = tileRows;
    this.#blocks = Math.ceil(width / BLOCK);
    const padded = this.#blocks * BLOCK;
    this.#sumAt = tileRows * padded * VALUE_BYTES;
    this.#kernel = openKernelMemory('float64', this.#sumAt + padded * padded * VALUE_BYTES);
    const { buffer } = this.#kernel.memory;
    this.#tile = new Float64Array(buffer, 0, tileRows * padded);
    this.#sum = new Float64Array(buffer, this.#sumAt, padded * padded);
  }

  /**
   * Adds r^T r for every row r of a tile. `value(row, column)` is too slow for this: `fill` writes column c of row t at
   * `tile[((c >> 2) * rows + t) * 4 + (c & 3)]`, and nothing beyond the width.
   */
  add(rows: number, fill: (tile: Float64Array) => void): void {
    if (rows < 1 || rows > this.tileRows)
      throw new Error(`internal: a tile of ${rows} rows, room for ${this.tileRows}`);
    fill(this.#tile);
    const blockBytes = rows * BLOCK * VALUE_BYTES;
    const rowStride = this.#blocks * BLOCK * VALUE_BYTES;
    for (let block = 0; block < this.#blocks; block += BLOCKS_PER_CALL)
      this.#kernel.addProduct({
        a: block * blockBytes,
        b: block * blockBytes,
        c: this.#sumAt + block * BLOCK * (rowStride + VALUE_BYTES),
        k: rows,
        blocks: Math.min(BLOCKS_PER_CALL, this.#blocks - block),
        panels: this.#blocks - block,
        rowStride,
      });
  }

  /** The sum, [width, width], both triangles. */
  matrix(): Float64Array {
    const { width } = this;
    const padded = this.#blocks * BLOCK;
    const out = new Float64Array(width * width);
    for (let i = 0; i < width; i++)
      for (let j = i; j < width; j++) out[i * width + j] = out[j * width + i] = this.#sum[i * padded + j]!;
    return out;
  }

  /** Adds another sum, [width, width]; only its upper triangle counts. */
  addMatrix(matrix: Float64Array): void {
    const { width } = this;
    const padded = this.#blocks * BLOCK;
    for (let i = 0; i < width; i++)
      for (let j = i; j < width; j++) this.#sum[i * padded + j]! += matrix[i * width + j]!;
  }
}
