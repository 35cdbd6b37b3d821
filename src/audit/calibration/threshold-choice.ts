/**
 * Which cut of a detector to use on this data (audit-and-curation.md §5.3): recall on altered copies of the user's own images, false
 * matches on pairs that are known to be different, precision at the prior of the deployment, and the cut with the highest recall
 * among those that are precise enough. The cut is chosen on one half of the queries and judged on the other.
 */
import { type Interval, clopperPearson } from '../clopper-pearson.ts';

/** Scores of one detector. Higher is closer; a detector of distances negates them. */
export interface DetectorScores {
  readonly level: string;
  readonly positives: readonly PositiveScore[];
  /** One entry per query: scores of the query against every distractor. */
  readonly negatives: readonly NegativeScores[];
  /** Cuts to try. */
  readonly thresholds: readonly number[];
}

export interface PositiveScore {
  readonly query: string;
  readonly alteration: string;
  /** -Infinity when the copy was not proposed at all. */
  readonly score: number;
}

export interface NegativeScores {
  readonly query: string;
  readonly scores: Float64Array;
}

export interface DeploymentPrior {
  /** Pairs that the audit compares. */
  readonly pairs: number;
  /** Copies that are assumed to be among them. */
  readonly copies: number;
}

export interface ThresholdPoint {
  readonly threshold: number;
  readonly planted: number;
  readonly found: number;
  readonly recall: Interval & { readonly value: number };
  readonly comparisons: number;
  readonly falseMatches: number;
  /** False matches per million pairs, with its Clopper-Pearson interval. */
  readonly perMillion: Interval & { readonly value: number };
  /** At the prior; the lower end takes the lower recall with the higher false-match rate. */
  readonly precision: number;
  readonly precisionLow: number;
}

export interface AlterationRecall {
  readonly alteration: string;
  readonly planted: number;
  readonly found: number;
  readonly recall: Interval & { readonly value: number };
}

export interface LevelCalibration {
  readonly level: string;
  /** On the half that the choice was made on. */
  readonly curve: readonly ThresholdPoint[];
  /** Null when no cut is precise enough; then the level cannot stand alone on this data. */
  readonly chosen: number | null;
  /** At the chosen cut on the other half, which the choice never saw; null without one. */
  readonly validation: ThresholdPoint | null;
  readonly alterations: readonly AlterationRecall[];
  readonly reason: string | null;
}

export interface ChoicePolicy {
  /** Least lower bound of the precision. */
  readonly minPrecision: number;
  readonly prior: DeploymentPrior;
  /** Whether a query belongs to the half that chooses. */
  readonly chooses: (query: string) => boolean;
}

export function calibrateLevel(scores: DetectorScores, policy: ChoicePolicy): LevelCalibration {
  const half = (choosing: boolean): DetectorScores => ({
    ...scores,
    positives: scores.positives.filter(({ query }) => policy.chooses(query) === choosing),
    negatives: scores.negatives.filter(({ query }) => policy.chooses(query) === choosing),
  });
  const [choosing, judging] = [half(true), half(false)];
  const curve = [...scores.thresholds]
    .sort((a, b) => b - a)
    .map((threshold) => pointAt(choosing, threshold, policy.prior));
  let best: ThresholdPoint | null = null;
  // strictest first: of equal recall the strictest cut stays
  for (const point of curve)
    if (point.precisionLow >= policy.minPrecision && (best === null || point.found > best.found))
      best = point;
  if (best === null || best.found === 0) {
    const most = Math.max(0, ...curve.map(({ precisionLow }) => precisionLow));
    return {
      level: scores.level,
      curve,
      chosen: null,
      validation: null,
      alterations: [],
      reason: `no cut reaches a precision of ${policy.minPrecision}: the highest lower bound is ${most.toFixed(3)}`,
    };
  }
  const { threshold } = best;
  const names = [...new Set(scores.positives.map(({ alteration }) => alteration))];
  return {
    level: scores.level,
    curve,
    chosen: threshold,
    validation: pointAt(judging, threshold, policy.prior),
    alterations: names.map((alteration) => {
      const own = judging.positives.filter((one) => one.alteration === alteration);
      const found = own.filter(({ score }) => score >= threshold).length;
      return { alteration, planted: own.length, found, recall: share(found, own.length) };
    }),
    reason: null,
  };
}

function pointAt(
  { positives, negatives }: DetectorScores,
  threshold: number,
  prior: DeploymentPrior,
): ThresholdPoint {
  const found = positives.filter(({ score }) => score >= threshold).length;
  let falseMatches = 0;
  let comparisons = 0;
  for (const { scores } of negatives) {
    comparisons += scores.length;
    for (const score of scores) if (score >= threshold) falseMatches += 1;
  }
  const recall = share(found, positives.length);
  const rate = share(falseMatches, comparisons);
  const million = (x: number): number => x * 1e6;
  return {
    threshold,
    planted: positives.length,
    found,
    recall,
    comparisons,
    falseMatches,
    perMillion: { value: million(rate.value), low: million(rate.low), high: million(rate.high) },
    precision: precisionAt(recall.value, rate.value, prior),
    precisionLow: precisionAt(recall.low, rate.high, prior),
  };
}

/** Nothing matched, nothing false: 1. */
function precisionAt(recall: number, falseRate: number, { pairs, copies }: DeploymentPrior): number {
  const right = copies * recall;
  const wrong = Math.max(0, pairs - copies) * falseRate;
  return right + wrong === 0 ? 1 : right / (right + wrong);
}

function share(successes: number, trials: number): Interval & { readonly value: number } {
  return { value: trials === 0 ? 0 : successes / trials, ...clopperPearson(successes, trials) };
}
