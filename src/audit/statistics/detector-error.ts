/**
 * What an observed rate says about the true one when the detector errs (audit-and-curation.md §2.6). Where every item was checked
 * there is no sampling error at all and the detector's is the one that counts.
 */
import type { Rng } from '../../core/rng.ts';
import type { Interval } from '../clopper-pearson.ts';
import type { Count } from './beta-binomial.ts';

/**
 * True prevalence behind an observed one: (p + specificity - 1) / (sensitivity + specificity - 1), clipped to [0, 1] (Rogan and
 * Gladen, Am. J. Epidemiol. 107, 1978).
 * @throws Error (a defect) for a detector no better than a coin (sensitivity + specificity <= 1).
 */
export function roganGladen({
  observed,
  sensitivity,
  specificity,
}: {
  readonly observed: number;
  readonly sensitivity: number;
  readonly specificity: number;
}): number {
  const power = sensitivity + specificity - 1;
  if (!(power > 0)) throw new Error('internal: a detector no better than a coin says nothing about a rate');
  return clip((observed + specificity - 1) / power);
}

export interface DetectorCounts {
  /** Items flagged, of all that were checked. */
  readonly flagged: Count;
  /** Known copies found, of those planted: the sensitivity. */
  readonly recall: Count;
  /**
   * How false alarms were measured: `precision` counts confirmed pairs among those reviewed, `specificity` clean items left in
   * peace among known clean ones.
   */
  readonly falseAlarms: { readonly kind: 'precision' | 'specificity' } & Count;
}

export interface CorrectedRate {
  /** Null when the detector found none of the copies, or is no better than a coin: then no rate can be said. */
  readonly rate: number | null;
  readonly interval: Interval;
}

export interface CorrectionOptions {
  readonly rng: Rng;
  readonly confidence?: number;
  /** Draws of the parametric bootstrap. Default 4,000. */
  readonly draws?: number;
}

/**
 * The corrected rate and a percentile interval. Each draw takes the flagged share, the recall and the false alarms from their
 * Jeffreys posteriors Beta(k + 1/2, n - k + 1/2), so that three uncertain counts become one interval. A draw in which the
 * detector says nothing stands for the whole range: half such draws widen the interval to [0, 1], as they must.
 */
export function correctedRate(counts: DetectorCounts, options: CorrectionOptions): CorrectedRate {
  const { rng, confidence = 0.95, draws = 4000 } = options;
  const { flagged, recall, falseAlarms } = counts;
  if (flagged.trials === 0 || recall.trials === 0 || falseAlarms.trials === 0)
    return { rate: null, interval: { low: 0, high: 1 } };
  const kind = falseAlarms.kind;
  const rate = trueRate(kind, share(flagged), share(recall), share(falseAlarms));
  const lows: number[] = [];
  const highs: number[] = [];
  for (let i = 0; i < draws; i++) {
    const drawn = trueRate(kind, draw(rng, flagged), draw(rng, recall), draw(rng, falseAlarms));
    lows.push(drawn ?? 0);
    highs.push(drawn ?? 1);
  }
  const tail = (1 - confidence) / 2;
  return {
    rate,
    interval: { low: quantile(lows, tail), high: quantile(highs, 1 - tail) },
  };
}

function trueRate(
  kind: 'precision' | 'specificity',
  observed: number,
  sensitivity: number,
  quality: number,
): number | null {
  if (kind === 'precision') return sensitivity > 0 ? clip((observed * quality) / sensitivity) : null;
  if (!(sensitivity + quality > 1)) return null;
  return roganGladen({ observed, sensitivity, specificity: quality });
}

/** Value at a share of the sorted sample, the lower neighbour. */
export function quantile(sample: readonly number[], share: number): number {
  const sorted = Float64Array.from(sample).sort();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]!;
}

function share({ successes, trials }: Count): number {
  return successes / trials;
}

function draw(rng: Rng, { successes, trials }: Count): number {
  const x = gammaDraw(rng, successes + 0.5);
  const y = gammaDraw(rng, trials - successes + 0.5);
  return x / (x + y);
}

/** Gamma(shape, 1) by Marsaglia and Tsang (ACM TOMS 26, 2000); shapes below 1 through shape + 1. */
export function gammaDraw(rng: Rng, shape: number): number {
  if (shape < 1) return gammaDraw(rng, shape + 1) * (1 - rng.uniform()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = rng.normal();
    const v = (1 + c * x) ** 3;
    if (v <= 0) continue;
    const u = 1 - rng.uniform();
    if (Math.log(u) < (x * x) / 2 + d - d * v + d * Math.log(v)) return d * v;
  }
}

function clip(x: number): number {
  return Math.min(1, Math.max(0, x));
}
