/**
 * Angular dispersion of summaries around their mean direction, E[angle^2] in square radians (C-RADIOv4, arXiv 2601.17237;
 * distillation.md §3.4): what the balanced summary loss divides by. An angle is no moment, so the mean has to be known first.
 */
export class AngularDispersion {
  readonly #direction: Float64Array;
  #sum = 0;
  #count = 0;

  /** @param mean of all summaries, [D]. */
  constructor(mean: Float64Array) {
    const length = Math.sqrt(mean.reduce((sum, value) => sum + value * value, 0));
    this.#direction = length > 0 ? mean.map((value) => value / length) : mean;
  }

  /** summaries [n, D]; zero vectors have no direction and are left out. */
  add(summaries: Float32Array): void {
    const width = this.#direction.length;
    for (let at = 0; at < summaries.length; at += width) {
      let [dot, square] = [0, 0];
      for (let c = 0; c < width; c++) {
        dot += summaries[at + c]! * this.#direction[c]!;
        square += summaries[at + c]! ** 2;
      }
      if (square === 0) continue;
      this.#sum += Math.acos(Math.max(-1, Math.min(1, dot / Math.sqrt(square)))) ** 2;
      this.#count += 1;
    }
  }

  /** Null without summaries. */
  result(): number | null {
    return this.#count === 0 ? null : this.#sum / this.#count;
  }
}
