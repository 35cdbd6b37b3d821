/**
 * Which samples make global batch `step`: a pure function of the spec, so any batch can be asked for at any time, on any number
 * of ranks. With one dataset the batches go epoch by epoch; with several, each dataset is an endless stream of its own epochs
 * and the mix is kept exactly. A batch comes from one bucket and has one resolution, so it has one shape.
 */
import { StillhouseError } from '../core/failure.ts';
import { EpochOrder } from './block-spread.ts';
import { DeficitSchedule } from './deficit-schedule.ts';
import { type Piece, piecesOf } from './mix-pieces.ts';
import type { OrderSpec, SourceSpec } from './order-spec.ts';

export interface PlannedBatch {
  readonly step: number;
  /** With several datasets: how often all their samples together have been shown. */
  readonly epoch: number;
  readonly bucket: string;
  /** Index into the spec's resolutions. */
  readonly resolution: number;
  /** [B] index of the dataset of each sample. */
  readonly sources: Uint16Array;
  /** [B] index within that dataset. */
  readonly samples: Int32Array;
}

export class BatchOrder {
  readonly spec: OrderSpec;
  /** Whole batches, and short ones if they are kept. */
  readonly batchesPerEpoch: number;
  /** Samples of one dataset that an epoch leaves out; other ones every epoch, unless nothing is shuffled. */
  readonly droppedPerEpoch: number;
  readonly #pieces: readonly Piece[];
  readonly #bucketKeys: readonly string[];
  /** Indices into #pieces by bucket. */
  readonly #piecesOf: readonly (readonly number[])[];
  readonly #buckets: DeficitSchedule;
  /** By bucket, over its samples; null with one dataset. */
  readonly #mix: readonly DeficitSchedule[] | null;
  readonly #resolutions: DeficitSchedule;
  /** The last two epochs of each piece: a batch of a mix may touch both. */
  readonly #epochs: { epoch: number; order: EpochOrder }[][];

  /** @throws StillhouseError bad-input when nothing can be shown, a bucket never fills a batch, or a weight is not usable. */
  constructor(spec: OrderSpec) {
    this.spec = spec;
    const { batchSize, last, sources } = spec;
    if (!Number.isInteger(batchSize) || batchSize < 1) throw new Error(`internal: batches of ${batchSize}`);
    for (const source of sources)
      if (source.buckets.every((bucket) => bucket.samples.length === 0)) throw nothingToShow(source);
    this.#pieces = piecesOf(sources);
    const samples = this.#pieces.reduce((sum, { bucket }) => sum + bucket.samples.length, 0);
    this.#bucketKeys = [...new Set(this.#pieces.map(({ bucket }) => bucket.key))].sort();
    this.#piecesOf = this.#bucketKeys.map((key) =>
      this.#pieces.flatMap(({ bucket }, i) => (bucket.key === key ? [i] : [])),
    );
    this.#epochs = this.#pieces.map(() => []);
    this.#resolutions = new DeficitSchedule(spec.resolutions);
    if (sources.length === 1) {
      const round = last === 'drop' ? Math.floor : Math.ceil;
      const batches = this.#piecesOf.map(([piece]) => round(this.#lengthOf(piece!) / batchSize));
      batches.forEach((count, b) => {
        if (count === 0)
          throw batchTooLarge(batchSize, this.#bucketKeys[b]!, this.#lengthOf(this.#piecesOf[b]![0]!));
      });
      this.batchesPerEpoch = batches.reduce((sum, count) => sum + count, 0);
      this.droppedPerEpoch = last === 'drop' ? samples - this.batchesPerEpoch * batchSize : 0;
      this.#buckets = new DeficitSchedule(batches);
      this.#mix = null;
    } else {
      if (samples < batchSize) throw batchTooLarge(batchSize, 'all datasets', samples);
      this.batchesPerEpoch = Math.floor(samples / batchSize);
      this.droppedPerEpoch = 0;
      const weights = this.#piecesOf.map((pieces) => pieces.map((piece) => this.#pieces[piece]!.weight));
      this.#mix = weights.map((of) => new DeficitSchedule(of));
      this.#buckets = new DeficitSchedule(weights.map((of) => of.reduce((sum, weight) => sum + weight, 0)));
    }
  }

