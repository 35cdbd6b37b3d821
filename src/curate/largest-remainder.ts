/** Whole shares of a total in given proportions (largest remainder, also known as Hamilton's method). */

/**
 * Shares that sum to `total`, each its exact share rounded down or up. Equal remainders: the earlier place gets the unit.
 * @param weights at least 0, not all 0
 */
export function largestRemainder(weights: readonly number[], total: number): number[] {
  const sum = weights.reduce((a, b) => a + b, 0);
  if (!(sum > 0)) throw new Error('internal: weights that sum to nothing have no shares');
  const exact = weights.map((weight) => (total * weight) / sum);
  const shares = exact.map(Math.floor);
  const left = total - shares.reduce((a, b) => a + b, 0);
  const byRemainder = exact
    .map((share, i) => ({ i, remainder: share - shares[i]! }))
    .filter(({ i }) => weights[i]! > 0)
    .sort((x, y) => y.remainder - x.remainder || x.i - y.i);
  for (const { i } of byRemainder.slice(0, left)) shares[i]! += 1;
  return shares;
}
