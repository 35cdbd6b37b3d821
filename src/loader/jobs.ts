/** The jobs of a loader, executed by worker threads, or in the caller's thread when there are none. */
import { compiledEntry } from '../core/threads/compiled-entry.ts';
import { Thread } from '../core/threads/thread.ts';
import { type JobWork, openJobWork } from './job-work.ts';
import type { JobProtocol, JobSetup } from './job-protocol.ts';

export class Jobs {
  readonly #limit: number;
  readonly #setup: JobSetup;
  readonly #threads: Thread<JobProtocol>[] = [];
  readonly #idle: Thread<JobProtocol>[] = [];
  readonly #waiting: ((thread: Thread<JobProtocol>) => void)[] = [];
  #inline: Promise<JobWork> | null = null;
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

  /** Rejects only with a defect, or when the thread ends: what a job could not read is part of its result. */
  async run<K extends keyof JobProtocol>(
    kind: K,
    job: JobProtocol[K]['arg'],
  ): Promise<JobProtocol[K]['result']> {
    if (this.#closed) throw new Error('internal: a job for a loader that was closed');
    if (this.#limit === 0) return (await (this.#inline ??= openJobWork(this.#setup)))[kind](job);
    const thread = await this.#take();
    try {
      return await thread.call(kind, job);
    } finally {
      const next = this.#waiting.shift();
      if (next) next(thread);
      else this.#idle.push(thread);
    }
  }

  #take(): Promise<Thread<JobProtocol>> | Thread<JobProtocol> {
    const idle = this.#idle.pop();
    if (idle) return idle;
    if (this.#threads.length < this.#limit) {
      const thread = new Thread<JobProtocol>({
        entry: compiledEntry('./loader-thread.ts', import.meta.url),
        name: `loader thread ${this.#threads.length + 1}`,
        data: this.#setup,
      });
      this.#threads.push(thread);
      return thread;
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Ends the threads. Jobs under way reject. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#threads.splice(0).map((thread) => thread.close()));
  }
}
