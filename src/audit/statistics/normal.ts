/** The standard normal distribution, to about 1e-15 absolute. */

/** P(Z <= z). */
export function normalCdf(z: number): number {
  return z < 0 ? upperTail(-z) : 1 - upperTail(z);
}

/** P(Z > z) for z >= 0: a series of positive terms near the centre, a continued fraction in the tail (DLMF 7.6.2, 7.9.1). */
function upperTail(z: number): number {
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  if (z < 3) {
    let term = z;
    let sum = z;
    for (let n = 1; term > sum * 1e-17; n++) {
      term *= (z * z) / (2 * n + 1);
      sum += term;
    }
    return 0.5 - density * sum;
  }
  let fraction = 0;
  for (let n = 200; n >= 1; n--) fraction = n / (z + fraction);
  return density / (z + fraction);
}

/** The z with P(Z <= z) = p, by bisection. @throws Error (a defect) unless p lies in (0, 1). */
export function normalQuantile(p: number): number {
  if (!(p > 0 && p < 1)) throw new Error(`internal: no normal quantile at ${p}`);
  let low = -40;
  let high = 40;
  for (let step = 0; step < 200; step++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (normalCdf(middle) < p) low = middle;
    else high = middle;
  }
  return high;
}
