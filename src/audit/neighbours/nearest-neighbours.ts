/**
 * Exact nearest neighbours by cosine similarity: the small side in memory, the large side streamed (design.md §4). The result is that
 * of a plain float64 loop, ties included, whatever the tile sizes, block sizes, order of arrival, device or number of threads.
 */
import { type RowBlock, baseTiles, tileMemory } from './base-tiles.ts';
import { NeighbourEngine } from './neighbour-engine.ts';
import { type PartNeighbours, type QueryPart, TileSearch } from './tile-search.ts';

export type { RowBlock } from './base-tiles.ts';

export interface NeighbourSearch {
  /** [queryCount * dim]; any scale, normalised here. */
  readonly queries: Float32Array;
  readonly queryCount: number;
  /** Rows to search: one array [n * dim], or blocks in any order. */
  readonly base: AsyncIterable<RowBlock> | Iterable<RowBlock> | Float32Array;
  readonly dim: number;
  /** Neighbours per query, at least 1. */
  readonly k: number;
  /** Query i and base row i are the same item; it is not its own neighbour. */
  readonly excludeSelf?: boolean;
  /** Lowest similarity that is reported. */
  readonly floor?: number;
  /** An engine for many searches; without it, one is opened for this search. */
  readonly engine?: NeighbourEngine;
  /** Sizes of a tile; the result does not depend on them. */
  readonly tile?: { readonly queryRows: number; readonly baseRows: number };
}

export interface Neighbours {
  readonly k: number;
  /** [queryCount * k] base indices, best first, equal scores by lower index; -1 where there are no more. */
  readonly indices: Int32Array;
  /** [queryCount * k] cosine similarities; NaN where there are no more. */
  readonly scores: Float32Array;
  /** Rows without a direction (zero, NaN or infinite): reported, never matched. Ascending. */
  readonly unusable: { readonly queries: readonly number[]; readonly base: readonly number[] };
}

/**
 * Measured with `bench:audit` at 768 dimensions. Not 8,192: rows of products that lie a power of two apart fall on the same cache sets,
 * and the engine then multiplies at 62 GFLOP/s per core, not 83.
 */
const DEFAULT_TILE = { queryRows: 512, baseRows: 8208 };

/** A stream is taken to be long: its size is known only when it has been read. */
const flopsOf = ({ queryCount, base }: NeighbourSearch): number =>
  base instanceof Float32Array ? 2 * queryCount * base.length : Infinity;

/**
 * A search in one thread blocks the caller's while the engine runs; a large one goes to threads of the engine.
 * @throws Error (a defect) on sizes that do not fit; errors of onnxruntime pass through.
 */
export async function nearestNeighbours(search: NeighbourSearch): Promise<Neighbours> {
  const { queries, queryCount, dim, k } = search;
  if (!(dim >= 1) || !(k >= 1) || queries.length !== queryCount * dim) {
    throw new Error(`internal: ${queries.length} query values for ${queryCount} x ${dim}, k ${k}`);
  }
  const engine = search.engine ?? new NeighbourEngine();
  try {
    const threads = engine.threadsFor({ queryCount, flops: flopsOf(search) });
    return await (threads === 1 ? searchHere(search, engine) : searchInThreads(search, engine, threads));
  } finally {
    if (search.engine === undefined) await engine.close();
  }
}

async function searchHere(search: NeighbourSearch, engine: NeighbourEngine): Promise<Neighbours> {
  const { queries, queryCount, dim } = search;
  const part = partOf(search, { queries, firstQuery: 0, count: queryCount });
  const found = new TileSearch(part, await engine.session());
  const unusableBase: number[] = [];
  const tiles = baseTiles(blocksOf(search.base), {
    dim,
    tileRows: tileOf(search).baseRows,
    memories: [tileMemory({ dim, tileRows: tileOf(search).baseRows, isShared: false })],
    onUnusable: (index) => unusableBase.push(index),
  });
  for await (const tile of tiles) await found.search(tile);
  return joined(search, [found.result()], unusableBase);
}

/** Each thread has some of the queries and sees every tile. */
function searchInThreads(
  search: NeighbourSearch,
  engine: NeighbourEngine,
  count: number,
): Promise<Neighbours> {
  const size = { dim: search.dim, tileRows: tileOf(search).baseRows };
  return engine.inThreads(count, async (threads) => {
    const memories = engine.sharedTiles(size);
    await Promise.all(
      threads.map((thread, i) => {
        const part = threadPart(search, i, count);
        return thread.call('begin', part, [part.queries.buffer as ArrayBuffer]);
      }),
    );
    const unusableBase: number[] = [];
    const atWork: Promise<unknown>[] = memories.map(() => Promise.resolve());
    const tiles = baseTiles(blocksOf(search.base), {
      ...size,
      memories,
      onUnusable: (index) => unusableBase.push(index),
    });
    try {
      let at = 0;
      for await (const { index, rows, inverseNorm } of tiles) {
        const call = Promise.all(threads.map((thread) => thread.call('tile', { index, rows, inverseNorm })));
        call.catch(() => undefined); // thrown where it is waited for
        atWork[at] = call;
        at = (at + 1) % memories.length;
        // the memory that the next tile is written to
        await atWork[at];
      }
      await Promise.all(atWork);
    } catch (error) {
      await Promise.allSettled(atWork);
      throw error;
    }
    return joined(search, await Promise.all(threads.map((thread) => thread.call('end', null))), unusableBase);
  });
}

/** The queries of thread `i` of `count`, in memory of their own. */
function threadPart(search: NeighbourSearch, i: number, count: number): QueryPart {
  const { queries, queryCount, dim } = search;
  const firstQuery = Math.floor((i * queryCount) / count);
  const end = Math.floor(((i + 1) * queryCount) / count);
  return partOf(search, {
    queries: queries.slice(firstQuery * dim, end * dim),
    firstQuery,
    count: end - firstQuery,
  });
}

function partOf(
  search: NeighbourSearch,
  part: Pick<QueryPart, 'queries' | 'firstQuery' | 'count'>,
): QueryPart {
  const { dim, k, excludeSelf = false, floor = -Infinity } = search;
  return { ...part, dim, k, excludeSelf, floor, queryRows: tileOf(search).queryRows };
}

const tileOf = ({ tile = DEFAULT_TILE }: NeighbourSearch): typeof DEFAULT_TILE => tile;

function joined(
  { queryCount, k }: NeighbourSearch,
  parts: readonly PartNeighbours[],
  unusableBase: number[],
): Neighbours {
  const indices = new Int32Array(queryCount * k);
  const scores = new Float32Array(queryCount * k);
  let at = 0;
  for (const part of parts) {
    indices.set(part.indices, at);
    scores.set(part.scores, at);
    at += part.indices.length;
  }
  return {
    k,
    indices,
    scores,
    unusable: {
      queries: parts.flatMap(({ unusable }) => unusable),
      base: unusableBase.sort((a, b) => a - b),
    },
  };
}

function* wholeBlock(rows: Float32Array): Generator<RowBlock> {
  yield { rows, firstIndex: 0 };
}

function blocksOf(base: NeighbourSearch['base']): AsyncIterable<RowBlock> | Iterable<RowBlock> {
  return base instanceof Float32Array ? wholeBlock(base) : base;
}
