/**
 * Mean, covariance and range of tokens in one pass, in float64. Tiles of tokens are centred on their own mean and merged by the
 * formula of Chan, Golub and LeVeque ("Updating formulae and a pairwise algorithm for computing sample variances", 1979), so a
 * large common offset costs no digits. Any order of the tokens gives the same figures up to rounding (1e-12 of the largest
 * variance in the tests); the same order gives the same bits on every machine.
 */
import { GramSum } from '../../core/linear-algebra/gram-sum.ts';

/** Tokens per tile; one more row carries the correction of the merge. */
const TILE_TOKENS = 255;

export interface Moments {
  readonly tokens: number;
  /** All [C]. */
  readonly mean: Float64Array;
  readonly min: Float64Array;
  readonly max: Float64Array;
  /** Of the population, [C, C]. */
  readonly covariance: Float64Array;
}

export class FeatureMoments {
  readonly channels: number;
  readonly #mean: Float64Array;
  readonly #min: Float64Array;
  readonly #max: Float64Array;
  readonly #scatter: GramSum;
  readonly #waiting: Float32Array;
  readonly #tileMean: Float64Array;
  #waitingTokens = 0;
  #tokens = 0;

  constructor(channels: number) {
    this.channels = channels;
    this.#mean = new Float64Array(channels);
    this.#min = new Float64Array(channels).fill(Infinity);
    this.#max = new Float64Array(channels).fill(-Infinity);
    this.#scatter = new GramSum(channels, TILE_TOKENS + 1);
    this.#waiting = new Float32Array(TILE_TOKENS * channels);
    this.#tileMean = new Float64Array(channels);
  }

  /** values [n, C], or [n, h, w, C]: every cell is a token. All of them finite. */
  add(values: Float32Array): void {
    if (values.length % this.channels !== 0)
      throw new Error(`internal: ${values.length} values are no tokens of ${this.channels} channels`);
    const length = this.#waiting.length;
    for (let at = 0; at < values.length;) {
      const used = this.#waitingTokens * this.channels;
      const count = Math.min(length - used, values.length - at);
      this.#waiting.set(values.subarray(at, at + count), used);
      this.#waitingTokens += count / this.channels;
      at += count;
      if (used + count === length) this.#flush();
    }
  }

  /** Adds what another has seen. */
  merge(other: FeatureMoments): void {
    this.#flush();
    other.#flush();
    if (other.#tokens === 0) return;
    for (let c = 0; c < this.channels; c++) {
      this.#min[c] = Math.min(this.#min[c]!, other.#min[c]!);
      this.#max[c] = Math.max(this.#max[c]!, other.#max[c]!);
    }
    this.#scatter.addMatrix(other.#scatter.matrix());
    const correction = this.#mergeMean(other.#mean, other.#tokens);
    if (correction === null) return;
    this.#scatter.add(1, (tile) => {
      for (let c = 0; c < this.channels; c++) tile[(c >> 2) * 4 + (c & 3)] = correction[c]!;
    });
  }

  /** @throws Error (a defect) without tokens. */
  result(): Moments {
    this.#flush();
    if (this.#tokens === 0) throw new Error('internal: no tokens have no moments');
    return {
      tokens: this.#tokens,
      mean: this.#mean.slice(),
      min: this.#min.slice(),
      max: this.#max.slice(),
      covariance: this.#scatter.matrix().map((sum) => sum / this.#tokens),
    };
  }

  #flush(): void {
    const count = this.#waitingTokens;
    if (count === 0) return;
    const { channels } = this;
    const tileMean = this.#describeTile(count);
    const tokens = this.#waiting;
    const correction = this.#mergeMean(tileMean, count);
    const rows = correction === null ? count : count + 1;
    this.#scatter.add(rows, (tile) => {
      for (let t = 0; t < count; t++) {
        const from = t * channels;
        for (let c = 0; c < channels; c++)
          tile[((c >> 2) * rows + t) * 4 + (c & 3)] = tokens[from + c]! - tileMean[c]!;
      }
      if (correction === null) return;
      for (let c = 0; c < channels; c++) tile[((c >> 2) * rows + count) * 4 + (c & 3)] = correction[c]!;
    });
    this.#waitingTokens = 0;
  }

  /** Mean of the waiting tokens; their range goes into that of all. */
  #describeTile(count: number): Float64Array {
    const { channels } = this;
    const mean = this.#tileMean.fill(0);
    for (let at = 0; at < count * channels; at += channels)
      for (let c = 0; c < channels; c++) {
        const value = this.#waiting[at + c]!;
        mean[c]! += value;
        if (value < this.#min[c]!) this.#min[c] = value;
        if (value > this.#max[c]!) this.#max[c] = value;
      }
    for (let c = 0; c < channels; c++) mean[c]! /= count;
    return mean;
  }

  /**
   * Moves the mean by `count` tokens of another mean. Returns the row whose outer product the scatter lacks: the distance of the
   * two means, times sqrt(n m / (n + m)); null for the first tokens.
   */
  #mergeMean(mean: Float64Array, count: number): Float64Array | null {
    const before = this.#tokens;
    const after = before + count;
    this.#tokens = after;
    if (before === 0) {
      this.#mean.set(mean);
      return null;
    }
    const weight = Math.sqrt((before * count) / after);
    const correction = new Float64Array(this.channels);
    for (let c = 0; c < this.channels; c++) {
      const distance = mean[c]! - this.#mean[c]!;
      correction[c] = distance * weight;
      this.#mean[c]! += distance * (count / after);
    }
    return correction;
  }
}
