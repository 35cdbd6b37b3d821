/**
 * In which order one epoch shows the samples of one source that is stored in blocks (row groups). Blocks are permuted, then each
 * block's samples are spread evenly over a window of stated width around the block's place, and read in order of that position:
 * mixing close to that of MosaicML's `py1e` with a bounded number of blocks in use at any time (formats-and-loaders.md §2.1-2.2).
 *
 * Nothing is kept per epoch but the places of the blocks. A position moves by at most H = (window + longest block) / 2, so the
 * sample at q lies within 2H of q and any stretch is sorted from its neighbourhood alone: access is random, and exact.
 */
import { Rng } from '../core/rng.ts';
import { Permutation, mix32 } from './permutation.ts';

/**
 * - `blocks`: spread over a window of `spread` average blocks; at most about `spread` blocks are in use at once.
 * - `global`: every order equally likely; the whole source is in use.
 * - `none`: as stored, for evaluations.
 */
export type Shuffle =
  | { readonly kind: 'blocks'; readonly spread: number }
  | { readonly kind: 'global' }
  | { readonly kind: 'none' };

export interface EpochSpec {
  /** First sample of each block, and the number of samples as last entry: [0, ..., samples]. */
  readonly blockStarts: Int32Array;
  readonly shuffle: Shuffle;
  readonly seed: number;
  /** Tells sources of one seed apart. */
  readonly label: string;
  readonly epoch: number;
}

/** Least number of samples that are ordered at once: below it the neighbourhood would be sorted again and again. */
const LEAST_CHUNK = 2048;

export class EpochOrder {
  readonly samples: number;
  readonly #at: (q: number) => number;

  constructor(spec: EpochSpec) {
    this.samples = spec.blockStarts.at(-1)!;
    this.#at = positionsOf(spec, this.samples);
  }

  /** The stored sample that is shown at position `q` of the epoch. */
  at(q: number): number {
    if (!(q >= 0 && q < this.samples)) throw new Error(`internal: position ${q} of ${this.samples}`);
    return this.#at(q);
  }
}

function positionsOf(spec: EpochSpec, samples: number): (q: number) => number {
  const { shuffle, seed, label, epoch } = spec;
  switch (shuffle.kind) {
    case 'none':
      return (q) => q;
    case 'global': {
      const permutation = new Permutation(samples, seed, label, epoch);
      return (q) => permutation.at(q);
    }
    case 'blocks': {
      const spread = new BlockSpread(spec, shuffle.spread);
      return (q) => spread.at(q);
    }
  }
}

class BlockSpread {
  readonly #starts: Int32Array;
  readonly #samples: number;
  /** Block at each place, and the position where that place starts. */
  readonly #blockAt: Int32Array;
  readonly #placeStarts: Int32Array;
  readonly #window: number;
  readonly #reach: number;
  readonly #chunk: number;
  readonly #keys: readonly [number, number];
  #first = 0;
  #ordered: Int32Array = new Int32Array(0);

  constructor(spec: EpochSpec, spread: number) {
    const starts = spec.blockStarts;
    const blocks = starts.length - 1;
    this.#starts = starts;
    this.#samples = starts.at(-1)!;
    const permutation = new Permutation(blocks, spec.seed, spec.label, spec.epoch);
    this.#blockAt = Int32Array.from({ length: blocks }, (_, place) => permutation.at(place));
    this.#placeStarts = new Int32Array(blocks + 1);
    let longest = 0;
    this.#blockAt.forEach((block, place) => {
      const length = starts[block + 1]! - starts[block]!;
      longest = Math.max(longest, length);
      this.#placeStarts[place + 1] = this.#placeStarts[place]! + length;
    });
    this.#window = Math.max(1, (spread * this.#samples) / blocks);
    this.#reach = Math.ceil(Math.max(this.#window, longest) + longest) + 1;
    this.#chunk = Math.max(LEAST_CHUNK, 2 * this.#reach);
    const rng = new Rng(spec.seed, 'spread', spec.label, spec.epoch);
    this.#keys = [rng.uint32(), rng.uint32()];
  }

  at(q: number): number {
    if (q < this.#first || q >= this.#first + this.#ordered.length) {
      this.#first = q - (q % this.#chunk);
      this.#ordered = this.#stretch(this.#first, Math.min(this.#samples, this.#first + this.#chunk));
    }
    return this.#ordered[q - this.#first]!;
  }

  /** Samples shown at positions [from, to): the neighbourhood sorted by spread position, its margins cut off. */
  #stretch(from: number, to: number): Int32Array {
    const low = Math.max(0, from - this.#reach);
    const high = Math.min(this.#samples, to + this.#reach);
    const samples = new Int32Array(high - low);
    const positions = new Float64Array(high - low);
    let place = this.#placeOf(low);
    for (let p = low; p < high; p++) {
      while (p >= this.#placeStarts[place + 1]!) place += 1;
      const start = this.#placeStarts[place]!;
      const length = this.#placeStarts[place + 1]! - start;
      const sample = this.#starts[this.#blockAt[place]!]! + (p - start);
      samples[p - low] = sample;
      positions[p - low] =
        start + length / 2 + (this.#uniform(sample) - 0.5) * Math.max(this.#window, length);
    }
    const order = Uint32Array.from(samples.keys());
    order.sort((a, b) => positions[a]! - positions[b]! || a - b);
    return Int32Array.from(order.subarray(from - low, to - low), (i) => samples[i]!);
  }

  /** In [0, 1), 53 bits, a function of the epoch's keys and the sample. */
  #uniform(sample: number): number {
    const high = mix32(sample, this.#keys[0]) >>> 5;
    const low = mix32(sample, this.#keys[1]) >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  }

  #placeOf(position: number): number {
    let low = 0;
    let high = this.#blockAt.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#placeStarts[middle]! <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
