/** Retrieval of known twins: for what share of queries is a true twin among the first k neighbours? */
import { type Interval, clopperPearson } from './clopper-pearson.ts';

export interface RetrievalInput {
  /** [m * width] base indices, best first, -1 = none. */
  readonly indices: Int32Array;
  /** Neighbours listed per query. */
  readonly width: number;
  /** Base rows that are true twins of each query, [m]; a query without any is not counted. */
  readonly twins: readonly (readonly number[])[];
  /** Ranks to report, each from 1 to `width`. */
  readonly ranks: readonly number[];
}

export interface RetrievalAtRank {
  readonly rank: number;
  readonly hits: number;
  readonly queries: number;
  /** hits / queries; null without queries. */
  readonly share: number | null;
  /** Clopper-Pearson, 95 %. */
  readonly interval: Interval;
}

/** @throws Error (a defect) for a rank that the neighbour lists cannot answer. */
export function twinAtRank({ indices, width, twins, ranks }: RetrievalInput): RetrievalAtRank[] {
  const firstRanks: number[] = [];
  twins.forEach((rows, query) => {
    if (rows.length === 0) return;
    const wanted = new Set(rows);
    const list = indices.subarray(query * width, (query + 1) * width);
    const at = list.findIndex((base) => wanted.has(base));
    firstRanks.push(at < 0 ? Infinity : at + 1);
  });
  const queries = firstRanks.length;
  return ranks.map((rank) => {
    if (rank < 1 || rank > width) throw new Error(`internal: rank ${rank} of lists of ${width}`);
    const hits = firstRanks.filter((first) => first <= rank).length;
    return {
      rank,
      hits,
      queries,
      share: queries === 0 ? null : hits / queries,
      interval: clopperPearson(hits, queries),
    };
  });
}
