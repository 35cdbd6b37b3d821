/**
 * Label accuracy by weighted nearest neighbours, the usual probe of frozen features (Wu et al., "Unsupervised Feature Learning
 * via Non-Parametric Instance Discrimination", 2018, §3.4): each neighbour votes exp(cosine / temperature).
 */

export interface KnnInput {
  /** [m * width] base indices, best first, -1 = none; from a search that found at least k after exclusions. */
  readonly indices: Int32Array;
  /** [m * width] cosine similarities. */
  readonly scores: Float32Array;
  /** Neighbours listed per query. */
  readonly width: number;
  /** Label of each base row; a row without one does not vote and takes no place. */
  readonly baseLabels: readonly (string | null)[];
  /** Label of each query; queries without one are not counted. */
  readonly queryLabels: readonly (string | null)[];
  /** Base rows that may not vote for a query (its twin): they take no place either. */
  readonly excluded?: (query: number) => ReadonlySet<number>;
  /** Voters per query, default 20. */
  readonly k?: number;
  /** Default 0.07. */
  readonly temperature?: number;
}

export interface KnnResult {
  /** correct / counted; null when no query has a label. */
  readonly accuracy: number | null;
  readonly correct: number;
  readonly counted: number;
  /** Per query; null where nobody could vote, which counts as wrong. */
  readonly predictions: readonly (string | null)[];
}

/** Equal votes go to the label that sorts first. */
export function knnClassify(input: KnnInput): KnnResult {
  const predictions = input.queryLabels.map((_, query) => predict(input, query));
  let correct = 0;
  let counted = 0;
  input.queryLabels.forEach((label, query) => {
    if (label === null) return;
    counted++;
    if (predictions[query] === label) correct++;
  });
  return { accuracy: counted === 0 ? null : correct / counted, correct, counted, predictions };
}

function predict(input: KnnInput, query: number): string | null {
  const { indices, scores, width, baseLabels, k = 20, temperature = 0.07 } = input;
  const excluded = input.excluded?.(query);
  const votes = new Map<string, number>();
  let nearest: number | undefined;
  let voters = 0;
  for (let at = query * width; at < (query + 1) * width && voters < k; at++) {
    const base = indices[at]!;
    if (base < 0) break;
    const label = baseLabels[base];
    if (label === null || label === undefined || excluded?.has(base)) continue;
    nearest ??= scores[at]!;
    // relative to the nearest, so that a small temperature cannot overflow; the winner is the same
    const vote = Math.exp((scores[at]! - nearest) / temperature);
    votes.set(label, (votes.get(label) ?? 0) + vote);
    voters++;
  }
  let best: string | null = null;
  for (const label of [...votes.keys()].sort()) {
    if (best === null || votes.get(label)! > votes.get(best)!) best = label;
  }
  return best;
}
