/** Fills one buffer with one global batch's share of this rank: targets, pixels, masks, names. */
import { StillhouseError } from '../core/failure.ts';
import type { ImageId, ViewId } from '../core/ids.ts';
import { type BadRowPolicy, badRowFailure } from './bad-rows.ts';
import type { Batch, BatchHead } from './batch.ts';
import type { BatchLayout } from './batch-layout.ts';
import { type BatchOrder, type PlannedBatch, rankShare } from './batch-order.ts';
import type { BatchPlace } from './batch-places.ts';
import type { BatchBuffer } from './buffer-pool.ts';
import type { TargetCoding } from './job-protocol.ts';
import type { Jobs } from './jobs.ts';
import { PIXEL_BYTES, type PixelSize, type PixelsAs } from './pixel-options.ts';
import { type PictureTable, pixelJobs, transformSeed } from './picture-table.ts';
import type { StagedView } from './pixel-job.ts';
import type { DeliveredAs } from './row-decoder.ts';
import type { RowFetch, WantedRow } from './row-fetch.ts';
import type { RowTable } from './row-table.ts';

export interface FillerInput {
  /** Where a batch holds the targets of each space. */
  readonly places: readonly BatchPlace[];
  readonly spaces: readonly TargetCoding[];
  readonly tables: readonly RowTable[];
  readonly order: BatchOrder;
  readonly layout: BatchLayout;
  readonly as: DeliveredAs;
  readonly rank: number;
  readonly worldSize: number;
  readonly policy: BadRowPolicy;
  readonly workers: number;
  /** Null without pixels. */
  readonly pixels: PixelInput | null;
}

export interface PixelInput {
  readonly as: PixelsAs;
  readonly table: PictureTable;
  /** Of a batch, by bucket and resolution. */
  readonly sizeOf: (bucket: string, resolution: number) => PlacedSize;
  /** Where spaces of pixels begin in the tables. */
  readonly firstSpace: number;
  /** What is read from the cache goes through the transform, from a place of its own in the batch. */
  readonly isStaged: boolean;
  readonly seed: number;
}

export interface PlacedSize extends PixelSize {
  /** Among all sizes. */
  readonly index: number;
  /** Among the spaces of pixels; -1 where the cache has none of that size. */
  readonly space: number;
}

export interface LoaderCounts {
  batches: number;
  reads: number;
  /** From files, gaps included. */
  bytesRead: number;
  bytesDelivered: number;
  /** Copies that decoding makes, in bytes written. */
  bytesDecoded: number;
  /** Images decoded for pixels. */
  imagesDecoded: number;
  /** Views whose pixels came from the cache. */
  pixelsRead: number;
  /** Samples that policy `skip` left out when the loader was opened, and while reading. */
  excluded: number;
  skipped: number;
  /** Teachers masked in a sample, by reason: `absent`, `damaged`, `short`, `unreadable`, `gone`. */
  masked: Record<string, number>;
}

/** This rank's samples of a batch. */
interface Share {
  readonly planned: PlannedBatch;
  readonly datasets: readonly number[];
  readonly samples: readonly number[];
  /** By teacher, [B]. */
  readonly masks: readonly Uint8Array[];
  readonly size: PlacedSize | null;
  /** [B], 1 where the pixels are read from the cache. */
  readonly cached: Uint8Array;
}

/** A batch whose buffer is not yet tied to the pool. */
export type FilledBatch = Omit<BatchHead, 'keep'> & Pick<Batch, 'teachers'>;

export class BatchFiller {
  readonly counts: LoaderCounts;
  readonly #input: FillerInput;
  readonly #jobs: Jobs;
  readonly #fetch: RowFetch;
  readonly #teachers: readonly string[];
  /** Teacher of each space. */
  readonly #teacherOf: readonly number[];

  constructor(
    input: FillerInput,
    { jobs, fetch, excluded }: { jobs: Jobs; fetch: RowFetch; excluded: number },
  ) {
    this.#input = input;
    this.#jobs = jobs;
    this.#fetch = fetch;
    const teacher = input.places.map(({ teacher }) => teacher);
    this.#teachers = [...new Set(teacher)];
    this.#teacherOf = teacher.map((name) => this.#teachers.indexOf(name));
    this.counts = {
      batches: 0,
      get reads() {
        return fetch.counts.reads;
      },
      get bytesRead() {
        return fetch.counts.bytesRead;
      },
      bytesDelivered: 0,
      bytesDecoded: 0,
      imagesDecoded: 0,
      pixelsRead: 0,
      excluded,
      skipped: 0,
      masked: {},
    };
  }

  /** Has what a later batch reads opened ahead. */
  prefetch(step: number): void {
    const share = this.#shareOf(step);
    this.#fetch.prefetch([...this.#rowsOf(share), ...this.#pixelRowsOf(share)]);
  }

