/**
 * The part of a teacher's maps that does not depend on the image: position embeddings and borders leave a pattern (distillation.md
 * §8.1, "DINOv2 PE noise"). R_pos is the variance of the mean map over its positions as a share of the variance of all tokens.
 */
export class PositionMeans {
  readonly #sums: Float64Array;
  #maps = 0;

  /** @param values of one map, h * w * C. */
  constructor(values: number) {
    this.#sums = new Float64Array(values);
  }

  /** One map, [h, w, C]. */
  add(map: Float32Array): void {
    const sums = this.#sums;
    for (let i = 0; i < sums.length; i++) sums[i]! += map[i]!;
    this.#maps += 1;
  }

  /** Mean over the maps, [h, w, C]. */
  mean(): Float64Array {
    return this.#sums.map((sum) => sum / this.#maps);
  }

  /**
   * @param mean of all tokens, [C].
   * @param variance of all tokens, summed over channels.
   */
  share(mean: Float64Array, variance: number): PositionShare {
    const channels = mean.length;
    const positions = this.#sums.length / channels;
    let between = 0;
    for (let i = 0; i < this.#sums.length; i++)
      between += (this.#sums[i]! / this.#maps - mean[i % channels]!) ** 2 / positions;
    const share = variance > 0 ? between / variance : 0;
    return { share, byChance: (1 - share) / Math.max(1, this.#maps - 1), maps: this.#maps };
  }
}

export interface PositionShare {
  /** R_pos, 0..1. */
  readonly share: number;
  /** What maps without any pattern would show: the mean of few maps is uneven by chance. */
  readonly byChance: number;
  readonly maps: number;
}
