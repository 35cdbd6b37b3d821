/** A place where teachers run. An engine's call blocks the thread it is made from, so each host has one of its own. */
import type { HashedFile } from '../core/file-digests.ts';
import { compiledEntry } from '../core/threads/compiled-entry.ts';
import { Thread } from '../core/threads/thread.ts';
import { HeldWeights } from './out-of-memory.ts';
import { openTeacher } from './open-teacher.ts';
import type { LoadedTeacher } from './registry.ts';
import type { TapShape, TeacherAnswer, TeacherSession } from './teacher.ts';

export interface HostSpec {
  readonly device: string;
  /** Threads that one call is spread over; 0: all cores. */
  readonly threads: number;
  /** Of the whole process. */
  readonly memoryLimitBytes: number;
}

export interface OpenRequest {
  readonly teacher: LoadedTeacher;
  readonly sizePx: number;
  /** Rows per engine call, at most; `auto` finds the best. */
  readonly batch: number | 'auto';
}

/** A teacher that a host has opened. */
export interface HostedTeacher {
  readonly id: number;
  readonly batch: number;
  readonly inputValues: number;
  readonly summary: TapShape | null;
  readonly spatial: TapShape | null;
}

export interface EngineHost {
  /** Calls that are worth having in its line: more would wait elsewhere just as well. */
  readonly depth: number;
  /** Errors as {@link openTeacher}. */
  open(request: OpenRequest): Promise<HostedTeacher>;
  /** Errors as {@link TeacherSession.run}. */
  run(id: number, pixels: Float32Array, rows: number): Promise<TeacherAnswer>;
  /** Calls that have not begun reject, now and later; the one in work comes to its end. */
  stop(): void;
  /** Stops, and settles when nothing runs any more and all is released. Rejects with the first error of a release. */
  close(): Promise<void>;
}

/**
 * Runs teachers in the caller's thread: for tests, for programs that run from source, and as what a thread does inside.
 * @param stop [1] int32, not 0 once the host is stopped; shared when another thread stops it
 */
export function inlineHost(spec: HostSpec, stop: Int32Array = new Int32Array(1)): EngineHost {
  const sessions: TeacherSession[] = [];
  const heldWeights = new HeldWeights(spec.memoryLimitBytes);
  let last: Promise<unknown> = Promise.resolve();
  /** One piece of work after the other: what is released has no call in work. */
  const inLine = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };
  const stopped = (): boolean => Atomics.load(stop, 0) !== 0;
  const unlessStopped = <T>(work: () => Promise<T>): Promise<T> =>
    inLine(() => {
      if (stopped()) throw new Error('internal: the engine was stopped');
      return work();
    });
  return {
    depth: 1,
    open: ({ teacher, sizePx, batch }) =>
      unlessStopped(async () => {
        const session = await openTeacher(teacher, { sizePx, batch }, { ...spec, heldWeights, stopped });
        const { inputValues, summary, spatial } = session;
        return { id: sessions.push(session) - 1, batch: session.batch, inputValues, summary, spatial };
      }),
    run: (id, pixels, rows) => unlessStopped(() => sessions[id]!.run(pixels, rows)),
    stop: () => void Atomics.store(stop, 0, 1),
    close: () => {
      Atomics.store(stop, 0, 1);
      return inLine(() => allReleased(sessions.splice(0).map((session) => session.close())));
    },
  };
}

/** A request as plain data: classes do not cross threads. */
export interface SentRequest extends Omit<OpenRequest, 'teacher'> {
  readonly teacher: Omit<LoadedTeacher, 'digests'>;
  /** Files that need not be hashed again. */
  readonly hashed: readonly HashedFile[];
}

/** What an engine thread answers. Pixels are shared memory and answers change hands: neither is copied between threads. */
export interface EngineProtocol {
  readonly open: { readonly arg: SentRequest; readonly result: HostedTeacher };
  readonly run: {
    readonly arg: { readonly id: number; readonly pixels: Float32Array; readonly rows: number };
    readonly result: TeacherAnswer;
  };
  readonly close: { readonly arg: null; readonly result: null };
}

/** What an engine thread is started with. */
export interface EngineThreadData {
  readonly spec: HostSpec;
  /** [1] int32: not 0 once the host is stopped. */
  readonly stop: SharedArrayBuffer;
}

export function threadHost(spec: HostSpec): EngineHost {
  const stop = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const stopped = new Int32Array(stop);
  const thread = new Thread<EngineProtocol>({
    entry: compiledEntry('./engine-thread.ts', import.meta.url),
    name: `engine thread (${spec.device})`,
    data: { spec, stop } satisfies EngineThreadData,
  });
  return {
    // one in work and one to go on with, whatever the caller's thread is busy with
    depth: 2,
    open: async ({ teacher: { digests, ...teacher }, ...request }) =>
      thread.call('open', { ...request, teacher, hashed: await digests.files() }),
    run: (id, pixels, rows) => thread.call('run', { id, pixels, rows }),
    stop: () => void Atomics.store(stopped, 0, 1),
    close: async () => {
      Atomics.store(stopped, 0, 1);
      try {
        // sessions are released by their own thread before it ends
        await thread.call('close', null);
      } catch (error) {
        // a thread that is dead has none
        if (thread.deathOf === null) throw error;
      } finally {
        await thread.close();
      }
    },
  };
}

/** Waits for all of them, also when some fail. @throws the first failure */
export async function allReleased(releases: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(releases)).find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}