  /** @throws StillhouseError by policy. */
  async fill(into: BatchBuffer, step: number): Promise<FilledBatch> {
    const { buffer } = into;
    const share = this.#shareOf(step);
    const { masks } = share;
    for (const mask of masks) for (const one of mask) if (one === 0) this.#count('absent');
    const left = new Set<number>();
    // all of it ends, well or badly, before the buffer is used again
    const outcomes = await Promise.allSettled([
      this.#readRows(into, share, left),
      this.#renderPixels(buffer, share, left),
    ]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    if (this.#input.pixels?.isStaged === true) await this.#transformStaged(buffer, share, left);
    this.counts.skipped += left.size;
    const rows = share.samples.map((_, slot) => slot).filter((slot) => !left.has(slot));
    this.#settle(buffer, share, rows);
    const { epoch, bucket, resolution } = share.planned;
    return {
      step,
      epoch,
      bucket,
      resolution,
      size: rows.length,
      ...this.#names(share, rows),
      teachers: this.#tensors(buffer, masks, rows),
      ...this.#pixels(buffer, share, rows.length),
    };
  }

  #shareOf(step: number): Share {
    const { order, rank, worldSize, tables, spaces } = this.#input;
    const planned = order.at(step);
    const { from, to } = rankShare(planned.samples.length, rank, worldSize);
    const datasets = Array.from(planned.sources.subarray(from, to));
    const samples = Array.from(planned.samples.subarray(from, to));
    const masks = this.#teachers.map(() => new Uint8Array(samples.length).fill(1));
    spaces.forEach((_, s) =>
      samples.forEach((sample, slot) => {
        if (tables[datasets[slot]!]!.partOf(s, sample) < 0) masks[this.#teacherOf[s]!]![slot] = 0;
      }),
    );
    const size = this.#input.pixels?.sizeOf(planned.bucket, planned.resolution) ?? null;
    const cached = new Uint8Array(samples.length);
    if (size !== null && size.space >= 0)
      samples.forEach((sample, slot) => {
        if (tables[datasets[slot]!]!.partOf(this.#input.pixels!.firstSpace + size.space, sample) >= 0)
          cached[slot] = 1;
      });
    return { planned, datasets, samples, masks, size, cached };
  }

  /** Rows of pixels that the cache has. */
  #pixelRowsOf({ datasets, samples, size, cached }: Share): WantedRow[] {
    const { pixels } = this.#input;
    if (pixels === null || size === null) return [];
    const space = pixels.firstSpace + size.space;
    return samples.flatMap((sample, slot) =>
      cached[slot] === 0 ? [] : [{ space, sample, slot, dataset: datasets[slot]! }],
    );
  }

  /** Rows of teachers that are not masked. */
  #rowsOf({ datasets, samples, masks }: Share): WantedRow[] {
    return samples.flatMap((sample, slot) =>
      this.#input.spaces.flatMap((_, space) =>
        masks[this.#teacherOf[space]!]![slot] === 0
          ? []
          : [{ space, sample, slot, dataset: datasets[slot]! }],
      ),
    );
  }

  /** Adds the slots that are to be left out to `left`. */
  async #readRows(buffer: BatchBuffer, share: Share, left: Set<number>): Promise<void> {
    const { policy, spaces } = this.#input;
    const { masks } = share;
    const pixelRows = this.#pixelRowsOf(share);
    this.counts.pixelsRead += pixelRows.length;
    for (const { slot, space, ...row } of await this.#fetch.read(buffer, [
      ...this.#rowsOf(share),
      ...pixelRows,
    ])) {
      if (space >= spaces.length) {
        if (policy.pictures === 'error') throw badRowFailure(row);
        left.add(slot);
        this.counts.pixelsRead -= 1;
        continue;
      }
      if (policy.damaged === 'error') throw badRowFailure(row);
      if (policy.damaged === 'skip') left.add(slot);
      else if (masks[this.#teacherOf[space]!]![slot] === 1) {
        masks[this.#teacherOf[space]!]![slot] = 0;
        this.#count(row.reason);
      }
    }
  }

  async #renderPixels(buffer: SharedArrayBuffer, share: Share, left: Set<number>): Promise<void> {
    const { pixels, layout, workers, policy } = this.#input;
    if (pixels === null) return;
    const { planned, datasets, samples, cached } = share;
    const { index, heightPx, widthPx } = share.size!;
    const size = { heightPx, widthPx };
    const bytes = pixelBytesOf(size, pixels.as);
    const slots = samples.flatMap((_, slot) => (cached[slot] === 0 ? [slot] : []));
    if (slots.length === 0) return;
    const pictures = pixels.table.plan({
      datasets,
      samples,
      slots,
      size,
      sizeIndex: index,
      epoch: planned.epoch,
      writeAt: (slot) => layout.pixelsAt + slot * bytes,
    });
    const common = { ...size, buffer, kept: pixels.table.kept, epoch: planned.epoch };
    const outcomes = await Promise.allSettled(
      pixelJobs(pictures, common, Math.max(1, 2 * workers)).map(async ({ job, planned: group }) => {
        let failed = new Map<number, StillhouseError['failure']>(group.map((_, i) => [i, UNKNOWN]));
        try {
          const { bad, decodes } = await this.#jobs.run('pixels', job);
          this.counts.imagesDecoded += decodes;
          failed = new Map(bad);
        } finally {
          group.forEach(({ settle }, i) => settle(!failed.has(i)));
        }
        for (const [i, failure] of failed) {
          if (policy.pictures === 'error') throw new StillhouseError(failure);
          for (const { slot } of group[i]!.views) if (slot >= 0) left.add(slot);
        }
      }),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /** Takes what was read from the cache through the transform, to its place. */
  async #transformStaged(buffer: SharedArrayBuffer, share: Share, left: ReadonlySet<number>): Promise<void> {
    const { pixels, layout, workers, tables } = this.#input;
    const { planned, datasets, samples, cached } = share;
    const { heightPx, widthPx } = share.size!;
    const { epoch } = planned;
    const [from, to] = (['u8', pixels!.as] as const).map((as) => pixelBytesOf({ heightPx, widthPx }, as));
    const staged = samples.flatMap((sample, slot): StagedView[] => {
      if (cached[slot] === 0 || left.has(slot)) return [];
      const key = tables[datasets[slot]!]!.keys[sample]!;
      return [
        {
          key,
          seed: transformSeed(pixels!.seed, epoch, key),
          from: layout.stagedAt + slot * from!,
          writeAt: layout.pixelsAt + slot * to!,
        },
      ];
    });
    const perJob = Math.ceil(staged.length / Math.max(1, 2 * workers));
    const jobs: Promise<unknown>[] = [];
    for (let start = 0; start < staged.length; start += perJob)
      jobs.push(
        this.#jobs.run('pixels', {
          buffer,
          heightPx,
          widthPx,
          kept: null,
          epoch,
          pictures: [],
          staged: staged.slice(start, start + perJob),
        }),
      );
    const outcomes = await Promise.allSettled(jobs);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  #count(reason: string): void {
    this.counts.masked[reason] = (this.counts.masked[reason] ?? 0) + 1;
  }

  /** Zeroes what is masked and closes the gaps of rows that were left out. */
  #settle(buffer: SharedArrayBuffer, { masks, size }: Share, rows: readonly number[]): void {
    const bytes = new Uint8Array(buffer);
    const { layout, spaces, as, pixels } = this.#input;
    const move = (at: number, rowBytes: number): void =>
      rows.forEach((slot, to) => {
        if (slot !== to)
          bytes.copyWithin(at + to * rowBytes, at + slot * rowBytes, at + (slot + 1) * rowBytes);
      });
    layout.targets.forEach(({ at, rowBytes }, space) => {
      const mask = masks[this.#teacherOf[space]!]!;
      move(at, rowBytes);
      rows.forEach((slot, to) => {
        if (mask[slot] === 0) bytes.fill(0, at + to * rowBytes, at + (to + 1) * rowBytes);
      });
      this.counts.bytesDelivered += rows.length * rowBytes;
      if (spaces[space]!.descriptor.codec.id !== as) this.counts.bytesDecoded += rows.length * rowBytes;
    });
    if (pixels === null) return;
    const rowBytes = pixelBytesOf(size!, pixels.as);
    move(layout.pixelsAt, rowBytes);
    this.counts.bytesDelivered += rows.length * rowBytes;
  }

  #names({ datasets, samples }: Share, rows: readonly number[]) {
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
  ): FilledBatch['teachers'] {
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
    return teachers as unknown as FilledBatch['teachers'];
  }

  #pixels(buffer: SharedArrayBuffer, { size }: Share, rows: number) {
    const { pixels, layout } = this.#input;
    if (pixels === null) return {};
    const { heightPx, widthPx } = size!;
    const length = rows * 3 * heightPx * widthPx;
    const data =
      pixels.as === 'u8'
        ? new Uint8Array(buffer, layout.pixelsAt, length)
        : new Float32Array(buffer, layout.pixelsAt, length);
    return { pixels: { data, shape: [rows, 3, heightPx, widthPx] } };
  }
}

export const pixelBytesOf = ({ heightPx, widthPx }: PixelSize, as: PixelsAs): number =>
  3 * heightPx * widthPx * PIXEL_BYTES[as];

/** Of pictures whose job ended in a defect, which is thrown. */
const UNKNOWN: StillhouseError['failure'] = {
  kind: 'environment',
  what: 'a thread ended',
  next: 'start again',
};
