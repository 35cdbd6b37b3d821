/** The reference values of audit-and-curation.md §2.6, §2.7 and §7 that are pure functions of counts. */
import { describe, expect, it } from 'vitest';
import { clopperPearson } from '../../../src/audit/clopper-pearson.ts';
import {
  binomialLowerTail,
  binomialUpperTail,
  chanceWithinRadius,
  fisherExact,
  trialsToCertify,
} from '../../../src/audit/statistics/binomial.ts';
import { normalCdf, normalQuantile } from '../../../src/audit/statistics/normal.ts';

describe('closed-form vectors', () => {
  it.each([
    [0, 10_000, 0, 0.000369],
    [1, 10_000, 0.000003, 0.000557],
    [10, 10_000, 0.00048, 0.00184],
    [286, 10_000, 0.02542, 0.03206],
    [325, 10_000, 0.02911, 0.03616],
    [891, 10_000, 0.08359, 0.09485],
  ])('the Clopper-Pearson interval of %i of %i is [%d, %d]', (k, n, low, high) => {
    const interval = clopperPearson(k, n);
    expect(Math.abs(interval.low - low)).toBeLessThanOrEqual(5.1e-6);
    expect(Math.abs(interval.high - high)).toBeLessThanOrEqual(5.1e-6);
  });

  it('the 99.5 % interval of 286 of 10,000 is [2.41 %, 3.36 %]', () => {
    const { low, high } = clopperPearson(286, 10_000, 0.995);
    expect(low).toBeCloseTo(0.0241, 4);
    expect(high).toBeCloseTo(0.0336, 4);
  });

  it('250 of 286 correct against 0.8 has a one-sided p of 6.59e-4', () => {
    expect(binomialUpperTail(250, 286, 0.8)).toBeCloseTo(6.59e-4, 6);
  });

  it('none found in 299, 2,995 and 29,956 certifies 1 %, 0.1 % and 0.01 %', () => {
    expect([0.01, 0.001, 0.0001].map((rate) => trialsToCertify(rate))).toEqual([299, 2995, 29_956]);
  });

  it.each([
    [4, 3.7e-14],
    [6, 4.5e-12],
    [8, 2.8e-10],
    [10, 9.98e-9],
  ])('two random 64-bit hashes lie within %i bits with chance %d', (radius, chance) => {
    expect(Math.abs(chanceWithinRadius(radius) / chance - 1)).toBeLessThan(0.02);
  });

  it('gives the accuracy .691462, A-distance .765850 and AUC .760250 of the Bayes classifier at a shift of 1', () => {
    expect(normalCdf(0.5)).toBeCloseTo(0.691462, 6);
    expect(2 * (2 * normalCdf(0.5) - 1)).toBeCloseTo(0.76585, 6);
    expect(normalCdf(1 / Math.SQRT2)).toBeCloseTo(0.76025, 6);
  });
});

describe('exact tests', () => {
  it('binomial tails equal plain sums and meet in the middle', () => {
    const chance = (k: number): number => (choose(12, k) * 3 ** k * 7 ** (12 - k)) / 10 ** 12;
    for (let k = 0; k <= 12; k++) {
      let upper = 0;
      for (let j = k; j <= 12; j++) upper += chance(j);
      expect(binomialUpperTail(k, 12, 0.3)).toBeCloseTo(upper, 13);
      expect(binomialLowerTail(k, 12, 0.3)).toBeCloseTo(1 - upper + chance(k), 13);
    }
    expect(binomialUpperTail(0, 0, 0.5)).toBe(1);
    expect(() => binomialUpperTail(3, 2, 0.5)).toThrow('internal');
  });

  it("reproduces Fisher's tea tasting: 3 of 4 cups right has p = 0.4857", () => {
    expect(fisherExact({ hits: 3, drawn: 4, restHits: 1, rest: 4 })).toBeCloseTo(34 / 70, 12);
    expect(fisherExact({ hits: 4, drawn: 4, restHits: 0, rest: 4 })).toBeCloseTo(2 / 70, 12);
    expect(fisherExact({ hits: 0, drawn: 0, restHits: 1, rest: 4 })).toBeCloseTo(1, 12);
  });

  it('the normal distribution has its tabulated values on both sides and inverts', () => {
    expect(normalCdf(0)).toBe(0.5);
    expect(normalCdf(1.959963984540054)).toBeCloseTo(0.975, 14);
    expect(normalCdf(-5) / 2.866515718791939e-7).toBeCloseTo(1, 10);
    expect(normalCdf(2.9999999) - normalCdf(3.0000001)).toBeCloseTo(0, 8);
    for (const p of [1e-6, 0.01, 0.3, 0.5, 0.99]) expect(normalCdf(normalQuantile(p))).toBeCloseTo(p, 14);
  });
});

function choose(n: number, k: number): number {
  let value = 1;
  for (let i = 1; i <= k; i++) value = (value * (n - i + 1)) / i;
  return value;
}
