import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DISTANCE_METRICS } from '../../../src/audit/distance/compare-samples.ts';
import {
  type DomainDistanceInput,
  domainDistance,
  relativeOf,
} from '../../../src/audit/distance/domain-distance.ts';
import { MatrixEngine } from '../../../src/audit/distance/matrix-products.ts';
import { normalRows, seeded } from './gaussian-pairs.ts';

const DIM = 12;
const OPTIONS = { items: 120, seeds: 2, permutations: 99, bootstrap: 60, components: 8 };
let engine: MatrixEngine;
beforeAll(async () => {
  engine = await MatrixEngine.open({ threads: 1 });
});
afterAll(() => engine.close());

const side = (name: string, seed: number, count: number, shift = 0) => ({
  ids: Array.from({ length: count }, (_, i) => `${name}${i}`),
  rows: normalRows(seeded(seed), { count, dim: DIM, shift }).rows,
});

const run = (over: Partial<DomainDistanceInput>) =>
  domainDistance({
    engine,
    train: side('t', 1, 400),
    evaluation: side('e', 2, 150),
    anchor: side('a', 3, 200, 6),
    dim: DIM,
    groupOf: (id) => id,
    options: OPTIONS,
    label: 'teacher',
    seed: 7,
    ...over,
  });

describe('domain distance', () => {
  it('measures every metric beside both nulls and the anchor, and places one distribution near 0', async () => {
    const { summary, leftOut, rows, images } = await run({});
    expect(summary.map(({ metric }) => metric)).toEqual([...DISTANCE_METRICS]);
    expect(leftOut).toEqual([]);
    expect(images).toBe(120);
    for (const one of summary) {
      for (const value of [one.trainNull, one.evalNull, one.anchor]) expect(value).not.toBeNull();
      expect(one.relative!).toBeLessThan(0.35);
    }
    expect(summary.find(({ metric }) => metric === 'mmd@1')!.pValue!).toBeGreaterThan(0.05);
    expect(new Set(rows.map(({ comparison }) => comparison)).size).toBe(4);
    expect(
      rows.filter(({ metric, comparison }) => metric === 'kid' && comparison === 'eval-train'),
    ).toHaveLength(2);
  });

  it('places a set half way to the anchor between 0 and 1, and one at the anchor near 1', async () => {
    const relative = async (shift: number) =>
      (await run({ evaluation: side('e', 2, 150, shift) })).summary.find(
        ({ metric }) => metric === 'a-distance',
      )!.relative!;
    const at = [await relative(0), await relative(1.5), await relative(6)];
    expect(at[0]).toBeLessThan(0.2);
    expect(at[1]).toBeGreaterThan(0.3);
    expect(at[1]).toBeLessThan(0.95);
    expect(at[2]).toBeGreaterThan(0.97);
  });

  it('says the same twice and something else with another seed', async () => {
    const [a, b, c] = [await run({}), await run({}), await run({ seed: 8 })];
    expect(a).toEqual(b);
    expect(a.summary).not.toEqual(c.summary);
  });

  it('leaves out what too few images cannot say, and says so', async () => {
    const few = await run({ evaluation: side('e', 2, 11) });
    expect(few.images).toBe(11);
    const reason = (metric: string) => few.leftOut.find((one) => one.metric === metric)?.reason;
    expect(reason('frechet-pca')).toBe('needs 20 images a side, got 11');
    expect(reason('c2st-auc')).toBe('needs 25 duplicate groups a side, got 11');
    expect(reason('density')).toBe('needs 12 images a side, got 11');
    expect(few.summary.some(({ metric }) => metric === 'mmd@1')).toBe(true);
    const one = await run({ evaluation: side('e', 2, 1) });
    expect(one.summary).toEqual([]);
    expect(one.leftOut).toHaveLength(DISTANCE_METRICS.length);
  });

  it('leaves out rows with NaN and zeros, and every metric when nothing is left', async () => {
    const broken = side('e', 2, 150);
    broken.rows.fill(NaN, 0, DIM).fill(0, DIM, 3 * DIM);
    expect((await run({ evaluation: broken })).unusable).toEqual({ train: 0, evaluation: 3 });
    const none = await run({ evaluation: { ids: ['x'], rows: new Float32Array(DIM) } });
    expect(none.leftOut[0]).toEqual({ metric: 'mmd@0.5', reason: 'a side has no usable embedding' });
  });

  it('says that identical images have no bandwidth, instead of dividing by zero', async () => {
    const flat = (name: string) => ({
      ids: Array.from({ length: 60 }, (_, i) => `${name}${i}`),
      rows: new Float32Array(60 * DIM).fill(1),
    });
    const { leftOut, summary } = await run({ train: flat('t'), evaluation: flat('e'), anchor: null });
    expect(leftOut.find(({ metric }) => metric === 'mmd@1')!.reason).toContain('one and the same embedding');
    expect(leftOut.find(({ metric }) => metric === 'c2st-auc')!.reason).toContain('do not vary');
    for (const { value } of summary) expect(Number.isFinite(value)).toBe(true);
  });

  it('names the evaluation images that look most like training', async () => {
    const evaluation = side('e', 2, 150, 4);
    evaluation.rows[5 * DIM] = -2;
    const { mostTrainLike } = await run({ evaluation, options: { ...OPTIONS, seeds: 4, items: 150 } });
    expect(mostTrainLike[0]!.id).toBe('e5');
  });

  it('has no relative place without two ends', () => {
    expect([
      relativeOf(1, null, 2),
      relativeOf(1, 2, 2),
      relativeOf(3, 0, 2),
      relativeOf(-1, 0, 2),
      relativeOf(1, 0, 2),
    ]).toEqual([null, null, 1, 0, 0.5]);
  });
});
