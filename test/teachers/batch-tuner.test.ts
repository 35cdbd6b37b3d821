import { describe, expect, it } from 'vitest';
import { BatchTuner } from '../../src/teachers/batch-tuner.ts';

/** Runs calls until nothing changes any more, on an engine whose call of n rows costs `costMs(n)`. @returns sizes tried. */
function tune(tuner: BatchTuner, costMs: (rows: number) => number, residentBytes: (rows: number) => number) {
  const sizes: number[] = [];
  for (let i = 0; i < 40; i++) {
    const rows = tuner.size;
    if (sizes.at(-1) !== rows) sizes.push(rows);
    tuner.record({ rows, elapsedMs: costMs(rows), residentBytes: residentBytes(rows) });
  }
  return sizes;
}

const auto = (most: number, memoryLimitBytes = Infinity) =>
  new BatchTuner({ first: 1, most, memoryLimitBytes });
const flat = () => 1e9;

describe('a batch tuner', () => {
  it('doubles while calls get faster per row, and goes back from the first size that is not', () => {
    // a fixed cost per call that stops to matter, and a cache that overflows above 16 rows
    const cost = (rows: number): number => 10 + rows * (rows > 16 ? 12 : 1);
    expect(tune(auto(64), cost, flat)).toEqual([1, 2, 4, 8, 16, 32, 16]);
  });

  it('stays with one row where more gain nothing', () => {
    expect(tune(auto(64), (rows) => 100 * rows, flat)).toEqual([1, 2, 1]);
  });

  it('stops at the most it is allowed', () => {
    expect(tune(auto(8), (rows) => 100 + rows, flat)).toEqual([1, 2, 4, 8]);
  });

  it('does not take a size whose memory, by what doubling cost last time, would pass the limit', () => {
    const resident = (rows: number): number => 1000 + 100 * rows;
    // 8 rows hold 1800 and cost 400 more than 4: 16 would hold 2600
    expect(tune(auto(64, 2599), (rows) => 100 + rows, resident)).toEqual([1, 2, 4, 8]);
    expect(tune(auto(64, 2600), (rows) => 100 + rows, resident)).toEqual([1, 2, 4, 8, 16]);
  });

  it('judges a size by its best call, since the first one also allocates', () => {
    const tuner = auto(2);
    tuner.record({ rows: 1, elapsedMs: 10, residentBytes: 0 });
    tuner.record({ rows: 1, elapsedMs: 10, residentBytes: 0 });
    tuner.record({ rows: 2, elapsedMs: 500, residentBytes: 0 });
    tuner.record({ rows: 2, elapsedMs: 12, residentBytes: 0 });
    expect(tuner.size).toBe(2);
  });

  it('learns nothing from a call that was not full', () => {
    const tuner = auto(4);
    for (let i = 0; i < 2; i++) tuner.record({ rows: 1, elapsedMs: 10, residentBytes: 0 });
    for (let i = 0; i < 9; i++) tuner.record({ rows: 1, elapsedMs: 1e6, residentBytes: 0 });
    expect(tuner.size).toBe(2);
  });

  it('keeps a size that was given', () => {
    const fixed = new BatchTuner({ first: 6, most: 6, memoryLimitBytes: 0 });
    expect(tune(fixed, (rows) => 100 + rows, flat)).toEqual([6]);
  });

  it('halves when memory ran out, never grows again, and has nothing below one row', () => {
    const tuner = new BatchTuner({ first: 5, most: 5, memoryLimitBytes: Infinity });
    expect([tuner.halve(), tuner.size]).toEqual([true, 2]);
    expect(tune(tuner, (rows) => 100 + rows, flat)).toEqual([2]);
    expect([tuner.halve(), tuner.size]).toEqual([true, 1]);
    expect([tuner.halve(), tuner.size]).toEqual([false, 1]);
  });

  it('does not halve a size that the graph fixes', () => {
    const tuner = new BatchTuner({ least: 4, first: 4, most: 4, memoryLimitBytes: Infinity });
    expect([tuner.halve(), tuner.size]).toEqual([false, 4]);
  });
});
