/**
 * Rates of many small classes, each pulled towards what all classes have in common: a beta prior fitted to the counts by maximum
 * likelihood (empirical Bayes). Ranks by it are not led by classes of three images.
 */
import { logGamma } from '../clopper-pearson.ts';

export interface Count {
  readonly successes: number;
  readonly trials: number;
}

export interface BetaPrior {
  readonly alpha: number;
  readonly beta: number;
}

/** Concentrations alpha + beta that the fit may choose: from U-shaped rates to all classes alike. */
const LEAST_LOG = Math.log(0.05);
const MOST_LOG = Math.log(1e6);

/**
 * The prior under which the counts are most likely. With no successes or no failures at all every prior with that mean does
 * equally well; then the mean gets half a success (Jeffreys) and the largest concentration.
 */
export function fitBetaPrior(counts: readonly Count[]): BetaPrior {
  const trials = counts.reduce((sum, count) => sum + count.trials, 0);
  const successes = counts.reduce((sum, count) => sum + count.successes, 0);
  if (trials === 0) return { alpha: 0.5, beta: 0.5 };
  if (successes === 0 || successes === trials) {
    const mean = (successes + 0.5) / (trials + 1);
    const concentration = Math.exp(MOST_LOG);
    return { alpha: mean * concentration, beta: (1 - mean) * concentration };
  }
  let logit = Math.log(successes / (trials - successes));
  let logSize = 0;
  // two one-dimensional searches in turn: the likelihood is smooth and has one hill in each direction
  for (let round = 0; round < 4; round++) {
    logSize = largest((x) => logLikelihood(counts, logit, x), LEAST_LOG, MOST_LOG);
    const [from, to] = [logit - 3, logit + 3];
    logit = largest((x) => logLikelihood(counts, x, logSize), from, to);
  }
  return priorOf(logit, logSize);
}

/** Posterior mean (k + alpha) / (n + alpha + beta). */
export function shrunkRate({ successes, trials }: Count, { alpha, beta }: BetaPrior): number {
  return (successes + alpha) / (trials + alpha + beta);
}

function priorOf(logit: number, logSize: number): BetaPrior {
  const mean = 1 / (1 + Math.exp(-logit));
  const size = Math.exp(logSize);
  return { alpha: mean * size, beta: (1 - mean) * size };
}

function logLikelihood(counts: readonly Count[], logit: number, logSize: number): number {
  const { alpha, beta } = priorOf(logit, logSize);
  const constant = logBeta(alpha, beta);
  let sum = 0;
  for (const { successes, trials } of counts)
    sum += logBeta(successes + alpha, trials - successes + beta) - constant;
  return sum;
}

function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** Golden-section search; 40 steps narrow an interval by 4e-9. */
function largest(f: (x: number) => number, low: number, high: number): number {
  const ratio = (Math.sqrt(5) - 1) / 2;
  let [from, to] = [low, high];
  let [x, y] = [to - ratio * (to - from), from + ratio * (to - from)];
  let [fx, fy] = [f(x), f(y)];
  for (let step = 0; step < 40; step++) {
    if (fx >= fy) {
      [to, y, fy] = [y, x, fx];
      x = to - ratio * (to - from);
      fx = f(x);
    } else {
      [from, x, fx] = [x, y, fy];
      y = from + ratio * (to - from);
      fy = f(y);
    }
  }
  return (from + to) / 2;
}
