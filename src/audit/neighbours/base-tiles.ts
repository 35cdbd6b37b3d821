/** Cuts a stream of embedding rows into equal tiles, ready for the engine: norms beside them, unusable rows left out. */

/** Rows of the large side as they arrive. */
export interface RowBlock {
  /** [rows * dim] */
  readonly rows: Float32Array;
  /** Index of the block's first row within the base. */
  readonly firstIndex: number;
}

export interface BaseTile {
  /** Base index of each row, [n]. */
  readonly index: Int32Array;
  /** Rows as they came, times a power of two where float32 products would leave their range, [n * dim]. */
  readonly rows: Float32Array;
  /** 1 / L2 norm of each row, [n]. */
  readonly inverseNorm: Float64Array;
  /** The same in float32, for the engine. */
  readonly scale: Float32Array;
}

export interface TilingOptions {
  readonly dim: number;
  readonly tileRows: number;
  /** Where tiles are put, in turn; each of {@link tileMemory} for this size. */
  readonly memories: readonly TileMemory[];
  /** Called with the base index of each row that has no direction: all zero, or with NaN or infinity in it. */
  readonly onUnusable: (index: number) => void;
}

/**
 * Tiles of exactly `tileRows` rows, the last one shorter, whatever the sizes of the blocks. A tile's arrays are valid until the
 * next one is asked for; of several memories, until as many more are asked for.
 * @throws Error (a defect) when a block is not a whole number of rows.
 */
export async function* baseTiles(
  blocks: AsyncIterable<RowBlock> | Iterable<RowBlock>,
  options: TilingOptions,
): AsyncGenerator<BaseTile> {
  const { dim, tileRows, memories } = options;
  let memory = memories[0]!;
  let filled = 0;
  let flushed = 0;
  const flush = (): BaseTile => {
    const { index, rows, inverseNorm } = memory;
    const n = filled;
    filled = 0;
    memory = memories[++flushed % memories.length]!;
    return {
      index: index.subarray(0, n),
      rows: rows.subarray(0, n * dim),
      inverseNorm: inverseNorm.subarray(0, n),
      scale: Float32Array.from(inverseNorm.subarray(0, n)),
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
      const factor = factorFor(inverse);
      const { index, rows, inverseNorm } = memory;
      index[filled] = i;
      inverseNorm[filled] = inverse / factor;
      const to = filled * dim;
      rows.set(row, to);
      if (factor !== 1) for (let c = 0; c < dim; c++) rows[to + c]! *= factor;
      filled++;
      if (filled === tileRows) yield flush();
    }
  }
  if (filled > 0) yield flush();
}

export type TileMemory = Pick<BaseTile, 'index' | 'rows' | 'inverseNorm'>;

/** Room for one tile, in memory that other threads see where `isShared`. */
export function tileMemory({
  dim,
  tileRows,
  isShared,
}: {
  readonly dim: number;
  readonly tileRows: number;
  readonly isShared: boolean;
}): TileMemory {
  const bytes = (count: number): ArrayBuffer =>
    (isShared ? new SharedArrayBuffer(count) : new ArrayBuffer(count)) as ArrayBuffer;
  return {
    index: new Int32Array(bytes(tileRows * Int32Array.BYTES_PER_ELEMENT)),
    rows: new Float32Array(bytes(tileRows * dim * Float32Array.BYTES_PER_ELEMENT)),
    inverseNorm: new Float64Array(bytes(tileRows * Float64Array.BYTES_PER_ELEMENT)),
  };
}

/**
 * 1 for every ordinary row. Rows whose norm lies beyond 2^-40 or 2^40 are brought near 1 by a power of two, which changes no cosine:
 * otherwise the engine's float32 products could overflow or vanish.
 */
function factorFor(inverseNorm: number): number {
  const exponent = Math.round(Math.log2(inverseNorm));
  return Math.abs(exponent) <= 40 ? 1 : 2 ** exponent;
}

/** 1 / L2 norm in float64, or 0 where the row has no direction (zero, NaN or infinite). */
export function inverseNormOf(row: Float32Array): number {
  // four sums: one would wait for itself at every addition
  let first = 0;
  let second = 0;
  let third = 0;
  let fourth = 0;
  let c = 0;
  for (const end = row.length - 3; c < end; c += 4) {
    first += row[c]! * row[c]!;
    second += row[c + 1]! * row[c + 1]!;
    third += row[c + 2]! * row[c + 2]!;
    fourth += row[c + 3]! * row[c + 3]!;
  }
  for (; c < row.length; c++) first += row[c]! * row[c]!;
  const squares = first + second + (third + fourth);
  return squares > 0 && squares < Infinity ? 1 / Math.sqrt(squares) : 0;
}
