/**
 * Exact nearest neighbours by cosine similarity: the small side in memory, the large side streamed (design.md §4).
 *
 * onnxruntime proposes candidates in float32, tile by tile; every candidate that could get in is scored again here in float64.
 * So the result is that of a plain float64 loop, ties included, whatever the tile sizes, block sizes, order of arrival or
 * device. Where a tile may hide further rows behind its candidates (many equal scores), the whole tile is scored again.
 *
 * `session.run` blocks its thread: long searches belong in a worker.
 */
import ort from 'onnxruntime-node';
import { type BaseTile, type RowBlock, baseTiles, inverseNormOf } from './base-tiles.ts';
import { matmulTopkGraph } from './matmul-topk-graph.ts';
import { RunningTopk } from './running-topk.ts';

export type { RowBlock } from './base-tiles.ts';

export interface NeighbourSearch {
  /** [queryCount * dim]; any scale, normalised here. */
  readonly queries: Float32Array;
  readonly queryCount: number;
  /** Rows to search: one array [n * dim], or blocks in any order. */
  readonly base: AsyncIterable<RowBlock> | Float32Array;
  readonly dim: number;
  /** Neighbours per query, at least 1. */
  readonly k: number;
  /** Query i and base row i are the same item; it is not its own neighbour. */
  readonly excludeSelf?: boolean;
  /** Lowest similarity that is reported. */
  readonly floor?: number;
  /**
   * Where the graph runs. Providers that multiply in less than float32 (CUDA with TF32) must have that turned off: rows are
   * found by float32 error bounds.
   */
  readonly executionProviders?: readonly ort.InferenceSession.ExecutionProviderConfig[];
  /** Threads of the engine within one tile; its own choice when absent. */
  readonly threads?: number;
  /** An open session of {@link openNeighbourSession}, for many small searches; the two options above are then its own. */
  readonly session?: ort.InferenceSession;
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

const DEFAULT_TILE = { queryRows: 1024, baseRows: 8192 };

/** Candidates beyond k, so that float32 rounding at the k-th place seldom forces a second look at the tile. */
const SPARE_CANDIDATES = 8;

/**
 * @throws Error (a defect) on sizes that do not fit; errors of onnxruntime pass through.
 */
export async function nearestNeighbours(search: NeighbourSearch): Promise<Neighbours> {
  const { queries, queryCount, dim, k, tile = DEFAULT_TILE } = search;
  if (!(dim >= 1) || !(k >= 1) || queries.length !== queryCount * dim) {
    throw new Error(`internal: ${queries.length} query values for ${queryCount} x ${dim}, k ${k}`);
  }
  const queryScale = Float64Array.from({ length: queryCount }, (_, i) =>
    inverseNormOf(rowOf(queries, i, dim)),
  );
  const unusableBase: number[] = [];
  const top = new RunningTopk(queryCount, k);
  const session = search.session ?? (await openNeighbourSession(search));
  try {
    const tiles = baseTiles(blocksOf(search.base), {
      dim,
      tileRows: tile.baseRows,
      onUnusable: (index) => unusableBase.push(index),
    });
    const queryRows = Math.min(tile.queryRows, queryCount);
    const scratch = new Float32Array(queryRows * dim);
    for await (const baseTile of tiles) {
      for (let first = 0; first < queryCount; first += queryRows) {
        const count = Math.min(queryRows, queryCount - first);
        normaliseInto(scratch, { queries, queryScale, first, count, dim });
        await searchTile({ search, session, scratch, queryScale, first, count, baseTile, top });
      }
    }
  } finally {
    if (search.session === undefined) await session.release();
  }
  const unusableQueries = [...queryScale.keys()].filter((i) => queryScale[i] === 0);
  return {
    k,
    ...top.result(),
    unusable: { queries: unusableQueries, base: unusableBase.sort((a, b) => a - b) },
  };
}

/** To be released by whoever opened it. */
export function openNeighbourSession({
  executionProviders = ['cpu'],
  threads,
}: Pick<NeighbourSearch, 'executionProviders' | 'threads'> = {}): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(matmulTopkGraph(), {
    executionProviders: [...executionProviders],
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
  });
}