  at(step: number): PlannedBatch {
    if (!Number.isSafeInteger(step) || step < 0) throw new Error(`internal: batch ${step}`);
    const epoch = Math.floor(step / this.batchesPerEpoch);
    const turn = this.#mix === null ? step % this.batchesPerEpoch : step;
    const bucket = this.#buckets.at(turn);
    const start = this.#buckets.countBefore(turn, bucket) * this.spec.batchSize;
    const refs = this.#mix === null ? this.#ofEpoch(bucket, epoch, start) : this.#ofMix(bucket, start);
    return {
      step,
      epoch,
      bucket: this.#bucketKeys[bucket]!,
      resolution: this.#resolutions.at(step),
      ...refs,
    };
  }

  #ofEpoch(bucket: number, epoch: number, start: number): Pick<PlannedBatch, 'sources' | 'samples'> {
    const piece = this.#piecesOf[bucket]![0]!;
    const size = Math.min(this.spec.batchSize, this.#lengthOf(piece) - start);
    const samples = Int32Array.from({ length: size }, (_, i) => this.#sample(piece, epoch, start + i));
    return { sources: new Uint16Array(size), samples };
  }

  #ofMix(bucket: number, start: number): Pick<PlannedBatch, 'sources' | 'samples'> {
    const { batchSize } = this.spec;
    const mix = this.#mix![bucket]!;
    const pieces = this.#piecesOf[bucket]!;
    const sources = new Uint16Array(batchSize);
    const samples = new Int32Array(batchSize);
    const next = pieces.map((_, i) => mix.countBefore(start, i));
    for (let i = 0; i < batchSize; i++) {
      const stream = mix.at(start + i);
      const piece = pieces[stream]!;
      const shown = next[stream]!;
      next[stream] = shown + 1;
      const length = this.#lengthOf(piece);
      sources[i] = this.#pieces[piece]!.source;
      samples[i] = this.#sample(piece, Math.floor(shown / length), shown % length);
    }
    return { sources, samples };
  }

  #sample(piece: number, epoch: number, position: number): number {
    return this.#pieces[piece]!.bucket.samples[this.#epochOf(piece, epoch).at(position)]!;
  }

  #epochOf(piece: number, epoch: number): EpochOrder {
    const kept = this.#epochs[piece]!;
    const found = kept.find((one) => one.epoch === epoch);
    if (found) return found.order;
    const { bucket, label } = this.#pieces[piece]!;
    const { shuffle, seed } = this.spec;
    const order = new EpochOrder({ blockStarts: bucket.blockStarts, shuffle, seed, label, epoch });
    kept.push({ epoch, order });
    if (kept.length > 2) kept.shift();
    return order;
  }

  #lengthOf(piece: number): number {
    return this.#pieces[piece]!.bucket.samples.length;
  }
}

/**
 * The samples of one rank: a contiguous share of the global batch. Shares of a full batch are equal; those of a short one differ
 * by at most one, and may be empty so that all ranks make the same number of steps.
 */
export function rankShare(size: number, rank: number, worldSize: number): { from: number; to: number } {
  return { from: Math.floor((size * rank) / worldSize), to: Math.floor((size * (rank + 1)) / worldSize) };
}

/** @throws StillhouseError bad-input when ranks would get shares of different sizes, or there is no such rank. */
export function checkWorld(batchSize: number, rank: number, worldSize: number): void {
  const whole = Number.isInteger(rank) && Number.isInteger(worldSize);
  if (whole && worldSize >= 1 && rank >= 0 && rank < worldSize && batchSize % worldSize === 0) return;
  throw new StillhouseError({
    kind: 'bad-input',
    what: 'the global batch cannot be shared equally by the ranks',
    where: `rank ${rank} of ${worldSize}`,
    wanted: `a world size that divides the batch size, ${batchSize}, and a rank below it`,
    got: `world size ${worldSize}, rank ${rank}`,
    next: 'change the batch size, which counts the samples of all ranks together',
  });
}

function nothingToShow({ name }: SourceSpec): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'there is no usable sample',
    where: `dataset ${name}`,
    wanted: 'at least one image with a usable target',
    got: '0',
    next: 'fill the cache for this dataset, or ask for other spaces',
  });
}

function batchTooLarge(batchSize: number, where: string, samples: number): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'there are fewer samples than one batch holds',
    where: where === '' ? 'the dataset' : where,
    wanted: `at least ${batchSize}`,
    got: `${samples}`,
    next: "lower the batch size, curate less strictly, or keep the last batch (`last: 'keep'`)",
  });
}
