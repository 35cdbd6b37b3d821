/** The exact binomial interval of Clopper and Pearson (Biometrika 26, 1934), on an incomplete beta function of our own. */

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * Interval for the rate behind `successes` out of `trials`: [B(a/2; k, n-k+1), B(1-a/2; k+1, n-k)]. No trials: [0, 1].
 * @throws Error (a defect) unless 0 <= successes <= trials, both whole, and confidence lies in (0, 1).
 */
export function clopperPearson(successes: number, trials: number, confidence = 0.95): Interval {
  const whole = Number.isInteger(successes) && Number.isInteger(trials);
  if (!whole || successes < 0 || successes > trials || !(confidence > 0 && confidence < 1)) {
    throw new Error(`internal: no interval for ${successes} of ${trials} at ${confidence}`);
  }
  const tail = (1 - confidence) / 2;
  const failures = trials - successes;
  return {
    low: successes === 0 ? 0 : betaQuantile(tail, successes, failures + 1),
    high: failures === 0 ? 1 : 1 - betaQuantile(tail, failures, successes + 1),
  };
}

/** The x with I_x(a, b) = p, by bisection to the last bit: slow, sure, and called a few dozen times per report. */
export function betaQuantile(p: number, a: number, b: number): number {
  let low = 0;
  let high = 1;
  for (let step = 0; step < 2000; step++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (incompleteBeta(middle, a, b) < p) low = middle;
    else high = middle;
  }
  return high;
}

/** Regularized incomplete beta I_x(a, b) for a, b > 0, by the continued fraction of DLMF 8.17.22. */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // the fraction converges fast left of the mean; the other side follows by symmetry (DLMF 8.17.4)
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const logFront = a * Math.log(x) + b * Math.log1p(-x) - logBeta(a, b) - Math.log(a);
  return Math.exp(logFront) * betaFraction(x, a, b);
}

/** 1 / (1 + d1 / (1 + d2 / (1 + ...))) with d of DLMF 8.17.23, from the front (modified Lentz). */
function betaFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  let value = 1;
  let c = 1;
  let d = 0;
  for (let j = 1; j <= 10_000; j++) {
    const m = j >> 1;
    const step =
      j % 2 === 1
        ? (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
        : (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / nonZero(1 + step * d, tiny);
    c = nonZero(1 + step / c, tiny);
    value *= c * d;
    if (Math.abs(c * d - 1) < 1e-15) return 1 / value;
  }
  return 1 / value;
}

function nonZero(x: number, tiny: number): number {
  return Math.abs(x) < tiny ? tiny : x;
}

function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** Stirling's series (DLMF 5.11.1) after shifting the argument to 16 or more; relative error near 1e-15 for x > 0. */
export function logGamma(x: number): number {
  let shift = 0;
  let z = x;
  while (z < 16) {
    shift += Math.log(z);
    z += 1;
  }
  const inverse = 1 / z;
  const square = inverse * inverse;
  const series =
    inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))));
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - shift;
}
