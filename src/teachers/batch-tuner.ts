/**
 * Finds how many rows per engine call are best, on real work, so that nothing is computed twice: the size doubles while calls get
 * faster per row and memory stays below the limit, and halves when the engine runs out of memory. A row's result does not depend
 * on the size (test/support/teacher-contract.ts), so neither does what is cached.
 */

export interface BatchTunerOptions {
  /** Never fewer; as `most` for a graph that fixes its batch. Default 1. */
  readonly least?: number;
  readonly first: number;
  /** Never more; `first` when the size is given. */
  readonly most: number;
  /** Of the whole process. */
  readonly memoryLimitBytes: number;
}

export interface CallRecord {
  readonly rows: number;
  readonly elapsedMs: number;
  /** Resident memory of the process after the call. */
  readonly residentBytes: number;
}

/** The first call at a size also allocates; the best of these counts. */
const CALLS_PER_SIZE = 2;
/** A larger batch must be this much faster per row. */
const WORTHWHILE = 0.97;

export class BatchTuner {
  readonly #least: number;
  readonly #most: number;
  readonly #limitBytes: number;
  #size: number;
  #settled: boolean;
  #calls = 0;
  #msPerRow = Infinity;
  #residentBytes = 0;
  /** Of the size before this one, the best so far. */
  #before: { readonly size: number; readonly msPerRow: number; readonly residentBytes: number } | null = null;

  constructor({ least = 1, first, most, memoryLimitBytes }: BatchTunerOptions) {
    this.#least = least;
    this.#most = most;
    this.#limitBytes = memoryLimitBytes;
    this.#size = first;
    this.#settled = first >= most;
  }

  /** Rows of the next call. */
  get size(): number {
    return this.#size;
  }

  /** Tells what a call cost. Calls of fewer rows than the size tell nothing. */
  record({ rows, elapsedMs, residentBytes }: CallRecord): void {
    if (this.#settled || rows < this.#size) return;
    this.#calls += 1;
    this.#msPerRow = Math.min(this.#msPerRow, elapsedMs / rows);
    this.#residentBytes = residentBytes;
    if (this.#calls >= CALLS_PER_SIZE) this.#decide();
  }

  /** After the engine ran out of memory; the size does not grow again. False when it cannot be smaller. */
  halve(): boolean {
    if (this.#size <= this.#least) return false;
    this.settle(Math.max(this.#least, Math.floor(this.#size / 2)));
    return true;
  }

  /** Keeps to a size from now on. */
  settle(size: number): void {
    this.#size = size;
    this.#settled = true;
  }

  #decide(): void {
    const before = this.#before;
    if (before !== null && this.#msPerRow > before.msPerRow * WORTHWHILE) {
      this.settle(before.size);
      return;
    }
    const next = this.#size * 2;
    // what doubling cost last time, doubled, is what it will cost now
    const growth = before === null ? 0 : 2 * Math.max(0, this.#residentBytes - before.residentBytes);
    if (next > this.#most || this.#residentBytes + growth > this.#limitBytes) {
      this.settle(this.#size);
      return;
    }
    this.#before = { size: this.#size, msPerRow: this.#msPerRow, residentBytes: this.#residentBytes };
    this.#size = next;
    this.#calls = 0;
    this.#msPerRow = Infinity;
  }
}
