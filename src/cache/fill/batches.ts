/**
 * The batches of one teacher at one size: pooled shared memory that render threads fill and the engine empties. Rows come in the
 * order of the plan and a batch may span units, so only the very last one is short.
 */
import type { OpenUnit } from './open-unit.ts';
import { Window } from './window.ts';

/** Row of a batch: which target of which unit it becomes. */
export interface BatchRow {
  readonly unit: OpenUnit;
  /** Position among the rows that the unit lacks of this group; null for a row whose answer nobody wants. */
  readonly position: number | null;
}

export interface Slot {
  readonly batch: Batch;
  /** Index of the slot's first value in the batch. */
  readonly offset: number;
}

export interface Batch {
  readonly memory: SharedArrayBuffer;
  readonly rows: BatchRow[];
  /** Slots whose values are there. */
  filled: number;
  /** No more rows are taken in. */
  closed: boolean;
}

export interface BatchesOptions {
  /** Rows of a full batch. */
  readonly rows: number;
  /** float32 values of a row. */
  readonly values: number;
  /** Batches that exist at the same time; who needs one more waits. */
  readonly buffers: number;
  /** Called once per batch, when it is closed and every slot is filled. */
  readonly onReady: (batch: Batch) => void;
}

export class Batches {
  readonly #options: BatchesOptions;
  readonly #window: Window;
  readonly #free: SharedArrayBuffer[] = [];
  #open: Batch | null = null;

  constructor(options: BatchesOptions) {
    this.#options = options;
    this.#window = new Window(options.buffers);
  }

  /** Whether {@link take} would not wait. */
  hasRoom(): boolean {
    return this.#open !== null || this.#window.hasRoom(1);
  }

  /** The next slot. Waits while all buffers hold batches that the engine has not emptied. */
  async take(row: BatchRow): Promise<Slot> {
    if (this.#open === null) {
      await this.#window.take(1);
      const { rows, values } = this.#options;
      const memory =
        this.#free.pop() ?? new SharedArrayBuffer(rows * values * Float32Array.BYTES_PER_ELEMENT);
      this.#open = { memory, rows: [], filled: 0, closed: false };
    }
    const batch = this.#open;
    const offset = batch.rows.length * this.#options.values;
    batch.rows.push(row);
    if (batch.rows.length === this.#options.rows) this.flush();
    return { batch, offset };
  }

  /** Closes a batch that is not full yet. */
  flush(): void {
    const batch = this.#open;
    if (batch === null) return;
    this.#open = null;
    batch.closed = true;
    this.#readyIfFilled(batch);
  }

  /** A slot of the batch has its values. */
  filled(batch: Batch): void {
    batch.filled += 1;
    this.#readyIfFilled(batch);
  }

  /** The engine is done with the batch: its memory serves the next. */
  release(batch: Batch): void {
    this.#free.push(batch.memory);
    this.#window.give(1);
  }

  /** Whoever waits for a batch is refused with the reason. */
  close(reason: unknown): void {
    this.#window.close(reason);
  }

  #readyIfFilled(batch: Batch): void {
    if (batch.closed && batch.filled === batch.rows.length) this.#options.onReady(batch);
  }
}
