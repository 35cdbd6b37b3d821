/** Batch buffers, made once and used again; how many there are bounds the bytes in flight. */
import { type SharedMemory, sharedMemory } from '../core/wasm/kernels.ts';

export interface BatchBuffer {
  readonly buffer: SharedArrayBuffer;
  /** The same bytes for kernels; null where none are wanted, or the system has no address space for them. */
  readonly memory: SharedMemory | null;
  /** No other buffer of this process has it. */
  readonly id: number;
}

let made = 0;

export class BufferPool {
  readonly sizeBytes: number;
  readonly limit: number;
  readonly #forKernels: boolean;
  #free: BatchBuffer[] = [];
  #made = 0;
  #waiting: ((buffer: BatchBuffer) => void)[] = [];
  /** Most buffers that were held at once; those that were taken out belong to somebody else. */
  #most = 0;

  /** @param limit buffers in use at once. */
  constructor(
    sizeBytes: number,
    { limit, forKernels }: { readonly limit: number; readonly forKernels: boolean },
  ) {
    this.sizeBytes = sizeBytes;
    this.limit = limit;
    this.#forKernels = forKernels;
  }

  /** Of all buffers, in use or free: now, and at most so far. */
  get heldBytes(): number {
    return this.#made * this.sizeBytes;
  }
  get mostHeldBytes(): number {
    return this.#most * this.sizeBytes;
  }

  /** Shared, so that threads fill it in place; memory of that size is page aligned. Waits while all are in use. */
  take(): Promise<BatchBuffer> | BatchBuffer {
    const free = this.#free.pop();
    if (free) return free;
    if (this.#made < this.limit) return this.#make();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(buffer: BatchBuffer): void {
    const next = this.#waiting.shift();
    if (next) next(buffer);
    else this.#free.push(buffer);
  }

  /** The buffer now belongs to somebody else; another one may be made in its place. */
  forget(): void {
    this.#made -= 1;
    if (this.#waiting.length > 0 && this.#made < this.limit) this.#waiting.shift()!(this.#make());
  }

  #make(): BatchBuffer {
    const memory = this.#forKernels ? sharedMemory(this.sizeBytes) : null;
    const buffer = memory?.buffer ?? new SharedArrayBuffer(this.sizeBytes);
    this.#made += 1;
    this.#most = Math.max(this.#most, this.#made);
    return { buffer, memory, id: made++ };
  }
}
