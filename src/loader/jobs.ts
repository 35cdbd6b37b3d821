/** The jobs of a loader, executed by worker threads, or in the caller's thread when there are none. */
import { compiledEntry } from '../core/threads/compiled-entry.ts';
import { Thread } from '../core/threads/thread.ts';
import { type JobWork, openJobWork } from './job-work.ts';
import type { JobProtocol, JobSetup } from './job-protocol.ts';
import type { RowJob } from './row-job.ts';

/** Nothing to read: its answer says that a thread is ready. */
const NO_ROWS: RowJob = {
  buffer: new SharedArrayBuffer(0),
  runs: new Float64Array(0),
  rows: new Float64Array(0),
};

export class Jobs {
  readonly #limit: number;
  readonly #setup: JobSetup;
  readonly #threads: Thread<JobProtocol>[] = [];
  readonly #idle: Thread<JobProtocol>[] = [];
  readonly #waiting: { resolve: (thread: Thread<JobProtocol>) => void; reject: (error: unknown) => void }[] =
    [];
  readonly #starting: Promise<void>[] = [];
  #inline: Promise<JobWork> | null = null;
  /** Threads that have answered once. */
  #ready = 0;
  #closed = false;

  /** @param workers threads; started when there is work for them. 0: jobs run in the caller's thread. */
  constructor(workers: number, setup: JobSetup) {
    this.#limit = workers;
    this.#setup = setup;
  }

  /** Threads started and not ended. */
  get threads(): number {
    return this.#threads.length;
  }

  /**
   * Rejects only with a defect, or when the thread ends: what a job could not read is part of its result. Rows are read in the
   * caller's thread until one of its own has started, which takes longer than reading a batch.
   */
  async run<K extends keyof JobProtocol>(
    kind: K,
    job: JobProtocol[K]['arg'],
  ): Promise<JobProtocol[K]['result']> {
    if (this.#closed) throw new Error('internal: a job for a loader that was closed');
    this.#start();
    if (this.#limit === 0 || (kind === 'rows' && this.#ready === 0))
      return (await (this.#inline ??= openJobWork(this.#setup)))[kind](job);
    const thread = this.#idle.pop() ?? (await this.#nextIdle());
    try {
      return await thread.call(kind, job);
    } finally {
      this.#free(thread);
    }
  }

  #start(): void {
    while (this.#threads.length < this.#limit) {
      const thread = new Thread<JobProtocol>({
        entry: compiledEntry('./loader-thread.ts', import.meta.url),
        name: `loader thread ${this.#threads.length + 1}`,
        data: this.#setup,
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
            for (const { reject } of this.#waiting.splice(0)) reject(error);
          },
        ),
      );
    }
  }

  #nextIdle(): Promise<Thread<JobProtocol>> {
    const dead = this.#threads.find(({ isDead }) => isDead);
    // a thread that failed to start takes the whole loader with it: the others would do so for the same reason
    if (dead !== undefined && this.#ready === 0) return dead.call('rows', NO_ROWS).then(() => dead);
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
