/** Cuts a stream of embedding rows into equal tiles, ready for the MatMul: normalised, transposed, unusable rows left out. */

/** Rows of the large side as they arrive. */
export interface RowBlock {
  /** [rows * dim] */
  readonly rows: Float32Array;
  /** Index of the block's first row within the base. */
  readonly firstIndex: number;
}

export interface BaseTile {
  /** Base index of each column, [n]. */
  readonly index: Int32Array;
  /** Rows as they came, [n * dim]. */
  readonly raw: Float32Array;
  /** 1 / L2 norm of each row, [n]. */
  readonly inverseNorm: Float64Array;
  /** Unit rows as columns, [dim * n]. */
  readonly transposed: Float32Array;
}

export interface TilingOptions {
  readonly dim: number;
  readonly tileRows: number;
  /** Called with the base index of each row that has no direction: all zero, or with NaN or infinity in it. */
  readonly onUnusable: (index: number) => void;
}

/**
 * Tiles of exactly `tileRows` rows, the last one shorter, whatever the sizes of the blocks. A tile's arrays are valid until the
 * next one is asked for.
 * @throws Error (a defect) when a block is not a whole number of rows.
 */
export async function* baseTiles(
  blocks: AsyncIterable<RowBlock> | Iterable<RowBlock>,
  options: TilingOptions,
): AsyncGenerator<BaseTile> {
  const { dim, tileRows } = options;
  const index = new Int32Array(tileRows);
  const raw = new Float32Array(tileRows * dim);
  const inverseNorm = new Float64Array(tileRows);
  const transposed = new Float32Array(tileRows * dim);
  let filled = 0;
  const flush = (): BaseTile => {
    const n = filled;
    filled = 0;
    const columns = transposed.subarray(0, dim * n);
    transposeInto(columns, raw, inverseNorm, n, dim);
    return {
      index: index.subarray(0, n),
      raw: raw.subarray(0, n * dim),
      inverseNorm: inverseNorm.subarray(0, n),
      transposed: columns,
    };
  };
  for await (const block of blocks) {
    if (block.rows.length % dim !== 0) {
      throw new Error(`internal: a block of ${block.rows.length} values is no whole number of ${dim}-rows`);
    }
    for (let at = 0, i = block.firstIndex; at < block.rows.length; at += dim, i++) {
      const row = block.rows.subarray(at, at + dim);
      const inverse = inverseNormOf(row);
      if (inverse === 0) {
        options.onUnusable(i);
        continue;
      }
      index[filled] = i;
      inverseNorm[filled] = inverse;
      raw.set(row, filled * dim);
      filled++;
      if (filled === tileRows) yield flush();
    }
  }
  if (filled > 0) yield flush();
}

/** 1 / L2 norm in float64, or 0 where the row has no direction (zero, NaN or infinite). */
export function inverseNormOf(row: Float32Array): number {
  let squares = 0;
  for (const value of row) squares += value * value;
  return squares > 0 && squares < Infinity ? 1 / Math.sqrt(squares) : 0;
}

/** Blocked so that both sides of the copy stay in the processor's cache. */
function transposeInto(
  out: Float32Array,
  raw: Float32Array,
  inverseNorm: Float64Array,
  n: number,
  dim: number,
): void {
  const block = 32;
  for (let rowStart = 0; rowStart < n; rowStart += block) {
    const rowEnd = Math.min(n, rowStart + block);
    for (let start = 0; start < dim; start += block) {
      const end = Math.min(dim, start + block);
      for (let r = rowStart; r < rowEnd; r++) {
        const scale = inverseNorm[r]!;
        for (let c = start; c < end; c++) out[c * n + r] = raw[r * dim + c]! * scale;
      }
    }
  }
}
