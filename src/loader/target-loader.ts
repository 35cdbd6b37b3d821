/**
 * Delivers batches in order while later ones are being read. What is in flight is bounded by the batch buffers; whatever the
 * consumer does (slow, early end, an exception, never reading), nothing stays running once its iteration has ended and the loader
 * is closed.
 */
import { ReadableStream } from 'node:stream/web';
import type { ReaderLease } from '../cache/reader-lease.ts';
import { codedLabel, spaceIdOf } from '../cache/space.ts';
import { StillhouseError } from '../core/failure.ts';
import type { SpaceId } from '../core/ids.ts';
import type { CommitFs } from '../store/commit-fs.ts';
import type { Batch } from './batch.ts';
import { BatchFiller, type FillerInput, type LoaderCounts } from './batch-filler.ts';
import { type BatchBuffer, BufferPool } from './buffer-pool.ts';
import { Jobs } from './jobs.ts';
import type { PixelCoding } from './job-protocol.ts';
import type { PixelSetup } from './pixel-job.ts';
import type { PixelsAs } from './pixel-options.ts';
import type { DeliveredAs } from './row-decoder.ts';
import { RowFetch } from './row-fetch.ts';
import { type Binding, type LoaderState, stateAt } from './state.ts';

export interface LoaderInput extends FillerInput {
  /** What part files are opened with. */
  readonly fs: CommitFs;
  /** Pins what is read until it is released; called before the first read. */
  readonly hold: () => Promise<ReaderLease>;
  readonly binding: Binding;
  /** What threads that render are told. */
  readonly pixelSetup: PixelSetup | null;
  /** Of the spaces of pixels that are read. */
  readonly pixelCodings: readonly PixelCoding[];
  readonly buffers: number;
  readonly step: number;
  readonly excluded: number;
}

/** Batches whose remote parts are on their way while earlier ones are read. */
const PREFETCH_BATCHES = 32;

interface Filled<B> {
  readonly buffer: BatchBuffer;
  readonly batch: B;
  kept: boolean;
  /** The next batch was asked for: the buffer may be filled anew. */
  over: boolean;
}

export class TargetLoader<
  Label extends string,
  As extends DeliveredAs,
  Pixels extends PixelsAs | null = null,
