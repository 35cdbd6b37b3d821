/**
 * Computes what a plan says is missing, as a pipeline: render threads decode each image once and write every view at every size
 * into batches, the engine answers batch after batch, and behind it units are encoded and committed in the order of the plan.
 *
 * What is held at once is bounded: batches by their number, decoded images and answers in bytes. Whoever is ahead waits, so
 * memory does not grow with the number of images. Which thread does what changes nothing in the bytes that are written.
 */
import type { Clock } from '../core/clock.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { RenderPool, RenderTarget } from '../teachers/render-pool.ts';
import { type Batch, Batches, type Slot } from './fill/batches.ts';
import { type ImageJob, imageJobs, mostViews } from './fill/image-jobs.ts';
import { OpenUnit, type SpacePart, unitAnswerBytes, unitTargets } from './fill/open-unit.ts';
import type { GroupSession } from './fill/group-session.ts';
import type { FillUsage } from './fill/usage.ts';
import { Window } from './fill/window.ts';
import type { TargetCodec } from './codecs/target-codec.ts';
import type { CachePlan, SpaceGroup } from './plan.ts';
import { type SpaceDescriptor, spaceLabel } from './space.ts';
import type { CacheWriter } from './write.ts';

/** A group with what answers for it. */
export interface GroupEngine {
  readonly group: SpaceGroup;
  readonly session: GroupSession;
}

export interface FillOptions {
  readonly plan: CachePlan;
  readonly engines: readonly GroupEngine[];
  /** Its renderers are those of `engines`, in the same order. */
  readonly renderers: RenderPool;
  readonly writer: CacheWriter;
  /** Opened codecs; a space whose codec needs no statistics may be left out. */
  readonly codecs?: ReadonlyMap<SpaceDescriptor, TargetCodec>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Bounds decoded images in work, and answers that are not yet written, each. Default 512 MiB. */
  readonly windowBytes?: number;
  readonly onProgress: (done: number, total: number, usage: FillUsage) => void;
  /** Called once, at the first failure: engine calls that have not begun need not be. */
  readonly onFailure?: () => void;
}

export interface SpaceFill {
  written: number;
  failed: number;
}

/** A target that could not be made: recorded in its part, not tried again. */
export interface FailedTarget {
  readonly image: ImageRow;
  readonly label: string;
  readonly reason: string;
}

export interface FillResult {
  /** By space label. */
  readonly spaces: ReadonlyMap<string, SpaceFill>;
  readonly failed: readonly FailedTarget[];
  /** Images decoded; one per image and unit, however many teachers, views and sizes there are. */
  readonly decodes: number;
  readonly usage: FillUsage;
  /** Rows of the last engine call, by teacher and size, where the engine chose them. */
  readonly callRows: ReadonlyMap<string, number>;
}

/**
 * @throws the first failure of any part, or the signal's reason; then nothing is running any more, and complete units are
 * committed.
 */
export function fillCache(options: FillOptions): Promise<FillResult> {
  return new Fill(options).run();
}

const DEFAULT_WINDOW_BYTES = 512 << 20;
/** Jobs per render thread: one in work and one to go on with. */
const JOBS_PER_THREAD = 2;

class Fill {
  readonly #options: FillOptions;
  readonly #sessions: ReadonlyMap<SpaceGroup, GroupSession>;
  readonly #rendererOf: ReadonlyMap<SpaceGroup, number>;
  readonly #batches: ReadonlyMap<SpaceGroup, Batches>;
  readonly #jobs: Window;
  readonly #pixels: Window;
  readonly #answers: Window;
  readonly #running = new Set<Promise<void>>();
  readonly #uncommitted: OpenUnit[] = [];
  readonly #spaces = new Map<string, SpaceFill>();
  readonly #failed: FailedTarget[] = [];
  readonly #total: number;
  readonly #startedMs: number;
  readonly #spent = { decode: 0, engine: 0, write: 0, waitsForEngine: 0, waitsForWrite: 0 };
  readonly #callRows = new Map<string, number>();
  #done = 0;
  #decodes = 0;
  #committing = false;
  #failure: { readonly reason: unknown } | null = null;

