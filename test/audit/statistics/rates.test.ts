import { describe, expect, it } from 'vitest';
import { clopperPearson } from '../../../src/audit/clopper-pearson.ts';
import { fitBetaPrior, shrunkRate } from '../../../src/audit/statistics/beta-binomial.ts';
import { classRates } from '../../../src/audit/statistics/class-rates.ts';
import { correctedRate, gammaDraw, roganGladen } from '../../../src/audit/statistics/detector-error.ts';
import { benjaminiHochberg, bonferroni, holm } from '../../../src/audit/statistics/multiple-testing.ts';
import { nullRate } from '../../../src/audit/statistics/null-rates.ts';
import { Rng } from '../../../src/core/rng.ts';

describe('multiple testing', () => {
  const p = [0.01, 0.04, 0.03, 0.005];

  it('adjusts as worked by hand, each value in its own place', () => {
    expect(bonferroni(p)).toEqual([0.04, 0.16, 0.12, 0.02]);
    // sorted .005 .01 .03 .04 times 4 3 2 1, never falling
    expect(holm(p).map((x) => +x.toFixed(6))).toEqual([0.03, 0.06, 0.06, 0.02]);
    // times 4/1 4/2 4/3 4/4, never rising from the right
    expect(benjaminiHochberg(p).map((x) => +x.toFixed(6))).toEqual([0.02, 0.04, 0.04, 0.02]);
  });

  it('lies in [0, 1], keeps the order of the p-values, and is ordered BH <= Holm <= Bonferroni', () => {
    const rng = new Rng(1, 'p');
    const many = Array.from({ length: 50 }, () => rng.uniform() ** 2);
    const order = [...many.keys()].sort((i, j) => many[i]! - many[j]!);
    const [family, stepwise, q] = [bonferroni(many), holm(many), benjaminiHochberg(many)];
    many.forEach((value, i) => {
      expect(value).toBeLessThanOrEqual(q[i]!);
      expect(q[i]!).toBeLessThanOrEqual(stepwise[i]! + 1e-15);
      expect(stepwise[i]!).toBeLessThanOrEqual(family[i]!);
      expect(family[i]!).toBeLessThanOrEqual(1);
    });
    for (let k = 1; k < order.length; k++)
      for (const values of [stepwise, q])
        expect(values[order[k]!]!).toBeGreaterThanOrEqual(values[order[k - 1]!]!);
  });

  it('is empty for no test and refuses what is no p-value', () => {
    expect(benjaminiHochberg([])).toEqual([]);
    expect(() => holm([0.5, NaN])).toThrow('p-value');
  });
});

describe('shrinkage', () => {
  it('finds the beta that the counts were drawn from', () => {
    const rng = new Rng(5, 'beta');
    const counts = Array.from({ length: 600 }, () => {
      const [x, y] = [gammaDraw(rng, 2), gammaDraw(rng, 8)];
      const rate = x / (x + y);
      let successes = 0;
      for (let i = 0; i < 60; i++) successes += rng.uniform() < rate ? 1 : 0;
      return { successes, trials: 60 };
    });
    const { alpha, beta } = fitBetaPrior(counts);
    expect(alpha / (alpha + beta)).toBeCloseTo(0.2, 1);
    expect(alpha + beta).toBeGreaterThan(7.5);
    expect(alpha + beta).toBeLessThan(13);
  });

  it('leaves a large class alone and pulls a tiny one to the rest', () => {
    const counts = [
      { successes: 2, trials: 2 },
      { successes: 30_000, trials: 100_000 },
      ...Array.from({ length: 30 }, (_, i) => ({ successes: 1 + (i % 15), trials: 100 })),
    ];
    const prior = fitBetaPrior(counts);
    expect(shrunkRate(counts[0]!, prior)).toBeLessThan(0.3);
    expect(shrunkRate(counts[1]!, prior)).toBeCloseTo(0.3, 3);
  });

  it('stays finite without any success, without any failure, and without any class', () => {
    expect(shrunkRate({ successes: 0, trials: 5 }, fitBetaPrior([{ successes: 0, trials: 50 }]))).toBeCloseTo(
      0.5 / 51,
      4,
    );
    expect(fitBetaPrior([])).toEqual({ alpha: 0.5, beta: 0.5 });
  });
});

