/** Batch buffers, made once and used again; how many there are bounds the bytes in flight. */

export class BufferPool {
  readonly sizeBytes: number;
  readonly limit: number;
  #free: SharedArrayBuffer[] = [];
  #made = 0;
  #waiting: ((buffer: SharedArrayBuffer) => void)[] = [];
  /** Buffers made so far, those that were taken out included. */
  allocations = 0;

  /** @param limit buffers in use at once. */
  constructor(sizeBytes: number, limit: number) {
    this.sizeBytes = sizeBytes;
    this.limit = limit;
  }

  /** Shared, so that threads fill it in place; memory of that size is page aligned. Waits while all are in use. */
  take(): Promise<SharedArrayBuffer> | SharedArrayBuffer {
    const free = this.#free.pop();
    if (free) return free;
    if (this.#made < this.limit) {
      this.#made += 1;
      this.allocations += 1;
      return new SharedArrayBuffer(this.sizeBytes);
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(buffer: SharedArrayBuffer): void {
    const next = this.#waiting.shift();
    if (next) next(buffer);
    else this.#free.push(buffer);
  }

  /** The buffer now belongs to somebody else; another one may be made in its place. */
  forget(): void {
    this.#made -= 1;
    if (this.#waiting.length > 0 && this.#made < this.limit) {
      this.#made += 1;
      this.allocations += 1;
      this.#waiting.shift()!(new SharedArrayBuffer(this.sizeBytes));
    }
  }
}
