/** The thread that searches one part of the queries: its own single-threaded session, one search at a time. */
import type { InferenceSession } from 'onnxruntime-node';
import { serveThread } from '../../core/threads/serve-thread.ts';
import type { BaseTile } from './base-tiles.ts';
import { openMatmulTopk } from './matmul-topk-graph.ts';
import { type PartNeighbours, type QueryPart, TileSearch } from './tile-search.ts';

/** A tile in memory that all threads see; it stays as it is until the call is answered. */
export type SharedTile = Omit<BaseTile, 'scale'>;

export interface NeighbourProtocol {
  /** Starts a search; one that was under way is forgotten. The queries are transferred. */
  readonly begin: { readonly arg: QueryPart; readonly result: null };
  readonly tile: { readonly arg: SharedTile; readonly result: null };
  readonly end: { readonly arg: null; readonly result: PartNeighbours };
}

let session: InferenceSession | null = null;
let search: TileSearch | null = null;
/** The engine takes no shared memory: a tile is copied, about 2 % of the time that its products take. */
let ownRows = new Float32Array(0);
/** Calls are handled at the same time where they wait, and a search has one scratch. */
let last: Promise<unknown> = Promise.resolve();

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const turn = last.then(work);
  last = turn.catch(() => undefined);
  return turn;
}

serveThread<NeighbourProtocol>({
  begin: (part) =>
    inTurn(async () => {
      session ??= await openMatmulTopk({ threads: 1 });
      search = new TileSearch(part, session);
      return { result: null };
    }),
  tile: (shared) =>
    inTurn(async () => {
      if (search === null) throw new Error('internal: a tile before its search');
      await search.search(ownTile(shared));
      return { result: null };
    }),
  end: () =>
    inTurn(async () => {
      if (search === null) throw new Error('internal: an end before its search');
      const result = search.result();
      search = null;
      const transfer = [result.indices.buffer as ArrayBuffer, result.scores.buffer as ArrayBuffer];
      return Promise.resolve({ result, transfer });
    }),
});

function ownTile({ index, rows, inverseNorm }: SharedTile): BaseTile {
  if (ownRows.length < rows.length) ownRows = new Float32Array(rows.length);
  ownRows.set(rows);
  return {
    index,
    rows: ownRows.subarray(0, rows.length),
    inverseNorm,
    scale: Float32Array.from(inverseNorm),
  };
}
