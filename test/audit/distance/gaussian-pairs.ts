/** Normal samples and the closed forms of audit-and-curation.md §7 for N(0, I) against N(m, I). */
import type { Sample } from '../../../src/audit/distance/pooled-products.ts';
import { Rng } from '../../../src/core/rng.ts';

/** `count` rows of N(shift e1, scale^2 I). */
export function normalRows(
  rng: Rng,
  { count, dim, shift = 0, scale = 1 }: { count: number; dim: number; shift?: number; scale?: number },
): Sample {
  const rows = new Float32Array(count * dim);
  for (let i = 0; i < rows.length; i++) rows[i] = scale * rng.normal() + (i % dim === 0 ? shift : 0);
  return { count, rows };
}

/** RBF MMD^2 of N(0, I) and N(m, I), a = |m|^2, s2 = sigma^2. */
export function rbfTruth(dim: number, a: number, s2: number): number {
  return 2 * (s2 / (s2 + 2)) ** (dim / 2) * (1 - Math.exp(-a / (2 * (s2 + 2))));
}

/** KID of the same pair. */
export function cubicTruth(d: number, a: number): number {
  return (
    1 +
    3 / d +
    (1 + a / d) ** 3 +
    (3 * (1 + a / d) * (2 * a + d)) / d ** 2 +
    (6 * a) / d ** 3 -
    2 * (1 + (3 * (d + a)) / d ** 2)
  );
}

export function meanAndError(values: readonly number[]): { mean: number; error: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return { mean, error: Math.sqrt(variance / values.length) };
}

export const seeded = (seed: number): Rng => new Rng(seed, 'test');