describe('detector error', () => {
  it('corrects by the formula and clips', () => {
    expect(roganGladen({ observed: 0.1, sensitivity: 0.8, specificity: 0.95 })).toBeCloseTo(0.05 / 0.75, 14);
    expect(roganGladen({ observed: 0.01, sensitivity: 0.8, specificity: 0.95 })).toBe(0);
    expect(() => roganGladen({ observed: 0.1, sensitivity: 0.5, specificity: 0.5 })).toThrow('coin');
  });

  it('covers the true rate about as often as it says', () => {
    const truth = 0.06;
    const [sensitivity, specificity] = [0.85, 0.98];
    let covered = 0;
    const runs = 120;
    for (let run = 0; run < runs; run++) {
      const rng = new Rng(run, 'coverage');
      const binomial = (trials: number, rate: number): { successes: number; trials: number } => {
        let successes = 0;
        for (let i = 0; i < trials; i++) successes += rng.uniform() < rate ? 1 : 0;
        return { successes, trials };
      };
      const { interval } = correctedRate(
        {
          flagged: binomial(1500, truth * sensitivity + (1 - truth) * (1 - specificity)),
          recall: binomial(200, sensitivity),
          falseAlarms: { kind: 'specificity', ...binomial(800, specificity) },
        },
        { rng, draws: 600 },
      );
      covered += interval.low <= truth && truth <= interval.high ? 1 : 0;
    }
    // 95 % nominal; fewer than 106 of 120 has a chance of 1e-3 under it
    expect(covered).toBeGreaterThanOrEqual(106);
  });

  it('is wider than the sampling interval alone, and says nothing when no copy was found', () => {
    const rng = new Rng(2, 'wide');
    const flagged = { successes: 286, trials: 10_000 };
    const falseAlarms = { kind: 'precision', successes: 95, trials: 100 } as const;
    const { rate, interval } = correctedRate(
      { flagged, recall: { successes: 80, trials: 100 }, falseAlarms },
      { rng },
    );
    expect(rate).toBeCloseTo((0.0286 * 0.95) / 0.8, 12);
    const plain = clopperPearson(286, 10_000);
    expect(interval.high - interval.low).toBeGreaterThan(plain.high - plain.low);
    expect(correctedRate({ flagged, recall: { successes: 0, trials: 0 }, falseAlarms }, { rng })).toEqual({
      rate: null,
      interval: { low: 0, high: 1 },
    });
    expect(
      correctedRate({ flagged, recall: { successes: 0, trials: 20 }, falseAlarms }, { rng }).rate,
    ).toBeNull();
  });
});

describe('class rates', () => {
  const items = [
    ...Array.from({ length: 40 }, (_, i) => ({ id: `a${i}`, label: 'a' })),
    ...Array.from({ length: 400 }, (_, i) => ({ id: `b${i}`, label: 'b' })),
    ...Array.from({ length: 2 }, (_, i) => ({ id: `c${i}`, label: 'c' })),
    { id: 'none', label: null },
  ];
  const matched = new Set(['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'b0', 'b1', 'c0', 'none']);

  it('finds the class that leaks, tests no tiny class, and ranks by the shrunk rate', () => {
    const rates = classRates({ items, matched });
    expect(rates.map(({ label, images, matched: hits }) => [label, images, hits])).toContainEqual([
      'a',
      40,
      8,
    ]);
    const of = (label: string) => rates.find((one) => one.label === label)!;
    expect(of('a').qValue!).toBeLessThan(1e-4);
    expect(of('a').holm!).toBeLessThanOrEqual(of('a').bonferroni!);
    expect(of('c').pValue).toBeNull();
    expect(of('c').shrunk).toBeLessThan(0.5);
    expect([...rates].sort((x, y) => y.shrunk - x.shrunk)).toEqual(rates);
  });

  it('is empty without labels and has no test with a single class', () => {
    expect(classRates({ items: [{ id: 'x', label: null }], matched })).toEqual([]);
    expect(classRates({ items: items.slice(0, 40), matched })[0]).toMatchObject({ pValue: null, matched: 8 });
  });
});

describe('null rates', () => {
  it('is about the chance that a twin stayed behind', () => {
    const ids = Array.from({ length: 200 }, (_, i) => `i${String(i).padStart(3, '0')}`);
    const pairs = Array.from({ length: 100 }, (_, i) => ({ a: ids[2 * i]!, b: ids[2 * i + 1]! }));
    const { mean, low, high, drawn } = nullRate({ ids, pairs, draw: 50, draws: 40, rng: new Rng(1, 'null') });
    expect(drawn).toBe(50);
    // a drawn item's twin stays with chance 150 / 199
    expect(mean).toBeCloseTo(150 / 199, 1);
    expect(low!).toBeLessThanOrEqual(mean!);
    expect(high!).toBeGreaterThanOrEqual(mean!);
  });

  it('says nothing about one image', () => {
    expect(nullRate({ ids: ['x'], pairs: [], draw: 5, draws: 3, rng: new Rng(0) }).mean).toBeNull();
  });
});
