import { describe, expect, it } from 'vitest';
import { clopperPearson, incompleteBeta, logGamma } from '../../src/audit/clopper-pearson.ts';
import { Rng } from '../../src/core/rng.ts';

describe('clopperPearson', () => {
  it.each([
    [0, 0, 0.0369],
    [1, 0.0003, 0.0557],
    [10, 0.048, 0.184],
    [286, 2.542, 3.206],
    [325, 2.911, 3.616],
    [891, 8.359, 9.485],
  ])('gives the published 95 %% interval of %i in 10,000', (k, low, high) => {
    const interval = clopperPearson(k, 10_000);
    const digits = k === 10 ? 3 : k < 10 ? 4 : 3;
    expect((interval.low * 100).toFixed(digits)).toBe(low.toFixed(digits));
    expect((interval.high * 100).toFixed(digits)).toBe(high.toFixed(digits));
  });

  it('gives the published 99.5 % interval', () => {
    const { low, high } = clopperPearson(286, 10_000, 0.995);
    expect([(low * 100).toFixed(2), (high * 100).toFixed(2)]).toEqual(['2.41', '3.36']);
  });

  it('has the closed form at the ends: 1 - (a/2)^(1/n)', () => {
    for (const n of [1, 7, 100, 29_956]) {
      const edge = 0.025 ** (1 / n);
      expect(clopperPearson(0, n).high).toBeCloseTo(1 - edge, 12);
      expect(clopperPearson(n, n)).toEqual({ low: expect.closeTo(edge, 12), high: 1 });
    }
  });

  it('is symmetric in success and failure, and holds the observed rate', () => {
    for (const [k, n] of [
      [3, 17],
      [50, 100],
      [999, 1000],
      [123_456, 1_000_000],
    ] as const) {
      const { low, high } = clopperPearson(k, n);
      const other = clopperPearson(n - k, n);
      expect(low).toBeCloseTo(1 - other.high, 12);
      expect(low).toBeLessThan(k / n);
      expect(high).toBeGreaterThan(k / n);
    }
  });

  it('covers the true rate at least as often as it says', () => {
    const rng = new Rng(1, 'coverage');
    const [n, p] = [60, 0.07];
    let covered = 0;
    for (let trial = 0; trial < 2000; trial++) {
      let k = 0;
      for (let i = 0; i < n; i++) if (rng.uniform() < p) k++;
      const { low, high } = clopperPearson(k, n);
      if (low <= p && p <= high) covered++;
    }
    expect(covered / 2000).toBeGreaterThanOrEqual(0.95);
  });

  it('knows nothing without trials, and refuses counts that cannot be', () => {
    expect(clopperPearson(0, 0)).toEqual({ low: 0, high: 1 });
    expect(() => clopperPearson(3, 2)).toThrow(/internal/);
    expect(() => clopperPearson(0.5, 2)).toThrow(/internal/);
    expect(() => clopperPearson(1, 2, 1)).toThrow(/internal/);
  });
});

describe('incompleteBeta', () => {
  it('is the binomial tail for whole parameters', () => {
    // I_p(k, n-k+1) = P(X >= k), X ~ Binomial(n, p)
    const [n, p] = [20, 0.3];
    const term = (i: number): number => {
      let c = 1;
      for (let j = 0; j < i; j++) c = (c * (n - j)) / (j + 1);
      return c * p ** i * (1 - p) ** (n - i);
    };
    for (let k = 1; k <= n; k++) {
      let tail = 0;
      for (let i = n; i >= k; i--) tail += term(i);
      expect(Math.abs(incompleteBeta(p, k, n - k + 1) / tail - 1)).toBeLessThan(1e-11);
    }
  });

  it('has the arcsine law at one half', () => {
    for (const x of [0.01, 0.3, 0.5, 0.77]) {
      expect(incompleteBeta(x, 0.5, 0.5)).toBeCloseTo((2 / Math.PI) * Math.asin(Math.sqrt(x)), 12);
    }
  });

  it('gives the one-sided binomial p of 250 in 286 at 0.8', () => {
    expect(incompleteBeta(0.8, 250, 37)).toBeCloseTo(6.59e-4, 6);
  });
});

describe('logGamma', () => {
  it('is the log factorial, and half of log pi at one half', () => {
    let log = 0;
    for (let n = 1; n < 60; n++) {
      expect(logGamma(n)).toBeCloseTo(log, 11);
      log += Math.log(n);
    }
    expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.PI) / 2, 13);
  });
});
