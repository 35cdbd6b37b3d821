/**
 * One part of the queries against one tile of the base after the other. onnxruntime proposes candidates in float32; every candidate
 * that could get in is scored again here in float64. So the result is that of a plain float64 loop, ties included, whatever the
 * tiles and their order. Where a tile may hide further rows behind its candidates (many equal scores), the whole tile is scored again.
 */
import ort from 'onnxruntime-node';
import { type BaseTile, inverseNormOf } from './base-tiles.ts';
import { RunningTopk } from './running-topk.ts';

/** Some of a search's queries, and what is wanted of each. */
export interface QueryPart {
  /** [count * dim]; any scale. */
  readonly queries: Float32Array;
  readonly count: number;
  /** Index of the first one within the search. */
  readonly firstQuery: number;
  readonly dim: number;
  /** Neighbours per query. */
  readonly k: number;
  /** Query i and base row i are the same item. */
  readonly excludeSelf: boolean;
  /** Lowest similarity that is kept; -Infinity for all. */
  readonly floor: number;
  /** Most queries of one call of the engine. */
  readonly queryRows: number;
}

export interface PartNeighbours {
  /** [count * k], -1 where there are no more. */
  readonly indices: Int32Array;
  /** [count * k], NaN where there are no more. */
  readonly scores: Float32Array;
  /** Indices within the search of queries without a direction. */
  readonly unusable: readonly number[];
}

/** Candidates beyond k, so that float32 rounding at the k-th place seldom forces a second look at the tile. */
const SPARE_CANDIDATES = 8;

export class TileSearch {
  readonly #part: QueryPart;
  readonly #session: ort.InferenceSession;
  readonly #top: RunningTopk;
  /** 1 / norm of each query, 0 where it has no direction. */
  readonly #queryScale: Float64Array;
  readonly #unitRows: Float32Array;
  readonly #blockRows: number;

  constructor(part: QueryPart, session: ort.InferenceSession) {
    const { queries, count, dim } = part;
    this.#part = part;
    this.#session = session;
    this.#top = new RunningTopk(count, part.k);
    this.#queryScale = Float64Array.from({ length: count }, (_, i) =>
      inverseNormOf(queries.subarray(i * dim, (i + 1) * dim)),
    );
    // blocks of one size: a last one of a few rows would pack the whole tile for them
    this.#blockRows = Math.ceil(count / Math.max(1, Math.ceil(count / part.queryRows)));
    this.#unitRows = new Float32Array(this.#blockRows * dim);
  }

  /** One tile at a time. Errors of onnxruntime pass through. */
  async search(tile: BaseTile): Promise<void> {
    for (let first = 0; first < this.#part.count; first += this.#blockRows)
      await this.#searchBlock(tile, first, Math.min(this.#blockRows, this.#part.count - first));
  }

  result(): PartNeighbours {
    const { firstQuery } = this.#part;
    const unusable: number[] = [];
    for (const [i, scale] of this.#queryScale.entries()) if (scale === 0) unusable.push(firstQuery + i);
    return { ...this.#top.result(), unusable };
  }

  async #searchBlock(tile: BaseTile, first: number, count: number): Promise<void> {
    const { dim, k, excludeSelf, floor } = this.#part;
    const n = tile.index.length;
    const asked = Math.min(n, k + (excludeSelf ? 1 : 0) + SPARE_CANDIDATES);
    this.#normalise(first, count);
    const result = await this.#session.run({
      queries: new ort.Tensor('float32', this.#unitRows.subarray(0, count * dim), [count, dim]),
      base: new ort.Tensor('float32', tile.rows, [n, dim]),
      scale: new ort.Tensor('float32', tile.scale, [1, n]),
      k: new ort.Tensor('int64', BigInt64Array.of(BigInt(asked)), [1]),
    });
    const scores = result['scores']!.data as Float32Array;
    const columns = result['columns']!.data as Int32Array;
    const slack = float32Slack(dim);
    for (let i = 0; i < count; i++) {
      const query = first + i;
      if (this.#queryScale[query] === 0) continue;
      let at = i * asked;
      const end = at + asked;
      for (; at < end; at++) {
        if (scores[at]! < Math.max(this.#top.bar(query), floor) - slack) break;
        this.#offer(tile, query, columns[at]!);
      }
      if (at < end || asked === n) continue;
      if (scores[end - 1]! < Math.max(this.#top.bar(query), floor) - slack) continue;
      for (let column = 0; column < n; column++) this.#offer(tile, query, column);
    }
  }

  #offer(tile: BaseTile, query: number, column: number): void {
    const { queries, dim, excludeSelf, firstQuery, floor } = this.#part;
    const index = tile.index[column]!;
    if (excludeSelf && index === firstQuery + query) return;
    const dot = dotOf(queries, query * dim, tile.rows, column * dim, dim);
    const cosine = dot * (this.#queryScale[query]! * tile.inverseNorm[column]!);
    if (cosine >= floor) this.#top.offer(query, index, cosine);
  }

  /** Unit rows of a block's queries; rows without a direction become zero. */
  #normalise(first: number, count: number): void {
    const { queries, dim } = this.#part;
    const out = this.#unitRows;
    for (let i = 0; i < count; i++) {
      const scale = this.#queryScale[first + i]!;
      const from = (first + i) * dim;
      if (scale === 0) out.fill(0, i * dim, (i + 1) * dim);
      else for (let c = 0; c < dim; c++) out[i * dim + c] = queries[from + c]! * scale;
    }
  }
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
  // four sums: one would wait for itself at every addition
  let first = 0;
  let second = 0;
  let third = 0;
  let fourth = 0;
  let c = 0;
  for (const end = dim - 3; c < end; c += 4) {
    first += a[aAt + c]! * b[bAt + c]!;
    second += a[aAt + c + 1]! * b[bAt + c + 1]!;
    third += a[aAt + c + 2]! * b[bAt + c + 2]!;
    fourth += a[aAt + c + 3]! * b[bAt + c + 3]!;
  }
  for (; c < dim; c++) first += a[aAt + c]! * b[bAt + c]!;
  return first + second + (third + fourth);
}
