/** Several engines as one: every teacher is opened on each, and batches are dealt to the one that has least to do. */
import { type EngineHost, type OpenRequest, allReleased } from './engine-host.ts';
import type { TeacherAnswer, TeacherSession } from './teacher.ts';

/** A host with the calls that it has and has not answered. */
interface Engine {
  readonly host: EngineHost;
  calls: number;
}

interface Waiting {
  /** Of the teacher, by engine. */
  readonly ids: ReadonlyMap<Engine, number>;
  readonly pixels: Float32Array;
  readonly rows: number;
  readonly resolve: (answer: TeacherAnswer) => void;
  readonly reject: (error: unknown) => void;
}

export class EnginePool {
  readonly #engines: readonly Engine[];
  readonly #line: Waiting[] = [];
  #stopped = false;

  /** Takes over the hosts: {@link close} closes them. */
  constructor(hosts: readonly EngineHost[]) {
    this.#engines = hosts.map((host) => ({ host, calls: 0 }));
  }

  /**
   * The session's own `close` does nothing: its engines release it when the pool is closed.
   * @throws as `openTeacher`; then close the pool, since some of the engines may hold the teacher
   */
  async open(request: OpenRequest): Promise<TeacherSession> {
    const opened = await Promise.all(
      this.#engines.map(async (engine) => ({ engine, hosted: await engine.host.open(request) })),
    );
    const ids = new Map(opened.map(({ engine, hosted }) => [engine, hosted.id]));
    const { inputValues, summary, spatial } = opened[0]!.hosted;
    return {
      sizePx: request.sizePx,
      batch: Math.min(...opened.map(({ hosted }) => hosted.batch)),
      inputValues,
      lanes: this.#engines.length,
      summary,
      spatial,
      run: (pixels, rows) =>
        new Promise((resolve, reject) => {
          this.#line.push({ ids, pixels, rows, resolve, reject });
          this.#deal();
        }),
      close: () => Promise.resolve(),
    };
  }

  /** Calls that have not begun reject, now and later; those in work come to their end. */
  stop(): void {
    this.#stopped = true;
    for (const { host } of this.#engines) host.stop();
    this.#deal();
  }

  /** Stops, and settles when every engine has let go. Rejects with the first error of a release. */
  async close(): Promise<void> {
    this.stop();
    await allReleased(this.#engines.map(({ host }) => host.close()));
  }

  #deal(): void {
    for (let first = this.#line[0]; first; first = this.#line[0]) {
      if (this.#stopped) {
        this.#line.shift();
        first.reject(new Error('internal: the engines were stopped'));
        continue;
      }
      const free = this.#engines.filter(({ host, calls }) => calls < host.depth);
      if (free.length === 0) return;
      this.#line.shift();
      void this.#run(
        free.reduce((least, one) => (one.calls < least.calls ? one : least)),
        first,
      );
    }
  }

  /** Never rejects: its caller does not wait. */
  async #run(engine: Engine, { ids, pixels, rows, resolve, reject }: Waiting): Promise<void> {
    engine.calls += 1;
    try {
      resolve(await engine.host.run(ids.get(engine)!, pixels, rows));
    } catch (error) {
      reject(error);
    } finally {
      engine.calls -= 1;
      this.#deal();
    }
  }
}
