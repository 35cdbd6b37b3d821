/** Exact tests of counts: binomial tails through the incomplete beta function, Fisher's exact test of a 2 x 2 table. */
import { incompleteBeta, logGamma } from '../clopper-pearson.ts';

/** P(X >= successes) for X binomial(trials, rate): the one-sided p-value of "more than `rate` explains". */
export function binomialUpperTail(successes: number, trials: number, rate: number): number {
  checkCounts(successes, trials, rate);
  return successes === 0 ? 1 : incompleteBeta(rate, successes, trials - successes + 1);
}

/** P(X <= successes). */
export function binomialLowerTail(successes: number, trials: number, rate: number): number {
  checkCounts(successes, trials, rate);
  return successes === trials ? 1 : 1 - incompleteBeta(rate, successes + 1, trials - successes);
}

function checkCounts(successes: number, trials: number, rate: number): void {
  const whole = Number.isInteger(successes) && Number.isInteger(trials);
  if (!whole || successes < 0 || successes > trials || !(rate >= 0 && rate <= 1))
    throw new Error(`internal: no binomial test of ${successes} of ${trials} at ${rate}`);
}

/** Of `drawn` items, `hits` are of the kind; of the `rest`, `restHits` are. */
export interface TwoByTwo {
  readonly hits: number;
  readonly drawn: number;
  readonly restHits: number;
  readonly rest: number;
}

/**
 * Two-sided p-value of Fisher's exact test: all tables with the same margins that are no more likely than the one seen
 * (Agresti, "Categorical Data Analysis", 3rd ed., §3.5). 1 where a side is empty.
 */
export function fisherExact({ hits, drawn, restHits, rest }: TwoByTwo): number {
  const kind = hits + restHits;
  const total = drawn + rest;
  const logChance = (k: number): number =>
    logChoose(kind, k) + logChoose(total - kind, drawn - k) - logChoose(total, drawn);
  const seen = logChance(hits);
  let p = 0;
  for (let k = Math.max(0, drawn - (total - kind)); k <= Math.min(kind, drawn); k++) {
    const log = logChance(k);
    // the slack keeps tables of equal chance together in spite of rounding
    if (log <= seen + 1e-9) p += Math.exp(log);
  }
  return Math.min(1, p);
}

function logChoose(n: number, k: number): number {
  return logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);
}

/** Fewest items to check so that none found certifies "rate at most `rate`", one-sided: ceil(ln(1 - confidence) / ln(1 - rate)). */
export function trialsToCertify(rate: number, confidence = 0.95): number {
  if (!(rate > 0 && rate < 1) || !(confidence > 0 && confidence < 1))
    throw new Error(`internal: nothing certifies rate ${rate} at confidence ${confidence}`);
  return Math.ceil(Math.log1p(-confidence) / Math.log1p(-rate));
}

/** Chance that two independent uniform hashes of `bits` bits lie within a Hamming radius. Real hashes collide more often. */
export function chanceWithinRadius(radius: number, bits = 64): number {
  return binomialLowerTail(Math.min(radius, bits), bits, 0.5);
}
