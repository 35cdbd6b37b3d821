/**
 * A worker thread that answers calls. The caller's side: every call settles, also when the thread dies, and a closed thread is
 * gone when `close` resolves.
 */
import { type Transferable, Worker } from 'node:worker_threads';
import { StillhouseError, systemCodeOf } from '../failure.ts';
import { type ThreadError, fromThreadError } from './thread-error.ts';

/** What a thread answers: by method, the argument and the result. All of it is cloned or transferred. */
export type Protocol<P> = { readonly [K in keyof P]: { readonly arg: unknown; readonly result: unknown } };

/** From the caller to the thread. */
export interface ThreadCall {
  readonly id: number;
  readonly method: string;
  readonly arg: unknown;
}

/** From the thread to the caller. */
export type ThreadReply =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly error: ThreadError };

export interface ThreadOptions {
  readonly entry: URL;
  /** What people call it in a message: `decode thread 2`. */
  readonly name: string;
  /** Cloned to the thread before its first call. */
  readonly data: unknown;
  /** Whether the process stays alive for it while it has nothing to answer. Default true. */
  readonly keepsProcess?: boolean;
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Thread<P extends Protocol<P>> {
  readonly name: string;
  readonly #worker: Worker;
  readonly #keepsProcess: boolean;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;
  #dead: Error | null = null;
  #closing: Promise<void> | null = null;

  constructor({ entry, name, data, keepsProcess = true }: ThreadOptions) {
    this.name = name;
    this.#keepsProcess = keepsProcess;
    this.#worker = new Worker(entry, { workerData: data, name });
    this.#worker.on('message', (reply: ThreadReply) => this.#settle(reply));
    this.#worker.on('messageerror', (error) => this.#die(error));
    this.#worker.on('error', (error) => this.#die(crashed(name, error)));
    this.#worker.on('exit', (code) => this.#die(ended(name, `exit code ${code}`)));
    this.#unrefIdle();
  }

  /** Whether it ended, by itself or by {@link close}: then no call reaches it. */
  get isDead(): boolean {
    return this.#dead !== null;
  }

  /**
   * @param transfer buffers of `arg` that the thread takes over
   * @returns what the thread answered; rejects with the error it threw, or that says that it ended before it could answer.
   */
  call<K extends keyof P & string>(
    method: K,
    arg: P[K]['arg'],
    transfer: readonly Transferable[] = [],
  ): Promise<P[K]['result']> {
    if (this.#dead !== null) return Promise.reject(this.#dead);
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage({ id, method, arg } satisfies ThreadCall, [...transfer]);
    });
  }

  /** Ends the thread. Calls that it has not answered reject. Resolves when it is gone; never rejects. */
  close(): Promise<void> {
    this.#die(ended(this.name, 'it was closed'));
    this.#closing ??= this.#worker.terminate().then(() => undefined);
    return this.#closing;
  }

  #settle(reply: ThreadReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    this.#unrefIdle();
    if (reply.ok) waiting?.resolve(reply.result);
    else waiting?.reject(fromThreadError(reply.error));
  }

  #unrefIdle(): void {
    if (!this.#keepsProcess && this.#waiting.size === 0) this.#worker.unref();
  }

  #die(error: Error): void {
    this.#dead ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#dead);
    this.#waiting.clear();
  }
}

/** An exception that no handler caught is a defect, unless the thread was out of memory. */
function crashed(name: string, error: Error): Error {
  if (systemCodeOf(error) === 'ERR_WORKER_OUT_OF_MEMORY') return ended(name, 'it ran out of memory', error);
  return new Error(`internal: the ${name} crashed: ${error.message}`, { cause: error });
}

function ended(name: string, got: string, cause?: Error): StillhouseError {
  return new StillhouseError(
    {
      kind: 'environment',
      what: 'a thread ended before its work was done',
      where: name,
      got,
      next: 'run the same command again: it goes on from what is committed; when memory is short, with fewer --workers',
    },
    cause,
  );
}
