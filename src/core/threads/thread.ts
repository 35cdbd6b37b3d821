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
    this.#worker = startWorker(entry, { workerData: data, name });
    this.#worker.on('message', (reply: ThreadReply) => this.#settle(reply));
    this.#worker.on('messageerror', (error) => this.#die(crashed(name, error)));
    this.#worker.on('error', (error) => this.#die(crashed(name, error)));
    this.#worker.on('exit', (code) => this.#die(ended(name, `exit code ${code}`)));
    this.#unrefIdle();
  }

  /** Why it ended, by itself or by {@link close}: then no call reaches it. Null while it lives. */
  get deathOf(): Error | null {
    return this.#dead;
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
      try {
        this.#worker.postMessage({ id, method, arg } satisfies ThreadCall, [...transfer]);
      } catch (error) {
        // what cannot be cloned never reaches the thread: nobody will answer
        this.#waiting.delete(id);
        this.#unrefIdle();
        throw error;
      }
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

/** @throws StillhouseError environment when the system gives no thread. */
function startWorker(entry: URL, options: { readonly workerData: unknown; readonly name: string }): Worker {
  try {
    return new Worker(entry, options);
  } catch (error) {
    // what cannot be cloned is a defect of the caller
    if (systemCodeOf(error) !== 'ERR_WORKER_INIT_FAILED') throw error;
    throw ended(options.name, 'the system gave it no thread', error);
  }
}

/** By an exception that no handler caught: in its imports, in a native module, or in code that nobody waits for. */
function crashed(name: string, error: Error): StillhouseError {
  if (systemCodeOf(error) === 'ERR_WORKER_OUT_OF_MEMORY') return ended(name, 'it ran out of memory', error);
  if (systemCodeOf(error) === 'ERR_WORKER_INIT_FAILED')
    return ended(name, 'the system gave it no thread', error);
  const frame = /^\s+at (.*)$/m.exec(error.stack ?? '')?.[1];
  return ended(name, `${error.name}: ${error.message}${frame === undefined ? '' : `, at ${frame}`}`, error);
}

function ended(name: string, got: string, cause?: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'environment',
      what: 'a thread ended before its work was done',
      where: name,
      got,
      next:
        'run the same command again: it goes on from what is committed; when memory is short, with fewer --workers; ' +
        'when it ends the same way again, please report it',
    },
    cause,
  );
}
