import { describe, expect, it } from 'vitest';
import { type ScoredItem, impactOf, rankChanges, sensitivity } from '../../../src/audit/impact/impact.ts';
import { Rng } from '../../../src/core/rng.ts';

/** `right` of `count` items right, all at one closeness. */
const block = (
  name: string,
  count: number,
  right: number,
  closeness: number | null,
  label: string | null = null,
): ScoredItem[] =>
  Array.from({ length: count }, (_, i) => ({
    id: `${name}${i}`,
    label,
    score: i < right ? 1 : 0,
    closeness,
  }));
const one = (items: readonly ScoredItem[], cut = 0.9) =>
  impactOf({
    models: new Map([['m', items]]),
    cut,
    rng: new Rng(1, 'impact'),
    bootstrap: 300,
    permutations: 199,
  })[0]!;

describe('impact', () => {
  it('has the reference value: 250 of 286 right against 0.8 has p = 6.59e-4', () => {
    const impact = one([...block('o', 286, 250, 1), ...block('c', 1000, 800, null)]);
    expect(impact.binomialP).toBeCloseTo(6.59e-4, 6);
    expect(impact.bonferroniP).toBeCloseTo(6.59e-4, 6);
    expect([impact.all.items, impact.clean.value, impact.overlap.value]).toEqual([1286, 0.8, 250 / 286]);
    expect(impact.inflation!.value).toBeCloseTo(1050 / 1286 - 0.8, 12);
    expect(impact.inflation!.interval.low).toBeLessThan(impact.inflation!.value);
    expect(impact.inflation!.interval.high).toBeGreaterThan(impact.inflation!.value);
    expect(impact.overlapInterval!.low).toBeLessThan(250 / 286);
  });

  it('tells memory from an easy class: matched within classes, an easy class that leaks has no effect', () => {
    const easy = [...block('eo', 80, 76, 1, 'easy'), ...block('ec', 200, 190, null, 'easy')];
    const hard = [...block('ho', 2, 1, 1, 'hard'), ...block('hc', 400, 200, null, 'hard')];
    const confounded = one([...easy, ...hard]);
    expect(confounded.binomialP!).toBeLessThan(1e-6);
    expect(Math.abs(confounded.matched!.difference)).toBeLessThan(0.01);
    expect(confounded.matched!.pValue).toBeGreaterThan(0.3);
    const memory = one([...block('o', 60, 58, 1, 'x'), ...block('c', 300, 180, null, 'x')]);
    expect(memory.matched!.difference).toBeCloseTo(58 / 60 - 0.6, 12);
    expect(memory.matched!.pValue).toBe(1 / 200);
  });

  it('says what it leaves out: few overlap items, graded scores, no labels, nothing clean', () => {
    expect(one([...block('o', 2, 2, 1), ...block('c', 50, 25, null)])).toMatchObject({
      binomialP: null,
      matched: null,
      leftOut: ['tests need 5 overlap items, got 2'],
    });
    const graded = [...block('o', 9, 9, 1), ...block('c', 50, 25, null)].map((item) => ({
      ...item,
      score: item.score * 0.7,
    }));
    expect(one(graded).leftOut).toEqual([
      'scores are not 0 or 1: no binomial test',
      'no class has both overlap and clean items: nothing to match',
    ]);
    const all = one(block('o', 9, 9, 1));
    expect(all.inflation).toBeNull();
    expect(all.leftOut[0]).toContain('every item overlaps');
  });

  it('follows the cut: at each one, the items that are closer', () => {
    const items = [...block('near', 10, 10, 0.99), ...block('far', 10, 5, 0.6), ...block('c', 80, 40, null)];
    const points = sensitivity(new Map([['m', items]]), [0.5, 0.9, 1]);
    expect(points.map(({ overlapItems }) => overlapItems)).toEqual([20, 10, 0]);
    expect(points[0]!.inflation).toBeCloseTo(0.55 - 0.5, 12);
    expect(points[2]!.inflation).toBe(0);
  });

  it('shows which models change places on clean items, and corrects for their number', () => {
    const models = new Map([
      ['memoriser', [...block('o', 50, 50, 1), ...block('c', 100, 60, null)]],
      ['learner', [...block('o', 50, 35, 1), ...block('c', 100, 70, null)]],
    ]);
    const impacts = impactOf({ models, cut: 0.9, rng: new Rng(1), bootstrap: 50, permutations: 19 });
    expect(rankChanges(impacts)).toEqual([
      { model: 'memoriser', rankAll: 1, rankClean: 2 },
      { model: 'learner', rankAll: 2, rankClean: 1 },
    ]);
    expect(impacts[0]!.bonferroniP).toBeCloseTo(2 * impacts[0]!.binomialP!, 15);
  });
});
