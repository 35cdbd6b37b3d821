/**
 * What nearest-neighbour searches run on: a session of onnxruntime in the caller's thread for small ones, and for large ones a thread
 * per core with a single-threaded session each. Threads share the queries out: measured on two cores, onnxruntime's own threads leave
 * a third of them idle (they wait for each other within each product, and for JavaScript between products). Both open when first
 * needed, and stay for the next search.
 */
import { availableParallelism } from 'node:os';
import type ort from 'onnxruntime-node';
import { compiledEntry, runsFromSource } from '../../core/threads/compiled-entry.ts';
import { Thread } from '../../core/threads/thread.ts';
import { type TileMemory, tileMemory } from './base-tiles.ts';
import { openMatmulTopk } from './matmul-topk-graph.ts';
import type { NeighbourProtocol } from './neighbour-thread.ts';

export interface NeighbourEngineOptions {
  /**
   * Where products run. Providers that multiply in less than float32 (CUDA with TF32) must have that turned off: rows are found by
   * float32 error bounds. Default the CPU; any other runs in the caller's thread.
   */
  readonly executionProviders?: readonly ort.InferenceSession.ExecutionProviderConfig[];
  /** Threads of one search. Default one per core. */
  readonly threads?: number;
  /** Floating-point operations of a search from which it is worth threads of its own. */
  readonly threadsFromFlops?: number;
}

/** What takes one core a quarter of a second; a thread and its engine take about a tenth to start. */
const THREADS_FROM_FLOPS = 2e10;

/** One at work, one being filled. */
const SHARED_TILES = 2;

/** Fewer queries than this leave a thread more to pack than to multiply. */
const LEAST_QUERIES_PER_THREAD = 64;

export class NeighbourEngine {
  readonly #options: NeighbourEngineOptions;
  readonly #threadCount: number;
  readonly #threadsFromFlops: number;
  #session: Promise<ort.InferenceSession> | null = null;
  #threads: readonly Thread<NeighbourProtocol>[] = [];
  #tiles: readonly TileMemory[] = [];
  #lastTurn: Promise<unknown> = Promise.resolve();

  /** Opens nothing yet. To be closed by whoever made it. */
  constructor(options: NeighbourEngineOptions = {}) {
    this.#options = options;
    this.#threadCount = options.threads ?? availableParallelism();
    this.#threadsFromFlops =
      options.threadsFromFlops ?? (runsFromSource(import.meta.url) ? Infinity : THREADS_FROM_FLOPS);
  }

  /** How many threads share a search of this size; 1: the caller's own searches it. */
  threadsFor({ queryCount, flops }: { readonly queryCount: number; readonly flops: number }): number {
    if (this.#options.executionProviders !== undefined || flops < this.#threadsFromFlops) return 1;
    return Math.max(1, Math.min(this.#threadCount, Math.floor(queryCount / LEAST_QUERIES_PER_THREAD)));
  }

  /** The session of the caller's thread. */
  session(): Promise<ort.InferenceSession> {
    this.#session ??= openMatmulTopk(this.#options);
    return this.#session;
  }

  /** Runs `work` with `count` threads of its own: searches that need them take turns. */
  async inThreads<T>(
    count: number,
    work: (threads: readonly Thread<NeighbourProtocol>[]) => Promise<T>,
  ): Promise<T> {
    const turn = this.#lastTurn.then(() => {
      this.#openThreads(count);
      return work(this.#threads.slice(0, count));
    });
    this.#lastTurn = turn.catch(() => undefined);
    return turn;
  }

  /** Memory for the tiles of a search in threads; kept for the next one, since memory that is new costs a third of filling it. */
  sharedTiles(size: { readonly dim: number; readonly tileRows: number }): readonly TileMemory[] {
    const [first] = this.#tiles;
    if (first?.index.length !== size.tileRows || first.rows.length !== size.tileRows * size.dim)
      this.#tiles = Array.from({ length: SHARED_TILES }, () => tileMemory({ ...size, isShared: true }));
    return this.#tiles;
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
    this.#threads = [];
    this.#tiles = [];
    const session = await this.#session?.catch(() => null);
    this.#session = null;
    await session?.release();
  }

  #openThreads(count: number): void {
    const alive = this.#threads.filter(({ deathOf }) => deathOf === null);
    while (alive.length < count)
      alive.push(
        new Thread<NeighbourProtocol>({
          entry: compiledEntry('./neighbour-thread.ts', import.meta.url),
          name: `neighbour thread ${alive.length + 1}`,
          data: null,
          keepsProcess: false,
        }),
      );
    this.#threads = alive;
  }
}
