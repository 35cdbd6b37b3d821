/**
 * Delivers batches in order while later ones are being read. What is in flight is bounded by the batch buffers; whatever the
 * consumer does (slow, early end, an exception, never reading), nothing stays running once its iteration has ended and the loader
 * is closed.
 */
import { OpenFiles } from '../cache/open-files.ts';
import type { ReaderLease } from '../cache/reader-lease.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { codedLabel, spaceIdOf } from '../cache/space.ts';
import type { ImageId, SpaceId, ViewId } from '../core/ids.ts';
import { type BadRow, type BadRowPolicy, badRowFailure } from './bad-rows.ts';
import type { Batch, Teachers } from './batch.ts';
import type { BatchLayout } from './batch-layout.ts';
import { type BatchOrder, rankShare } from './batch-order.ts';
import type { BatchPlace } from './batch-places.ts';
import { BufferPool } from './buffer-pool.ts';
import { Jobs, type SpaceCoding } from './jobs.ts';
import { READ_LIMITS, type RowNeed, planReads, withDescriptors } from './read-plan.ts';
import type { DeliveredAs } from './row-decoder.ts';
import type { CommitFs } from '../store/commit-fs.ts';
import type { RowTable } from './row-table.ts';
import { type Binding, type LoaderState, stateAt } from './state.ts';

const OPEN_FILES = 256;

export interface LoaderInput<As extends DeliveredAs> {
  /** Where a batch holds the targets of each space. */
  readonly places: readonly BatchPlace[];
  readonly spaces: readonly SpaceCoding[];
  /** What part files are opened with. */
  readonly fs: CommitFs;
  /** Pins what is read until it is released; called before the first read. */
  readonly hold: () => Promise<ReaderLease>;
  readonly tables: readonly RowTable[];
  readonly order: BatchOrder;
  readonly layout: BatchLayout;
  readonly as: As;
  readonly binding: Binding;
  readonly rank: number;
  readonly worldSize: number;
  readonly policy: BadRowPolicy;
  readonly workers: number;
  readonly buffers: number;
  readonly step: number;
  readonly excluded: number;
}

export interface LoaderCounts {
  batches: number;
  reads: number;
  /** From files, gaps included. */
  bytesRead: number;
  bytesDelivered: number;
  /** Copies that decoding makes, in bytes written. */
  bytesDecoded: number;
  /** Samples that policy `skip` left out when the loader was opened, and while reading. */
  excluded: number;
  skipped: number;
  /** Teachers masked in a sample, by reason: `absent`, `damaged`, `short`, `unreadable`, `gone`. */
  masked: Record<string, number>;
}

interface Filled<Label extends string, As extends DeliveredAs> {
  readonly buffer: SharedArrayBuffer;
  readonly batch: Batch<Label, As>;
  kept: boolean;
}

export class TargetLoader<Label extends string, As extends DeliveredAs> {
  readonly counts: LoaderCounts;
  readonly #input: LoaderInput<As>;
  readonly #files = new OpenFiles(OPEN_FILES);
  readonly #jobs: Jobs;
  readonly #pool: BufferPool;
  readonly #verified: readonly (readonly Uint8Array[])[];
  readonly #teachers: readonly string[];
  /** Teacher of each space. */
  readonly #teacherOf: readonly number[];
  readonly #filling = new Set<Promise<unknown>>();
  #step: number;
  #lease: Promise<ReaderLease> | null = null;
  #iterating = false;
  #closed = false;

  constructor(input: LoaderInput<As>) {
    this.#input = input;
    this.#step = input.step;
    this.#jobs = new Jobs(input.workers, input.spaces);
    this.#pool = new BufferPool(input.layout.sizeBytes, input.buffers);
    this.#verified = input.tables.map(({ parts }) => parts.map(({ layout }) => new Uint8Array(layout.rows)));
    const teacher = input.places.map(({ teacher }) => teacher);
    this.#teachers = [...new Set(teacher)];
    this.#teacherOf = teacher.map((name) => this.#teachers.indexOf(name));
    this.counts = {
      batches: 0,
      reads: 0,
      bytesRead: 0,
      bytesDelivered: 0,
      bytesDecoded: 0,
      excluded: input.excluded,
      skipped: 0,
      masked: {},
    };
  }

