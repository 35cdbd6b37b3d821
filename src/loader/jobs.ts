/** The jobs of a loader, executed by worker threads, or in the caller's thread when there are none. */
import { StillhouseError, isStillhouseError } from '../core/failure.ts';
import { compiledEntry } from '../core/threads/compiled-entry.ts';
import { Thread } from '../core/threads/thread.ts';
import { type JobWork, openJobWork } from './job-work.ts';
import type { JobProtocol, JobSetup } from './job-protocol.ts';
import type { RowJob } from './row-job.ts';

/** Nothing to read: its answer says that a thread is ready. */
const NO_ROWS: RowJob = {
  buffer: new SharedArrayBuffer(0),
  memory: null,
  bufferId: -1,
  scratchAt: -1,
  runs: new Float64Array(0),
  rows: new Float64Array(0),
};

export class Jobs {
  readonly #limit: number;
  readonly #setup: Omit<JobSetup, 'thread'>;
  readonly #threads: Thread<JobProtocol>[] = [];
  readonly #idle: Thread<JobProtocol>[] = [];
  readonly #waiting: { resolve: (thread: Thread<JobProtocol>) => void; reject: (error: unknown) => void }[] =
    [];
  readonly #starting: Promise<void>[] = [];
  #inline: Promise<JobWork> | null = null;
  /** Threads that have answered once. */
  #ready = 0;
  /** Of the first thread that could not start. */
  #failure: Error | null = null;
  #closed = false;

  /** @param workers threads; started when there is work for them. 0: jobs run in the caller's thread. */
  constructor(workers: number, setup: Omit<JobSetup, 'thread'>) {
    this.#limit = workers;
    this.#setup = setup;
  }

  /** Threads started and not ended. */
  get threads(): number {
    return this.#threads.length;
  }

  /**
   * Rejects only with a defect, or when a thread has ended, and from then on always: what a job could not read is part of its
   * result. Rows are read in the caller's thread until one of its own has started, which takes longer than reading a batch.
   */
  async run<K extends keyof JobProtocol>(
    kind: K,
    job: JobProtocol[K]['arg'],
  ): Promise<JobProtocol[K]['result']> {
    if (this.#closed) throw new Error('internal: a job for a loader that was closed');
    this.#start();
    this.#assertAlive();
    if (this.#limit === 0 || (kind === 'rows' && this.#ready === 0))
      return (await (this.#inline ??= openJobWork({ ...this.#setup, thread: 0 })))[kind](job);
    const thread = this.#idle.pop() ?? (await this.#nextIdle());
    try {
      return await thread.call(kind, job);
    } finally {
      this.#free(thread);
    }
  }

  /**
   * Waits for threads that are still starting.
   * @throws StillhouseError environment when one could not, or has ended since: rows that were read meanwhile in the caller's
   * thread must not hide that.
   */
  async started(): Promise<void> {
    await Promise.all(this.#starting);
    this.#assertAlive();
  }

  /** One thread that ended takes the whole loader with it: the others would do so for the same reason, or be slow in silence. */
  #assertAlive(): void {
    const failure =
      this.#failure ?? this.#threads.map(({ deathOf }) => deathOf).find((reason) => reason !== null);
    if (failure) throw failure;
  }

  #start(): void {
    while (this.#threads.length < this.#limit) {
      const thread = new Thread<JobProtocol>({
        entry: compiledEntry('./loader-thread.ts', import.meta.url),
        name: `loader thread ${this.#threads.length + 1}`,
        data: { ...this.#setup, thread: this.#threads.length + 1 } satisfies JobSetup,
        keepsProcess: false,
      });
      this.#threads.push(thread);
      this.#starting.push(
        thread.call('rows', NO_ROWS).then(
          () => {
            this.#ready += 1;
            this.#free(thread);
          },
          (error: unknown) => {
            this.#failure ??= notStarted(thread.name, error);
            for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
          },
        ),
      );
    }
  }

  #nextIdle(): Promise<Thread<JobProtocol>> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #free(thread: Thread<JobProtocol>): void {
    const next = this.#waiting.shift();
    if (next) next.resolve(thread);
    else this.#idle.push(thread);
  }

  /** Ends the threads. Jobs under way reject. */
  async close(): Promise<void> {
    this.#closed = true;
    // Node leaves files open that a thread was importing when it was ended (seen with 20.20)
    await Promise.all(this.#starting);
    await Promise.all(this.#threads.splice(0).map((thread) => thread.close()));
  }
}

/** What a thread answers whose codecs or decoder cannot be loaded; how one that died says it already. */
function notStarted(name: string, error: unknown): StillhouseError {
  if (isStillhouseError(error)) return error;
  return new StillhouseError(
    {
      kind: 'environment',
      what: 'a thread could not start',
      where: name,
      got: error instanceof Error ? error.message : String(error),
      next: 'install stillhouse again (`npm ci`): a module that it needs cannot be loaded; `workers: 0` does the work without threads',
    },
    error,
  );
}