> {
  readonly #input: LoaderInput;
  readonly #jobs: Jobs;
  readonly #pool: BufferPool;
  readonly #fetch: RowFetch;
  readonly #filler: BatchFiller;
  readonly #filling = new Set<Promise<unknown>>();
  #step: number;
  #lease: Promise<ReaderLease> | null = null;
  #prefetched = 0;
  #iterating = false;
  #closed = false;

  constructor(input: LoaderInput) {
    this.#input = input;
    this.#step = input.step;
    const { layout, pixels, pixelCodings } = input;
    const spaces = [...input.spaces, ...pixelCodings];
    const pixelsAt = pixels?.isStaged === true ? layout.stagedAt : layout.pixelsAt;
    const at = [...layout.targets.map((place) => place.at), ...pixelCodings.map(() => pixelsAt)];
    this.#jobs = new Jobs(input.workers, { spaces, pixels: input.pixelSetup });
    this.#pool = new BufferPool(layout.sizeBytes, {
      limit: input.buffers,
      forKernels: layout.scratchAt >= 0,
    });
    this.#fetch = new RowFetch({ ...input, spaces, at, scratchAt: layout.scratchAt }, this.#jobs);
    this.#filler = new BatchFiller(input, {
      jobs: this.#jobs,
      fetch: this.#fetch,
      excluded: input.excluded,
    });
  }

  get counts(): LoaderCounts {
    return this.#filler.counts;
  }

  /** What is read: label, codec and id of each space that was asked for. */
  get spaces(): readonly { readonly label: string; readonly id: SpaceId }[] {
    return this.#input.spaces.map(({ descriptor }) => ({
      label: codedLabel(descriptor),
      id: spaceIdOf(descriptor),
    }));
  }

  /** Bytes of batch buffers: of one, of all that the loader holds, the most that it held at once. Kept batches are the caller's. */
  get memory(): { readonly batchBytes: number; readonly heldBytes: number; readonly mostHeldBytes: number } {
    const { sizeBytes, heldBytes, mostHeldBytes } = this.#pool;
    return { batchBytes: sizeBytes, heldBytes, mostHeldBytes };
  }

  get batchesPerEpoch(): number {
    return this.#input.order.batchesPerEpoch;
  }

  /** Threads alive: 0 before the first batch and after {@link close}. */
  get threads(): number {
    return this.#jobs.threads;
  }

  /** Where the consumer stands: the batch it holds counts as seen. */
  state(): LoaderState {
    return stateAt(this.#step, this.#input.binding);
  }

  /** The rest of the current epoch; the next epoch when the last one ended. */
  [Symbol.asyncIterator](): AsyncGenerator<Batch<Label, As, Pixels>, void, undefined> {
    const epoch = Math.floor(this.#step / this.batchesPerEpoch);
    return this.batches(this.#step, (epoch + 1) * this.batchesPerEpoch);
  }

  /**
   * Global batches `from` to `to` (exclusive).
   * @throws StillhouseError by policy, when the batch with the bad row is due; environment when a thread could not start or has
   * ended, at the next batch or at the latest behind the last one; usage when another iteration is under way, or the loader was
   * closed; what {@link holdCatalogue} throws when the first iteration begins.
   */
  async *batches(
    from: number = this.#step,
    to = Infinity,
  ): AsyncGenerator<Batch<Label, As, Pixels>, void, undefined> {
    if (this.#closed) throw closedLoader();
    if (this.#iterating) throw twoIterations();
    this.#iterating = true;
    const ahead: Promise<Filled<Batch<Label, As, Pixels>>>[] = [];
    let next = from;
    const fillAhead = (): void => {
      // one buffer is in the consumer's hands
      while (next < to && ahead.length < this.#pool.limit - 1) ahead.push(this.#start(next++));
      this.#prefetchUpTo(next, to);
    };
    try {
      await this.#hold();
      for (let step = from; step < to && !this.isClosed(); step++) {
        fillAhead();
        const filled = await ahead.shift()!;
        fillAhead();
        this.#step = step + 1;
        this.counts.batches += 1;
        try {
          yield filled.batch;
        } finally {
          filled.over = true;
          if (!filled.kept) this.#pool.give(filled.buffer);
        }
      }
      if (!this.isClosed()) await this.#jobs.started();
    } finally {
      this.#iterating = false;
      for (const outcome of await Promise.allSettled(ahead))
        if (outcome.status === 'fulfilled') this.#pool.give(outcome.value.buffer);
    }
  }

  /** The same as a Web stream, which asks for a batch only when it is read: a batch is valid until the next read. */
  stream(from?: number, to?: number): ReadableStream<Batch<Label, As, Pixels>> {
    return ReadableStream.from(this.batches(from, to));
  }

  isClosed(): boolean {
    return this.#closed;
  }

  /** Waits for reads under way, ends the threads and closes the files. An iteration that goes on afterwards just ends. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#filling);
    try {
      await this.#jobs.close();
      await this.#fetch.close();
    } finally {
      await (await this.#lease)?.release();
    }
  }

  /** Once; a failure is forgotten, so that the next iteration tries again. */
  async #hold(): Promise<void> {
    const lease = (this.#lease ??= this.#input.hold());
    try {
      await lease;
    } catch (error) {
      this.#lease = null;
      throw error;
    }
  }

  #prefetchUpTo(next: number, to: number): void {
    if (!this.#input.fs.isRemote) return;
    const end = Math.min(to, next + PREFETCH_BATCHES);
    for (let step = Math.max(next, this.#prefetched); step < end; step++) this.#filler.prefetch(step);
    this.#prefetched = Math.max(this.#prefetched, end);
  }

  #start(step: number): Promise<Filled<Batch<Label, As, Pixels>>> {
    const filling = this.#fill(step);
    this.#filling.add(filling);
    const done = (): void => void this.#filling.delete(filling);
    // a failure is thrown when its batch is due
    filling.then(done, done);
    return filling;
  }

  async #fill(step: number): Promise<Filled<Batch<Label, As, Pixels>>> {
    const buffer = await this.#pool.take();
    try {
      const batch = await this.#filler.fill(buffer, step);
      const filled = { buffer, kept: false, over: false };
      const keep = (): void => {
        if (filled.kept) return;
        if (filled.over) throw keptTooLate(step);
        filled.kept = true;
        this.#pool.forget();
      };
      // what was asked for decides what is there; the compiler cannot follow a loop over labels
      return Object.assign(filled, { batch: { ...batch, keep } as unknown as Batch<Label, As, Pixels> });
    } catch (error) {
      this.#pool.give(buffer);
      throw error;
    }
  }
}

function closedLoader(): StillhouseError {
  return new StillhouseError({
    kind: 'usage',
    what: 'a loader that was closed serves nothing any more',
    next: 'open another one; `state` goes on where this one stood',
  });
}

function keptTooLate(step: number): StillhouseError {
  return new StillhouseError({
    kind: 'usage',
    what: 'a batch is kept after the next one was asked for: its values may be others already',
    where: `batch ${step}`,
    next: 'call keep() while the batch is the newest',
  });
}

function twoIterations(): StillhouseError {
  return new StillhouseError({
    kind: 'usage',
    what: 'a loader serves one iteration at a time',
    next: 'end the first (break, or return()), or open a second loader',
  });
}