  /** What is read: label, codec and id of each space that was asked for. */
  get spaces(): readonly { readonly label: string; readonly id: SpaceId }[] {
    return this.#input.spaces.map(({ descriptor }) => ({
      label: codedLabel(descriptor),
      id: spaceIdOf(descriptor),
    }));
  }

  get batchesPerEpoch(): number {
    return this.#input.order.batchesPerEpoch;
  }

  /** Threads alive: 0 before the first batch and after {@link close}. */
  get threads(): number {
    return this.#jobs.threads;
  }

  /** Where the consumer stands: the batch it holds counts as seen. */
  state(): LoaderState {
    return stateAt(this.#step, this.#input.binding);
  }

  /** The rest of the current epoch; the next epoch when the last one ended. */
  [Symbol.asyncIterator](): AsyncGenerator<Batch<Label, As>, void, undefined> {
    const epoch = Math.floor(this.#step / this.batchesPerEpoch);
    return this.batches(this.#step, (epoch + 1) * this.batchesPerEpoch);
  }

  /**
   * Global batches `from` to `to` (exclusive).
   * @throws StillhouseError by policy, when the batch with the bad row is due; usage when another iteration is under way, or the
   * loader was closed; what {@link holdCatalogue} throws when the first iteration begins.
   */
  async *batches(
    from: number = this.#step,
    to = Infinity,
  ): AsyncGenerator<Batch<Label, As>, void, undefined> {
    if (this.#closed) throw closedLoader();
    if (this.#iterating) throw twoIterations();
    this.#iterating = true;
    const ahead: Promise<Filled<Label, As>>[] = [];
    let next = from;
    const fillAhead = (): void => {
      // one buffer is in the consumer's hands
      while (next < to && ahead.length < this.#pool.limit - 1) ahead.push(this.#start(next++));
    };
    try {
      await this.#hold();
      for (let step = from; step < to && !this.isClosed(); step++) {
        fillAhead();
        const filled = await ahead.shift()!;
        fillAhead();
        this.#step = step + 1;
        this.counts.batches += 1;
        try {
          yield filled.batch;
        } finally {
          if (!filled.kept) this.#pool.give(filled.buffer);
        }
      }
    } finally {
      this.#iterating = false;
      for (const outcome of await Promise.allSettled(ahead))
        if (outcome.status === 'fulfilled') this.#pool.give(outcome.value.buffer);
    }
  }

  isClosed(): boolean {
    return this.#closed;
  }

  /** Waits for reads under way, ends the threads and closes the files. An iteration that goes on afterwards just ends. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#filling);
    await this.#jobs.close();
    await this.#files.close();
    await (await this.#lease)?.release();
  }

  /** Once; a failure is forgotten, so that the next iteration tries again. */
  async #hold(): Promise<void> {
    const lease = (this.#lease ??= this.#input.hold());
    try {
      await lease;
    } catch (error) {
      this.#lease = null;
      throw error;
    }
  }

  #start(step: number): Promise<Filled<Label, As>> {
    const filling = this.#fill(step);
    this.#filling.add(filling);
    const done = (): void => void this.#filling.delete(filling);
    // a failure is thrown when its batch is due
    filling.then(done, done);
    return filling;
  }

  async #fill(step: number): Promise<Filled<Label, As>> {
    const buffer = await this.#pool.take();
    try {
      return await this.#fillInto(buffer, step);
    } catch (error) {
      this.#pool.give(buffer);
      throw error;
    }
  }

  async #fillInto(buffer: SharedArrayBuffer, step: number): Promise<Filled<Label, As>> {
    const { order, rank, worldSize, spaces, policy } = this.#input;
    const planned = order.at(step);
    const { from, to } = rankShare(planned.samples.length, rank, worldSize);
    const datasets = Array.from(planned.sources.subarray(from, to));
    const samples = Array.from(planned.samples.subarray(from, to));
    const masks = this.#teachers.map(() => new Uint8Array(samples.length).fill(1));
    spaces.forEach((_, s) =>
      samples.forEach((sample, slot) => {
        if (this.#input.tables[datasets[slot]!]!.partOf(s, sample) < 0) masks[this.#teacherOf[s]!]![slot] = 0;
      }),
    );
    for (const mask of masks) for (const one of mask) if (one === 0) this.#count('absent');
    const bad = await this.#read(buffer, { datasets, samples, masks });
    const left = new Set<number>();
    for (const { slot, space, ...row } of bad) {
      if (policy.damaged === 'error') throw badRowFailure(row);
      if (policy.damaged === 'skip') left.add(slot);
      else if (masks[this.#teacherOf[space]!]![slot] === 1) {
        masks[this.#teacherOf[space]!]![slot] = 0;
        this.#count(row.reason);
      }
    }
    this.counts.skipped += left.size;
    const rows = samples.map((_, slot) => slot).filter((slot) => !left.has(slot));
    this.#settle(buffer, masks, rows);
    const filled: Filled<Label, As> = {
      buffer,
      kept: false,
      batch: {
        step,
        epoch: planned.epoch,
        size: rows.length,
        ...this.#names(datasets, samples, rows),
        teachers: this.#tensors(buffer, masks, rows),
        keep: () => {
          if (filled.kept) return;
          filled.kept = true;
          this.#pool.forget();
        },
      },
    };
    return filled;
  }

  #count(reason: string): void {
    this.counts.masked[reason] = (this.counts.masked[reason] ?? 0) + 1;
  }

  /** Reads all rows whose teacher is not masked; returns those that could not be read. */
  async #read(
    buffer: SharedArrayBuffer,
    share: { readonly datasets: number[]; readonly samples: number[]; readonly masks: Uint8Array[] },
  ): Promise<(BadRow & { slot: number; space: number })[]> {
    const { tables, spaces, layout, workers } = this.#input;
    const paths = new Map<string, number>();
    const wanted: (RowNeed & { readonly verified: Uint8Array })[] = [];
    share.samples.forEach((sample, slot) => {
      const table = tables[share.datasets[slot]!]!;
      spaces.forEach(({ storedBytes }, space) => {
        if (share.masks[this.#teacherOf[space]!]![slot] === 0) return;
        const at = table.partOf(space, sample);
        const part = table.parts[at]!;
        const row = table.rowOf(space, sample);
        if (!paths.has(part.path)) paths.set(part.path, paths.size);
        const verified = this.#verified[share.datasets[slot]!]![at]!;
        wanted.push({
          file: paths.get(part.path)!,
          offset: part.layout.at.payload + row * storedBytes,
          storedBytes,
          writeAt: layout.targets[space]!.at + slot * layout.targets[space]!.rowBytes,
          crc32: verified[row] === 1 ? -1 : part.index.crc32[row]!,
          space,
          slot,
          row,
          verified,
        });
      });
    });
    const names = [...paths.keys()];
    const files = await Promise.allSettled(
      names.map((path) => this.#files.hold({ path, fs: this.#input.fs })),
    );
    try {
      const bad: (BadRow & { slot: number; space: number })[] = [];
      const open = wanted.filter(({ file, slot, space, row }) => {
        const opened = files[file]!;
        if (opened.status === 'fulfilled') return true;
        const reason = systemCodeOf(opened.reason) === 'ENOENT' ? 'gone' : 'unreadable';
        bad.push({ slot, space, row, path: names[file]!, reason, detail: String(opened.reason) });
        return false;
      });
      const jobs = planReads(open, { ...READ_LIMITS, jobs: Math.max(1, 2 * workers) });
      await Promise.all(
        jobs.map(async ({ runs, rows, needs }) => {
          const descriptors = withDescriptors(
            runs,
            (file) => (files[file] as PromiseFulfilledResult<{ fd: number }>).value.fd,
          );
          const result = await this.#jobs.run({ kind: 'rows', buffer, runs: descriptors, rows });
          this.counts.reads += result.reads;
          this.counts.bytesRead += result.bytesRead;
          const failed = new Set(result.bad.map(([i]) => i));
          needs.forEach((need, i) => {
            if (!failed.has(i)) (need as (typeof wanted)[number]).verified[need.row] = 1;
          });
          for (const [i, reason, detail] of result.bad) {
            const { slot, space, row, file } = needs[i]!;
            bad.push({ slot, space, row, path: names[file]!, reason, detail });
          }
        }),
      );
      return bad;
    } finally {
      await Promise.all(
        files.map((file) => (file.status === 'fulfilled' ? file.value.release() : Promise.resolve())),
      );
    }
  }

  /** Zeroes what is masked and closes the gaps of rows that were left out. */
  #settle(buffer: SharedArrayBuffer, masks: readonly Uint8Array[], rows: readonly number[]): void {
    const bytes = new Uint8Array(buffer);
    const { layout, spaces, as } = this.#input;
    layout.targets.forEach(({ at, rowBytes }, space) => {
      const mask = masks[this.#teacherOf[space]!]!;
      rows.forEach((slot, to) => {
        if (mask[slot] === 0) bytes.fill(0, at + to * rowBytes, at + (to + 1) * rowBytes);
        else if (slot !== to)
          bytes.copyWithin(at + to * rowBytes, at + slot * rowBytes, at + (slot + 1) * rowBytes);
      });
      this.counts.bytesDelivered += rows.length * rowBytes;
      if (spaces[space]!.descriptor.codec.id !== as) this.counts.bytesDecoded += rows.length * rowBytes;
    });
  }

  #names(datasets: readonly number[], samples: readonly number[], rows: readonly number[]) {
    const keys = rows.map((slot) => this.#input.tables[datasets[slot]!]!.keys[samples[slot]!]!);
    return {
      ids: keys.map((key) => key.slice(0, 64) as ImageId),
      views: keys.map((key) => key.slice(64) as ViewId),
      datasets: rows.map((slot) => datasets[slot]!),
      samples: rows.map((slot) => samples[slot]!),
    };
  }

  #tensors(
    buffer: SharedArrayBuffer,
    masks: readonly Uint8Array[],
    rows: readonly number[],
  ): Teachers<Label, As> {
    const { places, layout, as } = this.#input;
    const teachers: Record<string, Record<string, unknown>> = {};
    this.#teachers.forEach((teacher, t) => {
      teachers[teacher] = { mask: Uint8Array.from(rows, (slot) => masks[t]![slot]!) };
    });
    places.forEach(({ kind }, s) => {
      const { at, rowBytes, shape } = layout.targets[s]!;
      const bytes = rows.length * rowBytes;
      const data =
        as === 'f16' ? new Uint16Array(buffer, at, bytes / 2) : new Float32Array(buffer, at, bytes / 4);
      const tensor = { data, shape: [rows.length, ...shape] };
      teachers[this.#teachers[this.#teacherOf[s]!]!]![kind] = tensor;
    });
    // the labels decide the shape of this record; the compiler cannot follow a loop over them
    return teachers as Teachers<Label, As>;
  }
}

function closedLoader(): StillhouseError {
  return new StillhouseError({
    kind: 'usage',
    what: 'a loader that was closed serves nothing any more',
    next: 'open another one; `state` goes on where this one stood',
  });
}

function twoIterations(): StillhouseError {
  return new StillhouseError({
    kind: 'usage',
    what: 'a loader serves one iteration at a time',
    next: 'end the first (break, or return()), or open a second loader',
  });
}