interface TileStep {
  readonly search: NeighbourSearch;
  readonly session: ort.InferenceSession;
  /** Unit query rows of this step, [count * dim] at its start. */
  readonly scratch: Float32Array;
  readonly queryScale: Float64Array;
  readonly first: number;
  readonly count: number;
  readonly baseTile: BaseTile;
  readonly top: RunningTopk;
}

async function searchTile(step: TileStep): Promise<void> {
  const { search, session, scratch, first, count, baseTile, top } = step;
  const { dim } = search;
  const n = baseTile.index.length;
  const asked = Math.min(n, search.k + (search.excludeSelf ? 1 : 0) + SPARE_CANDIDATES);
  const result = await session.run({
    queries: new ort.Tensor('float32', scratch.subarray(0, count * dim), [count, dim]),
    base: new ort.Tensor('float32', baseTile.rows, [n, dim]),
    scale: new ort.Tensor('float32', baseTile.scale, [1, n]),
    k: new ort.Tensor('int64', BigInt64Array.of(BigInt(asked)), [1]),
  });
  const scores = result['scores']!.data as Float32Array;
  const columns = result['columns']!.data as Int32Array;
  const slack = float32Slack(dim);
  for (let i = 0; i < count; i++) {
    const query = first + i;
    if (step.queryScale[query] === 0) continue;
    let at = 0;
    for (; at < asked; at++) {
      const bar = Math.max(top.bar(query), search.floor ?? -Infinity);
      if (scores[i * asked + at]! < bar - slack) break;
      offer(step, query, columns[i * asked + at]!);
    }
    if (at < asked || asked === n) continue;
    const last = scores[i * asked + asked - 1]!;
    if (last < Math.max(top.bar(query), search.floor ?? -Infinity) - slack) continue;
    for (let column = 0; column < n; column++) offer(step, query, column);
  }
}

function offer(step: TileStep, query: number, column: number): void {
  const { search, baseTile } = step;
  const { dim } = search;
  const index = baseTile.index[column]!;
  if (search.excludeSelf && index === query) return;
  const score = dotOf(search.queries, query * dim, baseTile.rows, column * dim, dim);
  const cosine = score * (step.queryScale[query]! * baseTile.inverseNorm[column]!);
  if (cosine >= (search.floor ?? -Infinity)) step.top.offer(query, index, cosine);
}

/**
 * How far a float32 cosine can lie from the true one: the query rounded once, a sum of `dim` products in any order, the scale and its
 * product
 * (Higham, "Accuracy and Stability of Numerical Algorithms", §3.1: |error| <= n u / (1 - n u) for unit vectors). The bar itself
 * may have moved by as much.
 */
function float32Slack(dim: number): number {
  return 2 * (dim + 4) * 2 ** -24;
}

function dotOf(a: Float32Array, aAt: number, b: Float32Array, bAt: number, dim: number): number {
  let sum = 0;
  for (let c = 0; c < dim; c++) sum += a[aAt + c]! * b[bAt + c]!;
  return sum;
}

function rowOf(rows: Float32Array, index: number, dim: number): Float32Array {
  return rows.subarray(index * dim, (index + 1) * dim);
}

function* wholeBlock(rows: Float32Array): Generator<RowBlock> {
  yield { rows, firstIndex: 0 };
}

function blocksOf(base: NeighbourSearch['base']): AsyncIterable<RowBlock> | Iterable<RowBlock> {
  return base instanceof Float32Array ? wholeBlock(base) : base;
}

interface QueryRows {
  readonly queries: Float32Array;
  readonly queryScale: Float64Array;
  readonly first: number;
  readonly count: number;
  readonly dim: number;
}

/** Unit rows of the queries; rows without a direction become zero. */
function normaliseInto(out: Float32Array, { queries, queryScale, first, count, dim }: QueryRows): void {
  for (let i = 0; i < count; i++) {
    const scale = queryScale[first + i]!;
    const from = (first + i) * dim;
    if (scale === 0) out.fill(0, i * dim, (i + 1) * dim);
    else for (let c = 0; c < dim; c++) out[i * dim + c] = queries[from + c]! * scale;
  }
}
