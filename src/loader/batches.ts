/**
 * Batches for a student trainer: pixels cropped by the very view of the targets, targets read from the cache by offset. The next
 * batch is read while the trainer works on this one.
 */
import type { ImageRow } from '../images/image-row.ts';
import { type View, viewIdOf } from '../images/view.ts';
import { rowKeyOf } from '../cache/row-key.ts';
import type { CachedSpace } from '../cache/catalogue.ts';
import { targetShapeOf } from '../cache/codecs/stored-tensor.ts';
import { TargetReader } from '../cache/read.ts';
import { rowValuesOf } from '../format/tensor-part.ts';
import { StillhouseError } from '../core/failure.ts';
import { BatchOrder } from './order.ts';

/** One view of one image: the unit of training. */
export interface Sample {
  readonly image: ImageRow;
  readonly view: View;
}

/** Renders a sample at the student's size: planar RGB in [0, 1], [3, side, side], written at `offset` of `out`. */
export interface SamplePixels {
  /** Values per sample, 3 * side * side. */
  readonly values: number;
  renderInto(sample: Sample, out: Float32Array, offset: number): Promise<void>;
}

export interface Batch {
  readonly step: number;
  readonly samples: readonly Sample[];
  /** [B, 3, side, side] in [0, 1]. */
  readonly pixels: Float32Array;
  /** By space label, [B, ...shape]; rows without a usable target are zero. */
  readonly targets: Readonly<Record<string, Float32Array>>;
  /** By space label, [B]: 1 where the target is usable. */
  readonly masks: Readonly<Record<string, Float32Array>>;
}

export interface LoaderOptions {
  readonly samples: readonly Sample[];
  /** By label; every sample's target is looked up in each. */
  readonly spaces: ReadonlyMap<string, CachedSpace>;
  readonly pixels: SamplePixels;
  readonly batchSize: number;
  readonly seed: number;
  /** Target bytes kept in memory, see TargetReader. Default 0. */
  readonly residentBytes?: number;
}

export class Loader {
  readonly #options: LoaderOptions;
  readonly #order: BatchOrder;
  readonly #reader: TargetReader;

  /** @throws StillhouseError bad-input when there are fewer samples than one batch. */
  constructor(options: LoaderOptions) {
    if (options.samples.length < options.batchSize)
      throw new StillhouseError({
        kind: 'bad-input',
        what: 'there are fewer samples than one batch holds',
        wanted: `at least ${options.batchSize}`,
        got: `${options.samples.length}`,
        next: 'lower the batch size, or curate less strictly',
      });
    this.#reader = new TargetReader({ residentBytes: options.residentBytes ?? 0 });
    this.#options = options;
    this.#order = new BatchOrder({
      count: options.samples.length,
      batchSize: options.batchSize,
      seed: options.seed,
    });
  }

  get batchesPerEpoch(): number {
    return this.#order.batchesPerEpoch;
  }

  /** Batches `from` to `to` (exclusive) of the endless seeded sequence; the same step always gives the same batch. */
  async *batches(from: number, to: number): AsyncGenerator<Batch> {
    let next = from < to ? this.batch(from) : null;
    try {
      for (let step = from; step < to; step++) {
        const current = await next!;
        next = step + 1 < to ? this.batch(step + 1) : null;
        // a failure is thrown when its batch is asked for
        next?.catch(() => undefined);
        yield current;
      }
    } finally {
      // a consumer that stops early leaves no read running
      await next?.catch(() => undefined);
    }
  }

  async batch(step: number): Promise<Batch> {
    return this.collect(
      [...this.#order.at(step)].map((i) => this.#options.samples[i]!),
      step,
    );
  }

  /** Batches over all samples in their given order, the last one short: for evaluation. */
  async *inOrder(): AsyncGenerator<Batch> {
    const { samples, batchSize } = this.#options;
    for (let start = 0; start < samples.length; start += batchSize)
      yield await this.collect(samples.slice(start, start + batchSize), start / batchSize);
  }

  async collect(samples: readonly Sample[], step: number): Promise<Batch> {
    const { pixels: source } = this.#options;
    const pixels = new Float32Array(samples.length * source.values);
    const batch = { step, samples, pixels, targets: {}, masks: {} };
    const work = [
      ...samples.map((sample, i) => source.renderInto(sample, pixels, i * source.values)),
      this.#readTargets(batch),
    ];
    // all of it ends, well or badly, before the batch does
    const failure = (await Promise.allSettled(work)).find((outcome) => outcome.status === 'rejected');
    if (failure) throw failure.reason;
    return batch;
  }

  async #readTargets(batch: {
    readonly samples: readonly Sample[];
    readonly targets: Record<string, Float32Array>;
    readonly masks: Record<string, Float32Array>;
  }): Promise<void> {
    const { samples } = batch;
    const keys = samples.map((sample) => rowKeyOf({ image: sample.image.id, view: viewIdOf(sample.view) }));
    for (const [label, space] of this.#options.spaces) {
      const width = rowValuesOf(targetShapeOf(space.descriptor));
      const values = new Float32Array(samples.length * width);
      const mask = new Float32Array(samples.length);
      for (const [i, key] of keys.entries())
        mask[i] = (await this.#reader.readInto(space, key, values.subarray(i * width, (i + 1) * width)))
          ? 1
          : 0;
      batch.targets[label] = values;
      batch.masks[label] = mask;
    }
  }

  get counts(): TargetReader['counts'] {
    return this.#reader.counts;
  }

  /** Waits for reads under way and closes the files; asking for more afterwards is a defect. */
  async close(): Promise<void> {
    await this.#reader.close();
  }
}
