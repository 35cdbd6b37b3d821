/** The jobs of a loader, executed by worker threads, or in the caller's thread when there are none. */
import { compiledEntry } from '../core/threads/compiled-entry.ts';
import { Thread } from '../core/threads/thread.ts';
import { type RowCoding, openRowDecoder } from './row-decoder.ts';
import { type RowJob, RowReader, type RowResult } from './row-job.ts';

export interface JobProtocol {
  readonly rows: { readonly arg: RowJob; readonly result: RowResult };
}

/** What a thread is told of a space when it starts. */
export interface SpaceCoding extends RowCoding {
  readonly storedBytes: number;
  readonly rowBytes: number;
}

export function openRowReader(spaces: readonly SpaceCoding[]): RowReader {
  return new RowReader(
    spaces.map(({ storedBytes, rowBytes, ...coding }) => ({
      storedBytes,
      rowBytes,
      decoder: openRowDecoder(coding),
    })),
  );
}

export class Jobs {
  readonly #limit: number;
  readonly #spaces: readonly SpaceCoding[];
  readonly #threads: Thread<JobProtocol>[] = [];
  readonly #idle: Thread<JobProtocol>[] = [];
  readonly #waiting: ((thread: Thread<JobProtocol>) => void)[] = [];
  #inline: RowReader | null = null;
  #closed = false;

  /** @param workers threads; started when there is work for them. 0: jobs run in the caller's thread. */
  constructor(workers: number, spaces: readonly SpaceCoding[]) {
    this.#limit = workers;
    this.#spaces = spaces;
  }

  /** Threads started and not ended. */
  get threads(): number {
    return this.#threads.length;
  }

  /** Rejects only with a defect, or when the thread ends: what a job could not read is part of its result. */
  async run(job: RowJob): Promise<RowResult> {
    if (this.#closed) throw new Error('internal: a job for a loader that was closed');
    if (this.#limit === 0) return (this.#inline ??= openRowReader(this.#spaces)).run(job);
    const thread = await this.#take();
    try {
      return await thread.call('rows', job);
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
        data: this.#spaces,
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
