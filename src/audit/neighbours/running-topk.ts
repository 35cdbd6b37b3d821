/** The best k base rows seen so far for each query; the same set in any order of arrival. */

export class RunningTopk {
  readonly #k: number;
  readonly #scores: Float64Array;
  readonly #indices: Int32Array;
  readonly #counts: Int32Array;

  constructor(queryCount: number, k: number) {
    this.#k = k;
    this.#scores = new Float64Array(queryCount * k);
    this.#indices = new Int32Array(queryCount * k);
    this.#counts = new Int32Array(queryCount);
  }

  /** What a row must reach to get in: the score of the last one kept, -Infinity while there is room. */
  bar(query: number): number {
    return this.#counts[query]! < this.#k ? -Infinity : this.#scores[(query + 1) * this.#k - 1]!;
  }

  /** Offers one base row. Higher scores win, equal scores go to the lower index; a row that is already kept is ignored. */
  offer(query: number, index: number, score: number): void {
    const start = query * this.#k;
    const count = this.#counts[query]!;
    let at = start + count;
    while (at > start && isBefore(score, index, this.#scores[at - 1]!, this.#indices[at - 1]!)) at--;
    if (at > start && this.#indices[at - 1] === index && this.#scores[at - 1] === score) return;
    if (at === start + this.#k) return;
    const end = start + Math.min(count + 1, this.#k);
    this.#scores.copyWithin(at + 1, at, end - 1);
    this.#indices.copyWithin(at + 1, at, end - 1);
    this.#scores[at] = score;
    this.#indices[at] = index;
    this.#counts[query] = end - start;
  }

  /** Indices [m * k] with -1 and scores [m * k] with NaN where a query has fewer than k. */
  result(): { readonly indices: Int32Array; readonly scores: Float32Array } {
    const indices = this.#indices.slice();
    const scores = Float32Array.from(this.#scores);
    for (let query = 0; query < this.#counts.length; query++) {
      const from = query * this.#k + this.#counts[query]!;
      const to = (query + 1) * this.#k;
      indices.fill(-1, from, to);
      scores.fill(NaN, from, to);
    }
    return { indices, scores };
  }
}

function isBefore(score: number, index: number, otherScore: number, otherIndex: number): boolean {
  return score > otherScore || (score === otherScore && index < otherIndex);
}