  constructor(options: FillOptions) {
    const { plan, engines, renderers, windowBytes = DEFAULT_WINDOW_BYTES } = options;
    this.#options = options;
    this.#sessions = new Map(engines.map(({ group, session }) => [group, session]));
    this.#rendererOf = new Map(engines.map(({ group }, i) => [group, i]));
    const most = mostViews(plan.units);
    this.#batches = new Map(
      engines.map(({ group, session }) => [
        group,
        new Batches({
          rows: session.batch,
          values: session.inputValues,
          // all that the engine has or waits for, one to fill, and those that the views of one image may need besides
          buffers: 2 * session.lanes + 1 + Math.ceil((most.get(group) ?? 0) / session.batch),
          onReady: (batch) => this.#start(this.#ask(group, batch)),
        }),
      ]),
    );
    this.#jobs = new Window(JOBS_PER_THREAD * renderers.threads);
    this.#pixels = new Window(windowBytes);
    this.#answers = new Window(windowBytes);
    this.#total = plan.units.reduce((sum, unit) => sum + unitTargets(unit), 0);
    this.#startedMs = options.clock.elapsedMs();
  }

  async run(): Promise<FillResult> {
    const { signal } = this.#options;
    signal.throwIfAborted();
    const stop = (): void => this.#fail(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    try {
      await this.#handOut();
    } catch (error) {
      this.#fail(error);
    } finally {
      // nothing is left running when the caller closes its threads
      while (this.#running.size > 0) await Promise.all(this.#running);
      signal.removeEventListener('abort', stop);
    }
    if (this.#failure !== null) throw this.#failure.reason;
    if (this.#uncommitted.length > 0) throw new Error('internal: a unit was never complete');
    return {
      spaces: this.#spaces,
      failed: this.#failed,
      decodes: this.#decodes,
      usage: this.#usage(),
      callRows: this.#callRows,
    };
  }

  /** Walks the plan, handing images to the render threads as fast as there is room. */
  async #handOut(): Promise<void> {
    for (const unit of this.#options.plan.units) {
      const bytes = unitAnswerBytes(unit, this.#sessions);
      // what this unit waits for may itself wait for a batch that only this unit could fill
      if (!this.#answers.hasRoom(bytes)) this.#flush();
      await this.#timed('waitsForWrite', this.#answers.take(bytes));
      const open = new OpenUnit(unit, this.#sessions);
      this.#uncommitted.push(open);
      for (const job of imageJobs(unit)) await this.#handOutImage(open, job);
    }
    this.#flush();
  }

  async #handOutImage(unit: OpenUnit, { image, views }: ImageJob): Promise<void> {
    const slots: Slot[] = [];
    const targets: RenderTarget[] = [];
    for (const { group, view, position } of views) {
      const batches = this.#batches.get(group)!;
      const slot = batches.hasRoom()
        ? await batches.take({ unit, position })
        : await this.#timed('waitsForEngine', batches.take({ unit, position }));
      slots.push(slot);
      const { batch, offset } = slot;
      targets.push({ renderer: this.#rendererOf.get(group)!, view, batch: batch.memory, offset });
    }
    const bytes = image.width * image.height * 3;
    await this.#jobs.take(1);
    await this.#pixels.take(bytes);
    const render = async (): Promise<void> => {
      this.#spent.decode += await this.#options.renderers.render({ image, targets });
      this.#decodes += 1;
      this.#jobs.give(1);
      this.#pixels.give(bytes);
      slots.forEach(({ batch }, i) => this.#batches.get(views[i]!.group)!.filled(batch));
    };
    this.#start(render());
  }

  /** One engine call, and its rows to the units they belong to. */
  async #ask(group: SpaceGroup, batch: Batch): Promise<void> {
    if (this.#failure !== null) return;
    const session = this.#sessions.get(group)!;
    const { rows, memory } = batch;
    const pixels = new Float32Array(memory, 0, rows.length * session.inputValues);
    const answer = await session.run(pixels, rows.length);
    this.#spent.engine += answer.engineMs;
    if (answer.callRows !== undefined)
      this.#callRows.set(`${group.teacher}@${group.sizePx}`, answer.callRows);
    this.#batches.get(group)!.release(batch);
    for (let from = 0; from < rows.length;) {
      const { unit, position } = rows[from]!;
      let count = 1;
      if (position === null) {
        from += count;
        continue;
      }
      while (rows[from + count]?.unit === unit && rows[from + count]!.position === position + count)
        count += 1;
      unit.store(group, answer, { from, to: position, count });
      from += count;
    }
    this.#done += rows.filter(({ position }) => position !== null).length;
    this.#options.onProgress(this.#done, this.#total, this.#usage());
    this.#start(this.#commitComplete());
  }

  /** Commits complete units in the order of the plan, one at a time. */
  async #commitComplete(): Promise<void> {
    if (this.#committing) return;
    // stays set when a commit fails: what could not be written is not written again while the rest comes to its end
    this.#committing = true;
    for (let first = this.#uncommitted[0]; first?.complete === true; first = this.#uncommitted[0]) {
      const started = this.#options.clock.elapsedMs();
      const parts = first.parts(this.#options.codecs);
      await this.#options.writer.commit(parts.map(({ part }) => part));
      this.#uncommitted.shift();
      this.#record(parts);
      this.#spent.write += this.#options.clock.elapsedMs() - started;
      this.#answers.give(unitAnswerBytes(first.unit, this.#sessions));
    }
    this.#committing = false;
  }

  #record(parts: readonly SpacePart[]): void {
    for (const { space, rows, part } of parts) {
      const label = spaceLabel(space);
      const fill = this.#spaces.get(label) ?? { written: 0, failed: 0 };
      fill.written += rows.length;
      fill.failed += part.failures.length;
      this.#spaces.set(label, fill);
      for (const { row, reason } of part.failures)
        this.#failed.push({ image: rows[row]!.image, label, reason });
    }
  }

  #flush(): void {
    for (const batches of this.#batches.values()) batches.flush();
  }

  /** Work that goes on while images are handed out; its failure ends the fill. */
  #start(work: Promise<void>): void {
    const settled = work
      .catch((error: unknown) => this.#fail(error))
      .finally(() => this.#running.delete(settled));
    this.#running.add(settled);
  }

  /** The first failure is the one that is thrown. No more work is handed out; what runs comes to its end. */
  #fail(reason: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = { reason };
    this.#options.onFailure?.();
    for (const batches of this.#batches.values()) batches.close(reason);
    for (const window of [this.#jobs, this.#pixels, this.#answers]) window.close(reason);
  }

  async #timed<T>(what: 'waitsForEngine' | 'waitsForWrite', wait: Promise<T>): Promise<T> {
    const started = this.#options.clock.elapsedMs();
    const result = await wait;
    this.#spent[what] += this.#options.clock.elapsedMs() - started;
    return result;
  }

  #usage(): FillUsage {
    const { decode, engine, write, waitsForEngine, waitsForWrite } = this.#spent;
    return {
      wallMs: this.#options.clock.elapsedMs() - this.#startedMs,
      decode: {
        threads: this.#options.renderers.threads,
        busyMs: decode,
        waitsForEngineMs: waitsForEngine,
        waitsForWriteMs: waitsForWrite,
      },
      engine: {
        lanes: Math.max(1, ...this.#options.engines.map(({ session }) => session.lanes)),
        busyMs: engine,
      },
      write: { busyMs: write },
    };
  }
}
