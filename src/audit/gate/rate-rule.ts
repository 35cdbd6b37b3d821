/** Whether a share of images is low enough: as counted, at the upper end of its interval, or after correction for the detector. */
import type { Rng } from '../../core/rng.ts';
import { clopperPearson } from '../clopper-pearson.ts';
import { correctedRate } from '../statistics/detector-error.ts';
import { type RuleResult, atMost, invalid } from './rule-result.ts';

export interface CalibratedLevel {
  readonly level: string;
  readonly chosen: number | null;
  readonly reason: string | null;
  readonly validation: {
    readonly planted: number;
    readonly found: number;
    readonly precision: number;
    readonly recall: { readonly value: number; readonly low: number };
    readonly precisionLow: number;
  } | null;
}

export interface RateJudgement {
  readonly name: string;
  readonly rule: {
    readonly level: string;
    readonly maxRate: number;
    readonly bound: 'point' | 'upper95' | 'corrected95';
  };
  readonly matched: number;
  readonly images: number;
  /** Null without a calibration. */
  readonly calibration: readonly CalibratedLevel[] | null;
  /** For the bound `corrected95`. */
  readonly rng: Rng;
}

export function rateRule({ name, rule, matched: hits, images, calibration, rng }: RateJudgement): RuleResult {
  const words = `${hits} of ${images} images have a match at level ${rule.level}`;
  if (rule.bound === 'point') return atMost(name, hits / images, rule.maxRate, words);
  if (rule.bound === 'upper95') {
    const { high } = clopperPearson(hits, images);
    return atMost(name, high, rule.maxRate, `${words}; upper end of the 95 % interval`);
  }
  const level = calibration?.find((one) => one.level === rule.level);
  if (level === undefined)
    return invalid(
      name,
      `level ${rule.level} was not calibrated, so its rate cannot be corrected`,
      rule.maxRate,
    );
  if (level.validation === null)
    return invalid(name, level.reason ?? 'the calibration chose no cut', rule.maxRate);
  const { planted, found, precision } = level.validation;
  const { rate, interval } = correctedRate(
    {
      flagged: { successes: hits, trials: images },
      recall: { successes: found, trials: planted },
      // as many pseudo-reviews as copies were planted: the precision is no better known than that
      falseAlarms: { kind: 'precision', successes: Math.round(precision * planted), trials: planted },
    },
    { rng },
  );
  if (rate === null)
    return invalid(name, 'the calibration found none of its copies, so no rate can be said', rule.maxRate);
  return atMost(
    name,
    interval.high,
    rule.maxRate,
    `${words}; upper end after correction for recall ${(found / planted).toFixed(3)} and precision ${precision.toFixed(3)}`,
  );
}
