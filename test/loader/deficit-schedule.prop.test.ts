import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isStillhouseError } from '../../src/core/failure.ts';
import { DeficitSchedule } from '../../src/loader/deficit-schedule.ts';

const weights = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 7 });

describe('a schedule of streams', () => {
  it('serves each stream its weight in every period, and within one turn of its share at every moment', () => {
    fc.assert(
      fc.property(weights, (given) => {
        const schedule = new DeficitSchedule(given);
        const total = given.reduce((sum, weight) => sum + weight, 0);
        const served = given.map(() => 0);
        for (let t = 0; t < schedule.period; t++) {
          served[schedule.at(t)]! += 1;
          served.forEach((count, i) =>
            expect(Math.abs(count - ((t + 1) * given[i]!) / total)).toBeLessThan(1),
          );
        }
        expect(served).toEqual(schedule.weights);
        expect(served.map((count) => count * total)).toEqual(given.map((weight) => weight * schedule.period));
      }),
    );
  });

  it('counts turns before any moment without walking there', () => {
    fc.assert(
      fc.property(weights, fc.integer({ min: 0, max: 2000 }), (given, t) => {
        const schedule = new DeficitSchedule(given);
        const served = given.map(() => 0);
        for (let turn = 0; turn < t; turn++) served[schedule.at(turn)]! += 1;
        expect(given.map((_, i) => schedule.countBefore(t, i))).toEqual(served);
      }),
    );
  });

  it('takes decimals as written', () => {
    expect(new DeficitSchedule([0.7, 0.3]).weights).toEqual([7, 3]);
    expect(new DeficitSchedule([0.000002, 1]).weights).toEqual([1, 500_000]);
  });

  it.each([[[]], [[1, 0]], [[1, -1]], [[NaN]], [[1 / 3, 2 / 3]], [[0.000001, 3]]])(
    'refuses %j, which cannot be kept exactly',
    (given) => {
      let caught: unknown;
      try {
        new DeficitSchedule(given);
      } catch (error) {
        caught = error;
      }
      expect(isStillhouseError(caught, 'bad-input')).toBe(true);
    },
  );
});
