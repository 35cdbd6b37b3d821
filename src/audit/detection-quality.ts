/** How good a detector of pairs is against a known truth: precision, recall and F1, at one cut or over all of them. */

/** Which pairs are true, and how many there are in the universe that was searched. */
export interface PairTruth {
  readonly isTrue: (a: string, b: string) => boolean;
  readonly count: number;
}

export interface PairEnds {
  readonly a: string;
  readonly b: string;
}

/** Truth given as pairs; `ordered` when (a, b) and (b, a) differ (a of one side, b of another). */
export function truthOfPairs(pairs: readonly PairEnds[], ordered = false): PairTruth {
  const keys = new Set(pairs.map(({ a, b }) => pairKey(a, b, ordered)));
  return { isTrue: (a, b) => keys.has(pairKey(a, b, ordered)), count: keys.size };
}

/** Truth given as group keys within one side: two items are a pair when their keys are equal. Null belongs to no group. */
export function truthWithin(groupOf: ReadonlyMap<string, string | null>): PairTruth {
  const sizes = groupSizes(groupOf);
  let count = 0;
  for (const size of sizes.values()) count += (size * (size - 1)) / 2;
  return { isTrue: (a, b) => a !== b && sameGroup(groupOf.get(a), groupOf.get(b)), count };
}

/** Truth given as group keys across two sides: `a` of the first, `b` of the second. */
export function truthAcross(
  groupOfA: ReadonlyMap<string, string | null>,
  groupOfB: ReadonlyMap<string, string | null>,
): PairTruth {
  const sizesB = groupSizes(groupOfB);
  let count = 0;
  for (const [group, size] of groupSizes(groupOfA)) count += size * (sizesB.get(group) ?? 0);
  return { isTrue: (a, b) => sameGroup(groupOfA.get(a), groupOfB.get(b)), count };
}

export interface DetectionQuality {
  readonly truePositives: number;
  readonly falsePositives: number;
  readonly falseNegatives: number;
  /** 1 when nothing was predicted: no claim was wrong. */
  readonly precision: number;
  /** 1 when nothing was true: nothing was missed. */
  readonly recall: number;
  /** 2 tp / (2 tp + fp + fn); 1 when all three are zero. */
  readonly f1: number;
}

/** Each predicted pair must be listed once; `truth.isTrue` decides each. */
export function detectionQuality(predicted: readonly PairEnds[], truth: PairTruth): DetectionQuality {
  const truePositives = predicted.filter(({ a, b }) => truth.isTrue(a, b)).length;
  return qualityOf(truePositives, predicted.length, truth.count);
}

export interface ScoredPair extends PairEnds {
  readonly score: number;
}

export interface SweepPoint extends DetectionQuality {
  /** Pairs at this score or closer are predicted. */
  readonly threshold: number;
}

export interface ThresholdSweep {
  /** One point per distinct score, strictest first. */
  readonly curve: readonly SweepPoint[];
  /** Highest F1, the strictest of equals; null when no pair was scored. Chosen on this truth, so optimistic elsewhere. */
  readonly best: SweepPoint | null;
}

/** True pairs that were never scored count as missed at every threshold. */
export function thresholdSweep(
  scored: readonly ScoredPair[],
  truth: PairTruth,
  closer: 'higher' | 'lower',
): ThresholdSweep {
  const sign = closer === 'higher' ? -1 : 1;
  const sorted = [...scored].sort((x, y) => sign * (x.score - y.score));
  const curve: SweepPoint[] = [];
  let truePositives = 0;
  sorted.forEach((pair, i) => {
    if (truth.isTrue(pair.a, pair.b)) truePositives++;
    if (sorted[i + 1]?.score === pair.score) return;
    curve.push({ threshold: pair.score, ...qualityOf(truePositives, i + 1, truth.count) });
  });
  const best = curve.reduce<SweepPoint | null>(
    (so, point) => (so === null || point.f1 > so.f1 ? point : so),
    null,
  );
  return { curve, best };
}

function qualityOf(truePositives: number, predicted: number, count: number): DetectionQuality {
  const falsePositives = predicted - truePositives;
  const falseNegatives = count - truePositives;
  const claims = 2 * truePositives + falsePositives + falseNegatives;
  return {
    truePositives,
    falsePositives,
    falseNegatives,
    precision: predicted === 0 ? 1 : truePositives / predicted,
    recall: count === 0 ? 1 : truePositives / count,
    f1: claims === 0 ? 1 : (2 * truePositives) / claims,
  };
}

function pairKey(a: string, b: string, ordered: boolean): string {
  return ordered || a <= b ? JSON.stringify([a, b]) : JSON.stringify([b, a]);
}

function sameGroup(a: string | null | undefined, b: string | null | undefined): boolean {
  return a !== null && a !== undefined && a === b;
}

function groupSizes(groupOf: ReadonlyMap<string, string | null>): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const group of groupOf.values()) {
    if (group !== null) sizes.set(group, (sizes.get(group) ?? 0) + 1);
  }
  return sizes;
}
