/**
 * Many tests at once. Adjusted p-values, each in the place of its test: compare them with the level that is wanted for the whole
 * family. Bonferroni and Holm bound the chance of any false finding, Benjamini-Hochberg the expected share of false findings
 * among all findings (J. R. Statist. Soc. B 57, 1995).
 */

export function bonferroni(p: readonly number[]): number[] {
  return p.map((value) => Math.min(1, value * p.length));
}

/** Never larger than Bonferroni's (Holm, Scand. J. Statist. 6, 1979). */
export function holm(p: readonly number[]): number[] {
  return adjusted(p, 'ascending', (value, rank) => value * (p.length - rank + 1));
}

/** q-values; valid for independent or positively dependent tests. */
export function benjaminiHochberg(p: readonly number[]): number[] {
  return adjusted(p, 'descending', (value, rank) => (value * p.length) / rank);
}

/** Walks the p-values in one direction and never lets the adjusted value turn back. Ranks count from 1 at the smallest. */
function adjusted(
  p: readonly number[],
  direction: 'ascending' | 'descending',
  of: (value: number, rank: number) => number,
): number[] {
  if (p.some((value) => !(value >= 0 && value <= 1))) throw new Error('internal: a p-value outside [0, 1]');
  const order = [...p.keys()].sort((i, j) => p[i]! - p[j]! || i - j);
  const out = new Array<number>(p.length).fill(1);
  let bound = direction === 'ascending' ? 0 : 1;
  for (let step = 0; step < order.length; step++) {
    const rank = direction === 'ascending' ? step + 1 : order.length - step;
    const at = order[rank - 1]!;
    const value = Math.min(1, of(p[at]!, rank));
    bound = direction === 'ascending' ? Math.max(bound, value) : Math.min(bound, value);
    out[at] = bound;
  }
  return out;
}
