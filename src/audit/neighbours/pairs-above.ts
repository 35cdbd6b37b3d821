/** All pairs at or above a cosine similarity, with a cap per query so that a hub cannot fill the memory. */
import { type NeighbourSearch, nearestNeighbours } from './nearest-neighbours.ts';

export interface PairsAboveSearch extends Omit<NeighbourSearch, 'k' | 'floor'> {
  /** Lowest cosine similarity of a pair. */
  readonly threshold: number;
  /** Most pairs kept per query; a query that reaches it is reported as a hub. Default 64. */
  readonly maxPerQuery?: number;
}

export interface CosinePair {
  readonly query: number;
  readonly base: number;
  readonly cosine: number;
  /** Place of `base` among the neighbours of `query`, from 1. */
  readonly rank: number;
}

export interface PairsAbove {
  /** Ordered by query, then rank. With `excludeSelf`, both directions of a pair appear. */
  readonly pairs: readonly CosinePair[];
  /** Queries with `maxPerQuery` pairs or more: their list may be cut short. */
  readonly hubs: readonly number[];
  readonly unusable: { readonly queries: readonly number[]; readonly base: readonly number[] };
}

export async function pairsAbove(search: PairsAboveSearch): Promise<PairsAbove> {
  const k = search.maxPerQuery ?? 64;
  const { indices, scores, unusable } = await nearestNeighbours({ ...search, k, floor: search.threshold });
  const pairs: CosinePair[] = [];
  const hubs: number[] = [];
  for (let query = 0; query < search.queryCount; query++) {
    for (let at = query * k; at < (query + 1) * k && indices[at]! >= 0; at++) {
      pairs.push({ query, base: indices[at]!, cosine: scores[at]!, rank: at - query * k + 1 });
    }
    if (indices[(query + 1) * k - 1]! >= 0) hubs.push(query);
  }
  return { pairs, hubs, unusable };
}
