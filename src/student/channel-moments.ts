/** Streaming mean and standard deviation per channel, for standardising targets. */
import type { Standardisation } from './student-config.ts';

/** A channel whose standard deviation is below this share of the typical one is dead: dividing by it would amplify noise. */
const DEAD_CHANNEL_SHARE = 1e-4;

/** Sums in float64 around the first row, so that a large common offset does not cancel away the variance. */
export class ChannelMoments {
  readonly channels: number;
  #rows = 0;
  readonly #origin: Float64Array;
  readonly #sum: Float64Array;
  readonly #squares: Float64Array;

  constructor(channels: number) {
    this.channels = channels;
    this.#origin = new Float64Array(channels);
    this.#sum = new Float64Array(channels);
    this.#squares = new Float64Array(channels);
  }

  get rows(): number {
    return this.#rows;
  }

  /** values [n, C], or [n, h, w, C]: every token is a row. */
  add(values: Float32Array): void {
    if (values.length % this.channels !== 0)
      throw new Error(`internal: ${values.length} values are no rows of ${this.channels} channels`);
    if (this.#rows === 0) this.#origin.set(values.subarray(0, this.channels));
    for (let at = 0; at < values.length; at += this.channels)
      for (let c = 0; c < this.channels; c++) {
        const value = values[at + c]! - this.#origin[c]!;
        this.#sum[c]! += value;
        this.#squares[c]! += value * value;
      }
    this.#rows += values.length / this.channels;
  }

  /** [C] */
  mean(): number[] {
    return Array.from(this.#sum, (sum, c) => this.#origin[c]! + sum / Math.max(1, this.#rows));
  }

  /** Population variance [C], never below 0. */
  variance(): number[] {
    const rows = Math.max(1, this.#rows);
    return Array.from(this.#squares, (squares, c) =>
      Math.max(0, squares / rows - (this.#sum[c]! / rows) ** 2),
    );
  }

  /** Dead channels get a standard deviation of 1: after the subtraction they stay near 0 and say nothing. */
  standardisation(): Standardisation {
    const variance = this.variance();
    const typical = Math.sqrt(variance.reduce((sum, v) => sum + v, 0) / this.channels);
    const floor = DEAD_CHANNEL_SHARE * typical;
    return { mean: this.mean(), std: variance.map((v) => (Math.sqrt(v) > floor ? Math.sqrt(v) : 1)) };
  }
}
