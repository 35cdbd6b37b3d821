/** The reference values of audit-and-curation.md §2.5 and §7 for distances of samples. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aucOf, classifierTest } from '../../../src/audit/distance/classifier-test.ts';
import {
  frechetAtInfinity,
  frechetDistance,
  frechetOfSamples,
  isRankDeficient,
  momentsOf,
} from '../../../src/audit/distance/frechet.ts';
import { CMMD_KERNEL, medianDistance } from '../../../src/audit/distance/kernels.ts';
import { MatrixEngine } from '../../../src/audit/distance/matrix-products.ts';
import { biasedDiscrepancy, meanDiscrepancy } from '../../../src/audit/distance/mean-discrepancy.ts';
import { containment, expectedCoverage, neighbourhoods } from '../../../src/audit/distance/neighbourhoods.ts';
import { pooledProducts, rawProduct, squaredDistance } from '../../../src/audit/distance/pooled-products.ts';
import { principalComponents, projected } from '../../../src/audit/distance/principal-components.ts';
import { cubicTruth, meanAndError, normalRows, rbfTruth, seeded } from './gaussian-pairs.ts';

const DIM = 16;
let engine: MatrixEngine;
beforeAll(async () => {
  engine = await MatrixEngine.open({ threads: 1 });
});
afterAll(() => engine.close());

const poolOf = (seed: number, count: number, y: { shift?: number; scale?: number } = {}) => {
  const rng = seeded(seed);
  return pooledProducts(engine, {
    x: normalRows(rng, { count, dim: DIM }),
    y: normalRows(rng, { count, dim: DIM, ...y }),
    dim: DIM,
  });
};

describe('pooled products', () => {
  it('give distances and products of the rows as they came, also far from the origin', async () => {
    const rng = seeded(1);
    const x = normalRows(rng, { count: 5, dim: DIM });
    const y = normalRows(rng, { count: 4, dim: DIM, shift: 3 });
    for (const sample of [x, y]) for (let i = 0; i < sample.rows.length; i++) sample.rows[i]! += 100;
    const pool = await pooledProducts(engine, { x, y, dim: DIM });
    const rows = [...x.rows, ...y.rows];
    for (let i = 0; i < 9; i++)
      for (let j = 0; j < 9; j++) {
        let [distance, product] = [0, 0];
        for (let c = 0; c < DIM; c++) {
          distance += (rows[i * DIM + c]! - rows[j * DIM + c]!) ** 2;
          product += rows[i * DIM + c]! * rows[j * DIM + c]!;
        }
        expect(squaredDistance(pool, i, j)).toBeCloseTo(distance, 3);
        expect(rawProduct(pool, i, j) / product).toBeCloseTo(1, 6);
      }
  });
});

describe('maximum mean discrepancy', () => {
  it('has the closed forms .0213545 and .2141113 and meets them within four standard errors', async () => {
    expect(rbfTruth(DIM, 1, 16)).toBeCloseTo(0.0213545, 7);
    expect(cubicTruth(DIM, 1)).toBeCloseTo(0.2141113, 7);
    const rbf: number[] = [];
    const kid: number[] = [];
    for (let seed = 0; seed < 12; seed++) {
      const pool = await poolOf(seed, 600, { shift: 1 });
      rbf.push(
        (await meanDiscrepancy(pool, { engine, kernel: { kind: 'rbf', sigma: 4 }, rng: seeded(0) })).value,
      );
      kid.push((await meanDiscrepancy(pool, { engine, kernel: { kind: 'cubic' }, rng: seeded(0) })).value);
    }
    for (const [values, truth] of [
      [rbf, rbfTruth(DIM, 1, 16)],
      [kid, cubicTruth(DIM, 1)],
    ] as const) {
      const { mean, error } = meanAndError(values);
      expect(Math.abs(mean - truth)).toBeLessThan(4 * error);
      expect(error / truth).toBeLessThan(0.05);
    }
  });

  it('equals the plain double loop, unbiased and biased', async () => {
    const pool = await poolOf(3, 40, { shift: 0.5 });
    const sigma = 3;
    const k = (i: number, j: number): number => Math.exp(-squaredDistance(pool, i, j) / (2 * sigma ** 2));
    let [xx, yy, xy, diagonal] = [0, 0, 0, 0];
    for (let i = 0; i < 40; i++)
      for (let j = 0; j < 40; j++) {
        xx += i === j ? 0 : k(i, j);
        yy += i === j ? 0 : k(40 + i, 40 + j);
        xy += k(i, 40 + j);
        diagonal += i === j ? 1 : 0;
      }
    const kernel = { kind: 'rbf', sigma } as const;
    const { value } = await meanDiscrepancy(pool, { engine, kernel, rng: seeded(0) });
    expect(value).toBeCloseTo(xx / 1560 + yy / 1560 - (2 * xy) / 1600, 12);
    expect(biasedDiscrepancy(pool, kernel)).toBeCloseTo((xx + yy + 2 * diagonal - 2 * xy) / 1600, 12);
  });

  it('has a tiny p-value for a shift, an interval around the truth, and neither when none is asked for', async () => {
    const pool = await poolOf(5, 400, { shift: 1 });
    const kernel = { kind: 'rbf', sigma: 4 } as const;
    const asked = await meanDiscrepancy(pool, {
      engine,
      kernel,
      rng: seeded(1),
      permutations: 199,
      bootstrap: 300,
    });
    expect(asked.pValue).toBe(1 / 200);
    expect(asked.interval!.low).toBeLessThan(rbfTruth(DIM, 1, 16));
    expect(asked.interval!.high).toBeGreaterThan(rbfTruth(DIM, 1, 16));
    expect(asked.interval!.low).toBeGreaterThan(0);
    expect(await meanDiscrepancy(pool, { engine, kernel, rng: seeded(1) })).toEqual({
      value: asked.value,
      interval: null,
      pValue: null,
    });
  });

  it('is near 0 on average and spreads over both signs when nothing differs', async () => {
    const values: number[] = [];
    for (let seed = 0; seed < 40; seed++)
      values.push(
        (
          await meanDiscrepancy(await poolOf(seed, 60), {
            engine,
            kernel: { kind: 'rbf', sigma: 4 },
            rng: seeded(0),
          })
        ).value,
      );
    const { mean, error } = meanAndError(values);
    expect(Math.abs(mean)).toBeLessThan(3.5 * error);
    expect(values.some((value) => value < 0) && values.some((value) => value > 0)).toBe(true);
  });

  it('CMMD with sigma 10 is ten times the squared mean difference of unit rows, to half a per cent', async () => {
    const rng = seeded(8);
    const unit = (shift: number) => {
      const sample = normalRows(rng, { count: 300, dim: DIM, shift });
      for (let i = 0; i < 300; i++) {
        const row = sample.rows.subarray(i * DIM, (i + 1) * DIM);
        const length = Math.hypot(...row);
        for (let c = 0; c < DIM; c++) row[c]! /= length;
      }
      return sample;
    };
    const [x, y] = [unit(0), unit(3)];
    const pool = await pooledProducts(engine, { x, y, dim: DIM });
    let difference = 0;
    for (let c = 0; c < DIM; c++) {
      let gap = 0;
      for (let i = 0; i < 300; i++) gap += (x.rows[i * DIM + c]! - y.rows[i * DIM + c]!) / 300;
      difference += gap ** 2;
    }
    const ratio = (1000 * biasedDiscrepancy(pool, CMMD_KERNEL)) / (10 * difference);
    expect(ratio).toBeGreaterThan(0.985);
    expect(ratio).toBeLessThan(1.0005);
  });

  it('CMMD of one distribution has its known floor of about 10 / n', async () => {
    const rng = seeded(9);
    const values: number[] = [];
    for (let run = 0; run < 10; run++) {
      const pool = await pooledProducts(engine, {
        x: normalRows(rng, { count: 200, dim: 512 }),
        y: normalRows(rng, { count: 200, dim: 512 }),
        dim: 512,
      });
      values.push(1000 * biasedDiscrepancy(pool, CMMD_KERNEL));
    }
    // (1/n + 1/m)(1 - mean k) * 1000 with mean k = exp(-1/100), nearly orthogonal rows; a shared direction makes it smaller
    expect(meanAndError(values).mean).toBeCloseTo(1000 * (2 / 200) * (1 - Math.exp(-0.01)), 2);
  });

  it('has no bandwidth when all rows are one point', async () => {
    const flat = { count: 4, rows: new Float32Array(4 * DIM).fill(3) };
    expect(
      medianDistance(await pooledProducts(engine, { x: flat, y: flat, dim: DIM }), seeded(1)),
    ).toBeNull();
    expect(medianDistance(await poolOf(2, 50), seeded(1))).toBeCloseTo(Math.sqrt(2 * DIM), 0);
  });
});

describe('Fréchet distance', () => {
  const isotropic = (scale: number, shift: number) => {
    const covariance = new Float64Array(DIM * DIM);
    for (let c = 0; c < DIM; c++) covariance[c * DIM + c] = scale ** 2;
    const mean = new Float64Array(DIM);
    mean[0] = shift;
    return { dim: DIM, mean, covariance };
  };

  it('of N(0, I) and N(m, s^2 I) is |m|^2 + d (1 - s)^2: 17 for s = 2', () => {
    expect(frechetDistance(isotropic(1, 0), isotropic(2, 1))).toBeCloseTo(17, 10);
    expect(frechetDistance(isotropic(2, 1), isotropic(1, 0))).toBeCloseTo(17, 10);
    expect(frechetDistance(isotropic(1.5, 1), isotropic(1.5, 1))).toBeCloseTo(0, 10);
  });

  it('of commuting covariances is the sum over axes, zero axes included', () => {
    const diagonal = (values: readonly number[]) => ({
      dim: 3,
      mean: new Float64Array(3),
      covariance: Float64Array.of(values[0]!, 0, 0, 0, values[1]!, 0, 0, 0, values[2]!),
    });
    expect(frechetDistance(diagonal([4, 9, 0]), diagonal([1, 25, 0]))).toBeCloseTo(1 + 4, 10);
  });

  it.each([
    { n: 5, m: 9, dim: 12 },
    { n: 9, m: 5, dim: 12 },
    { n: 2, m: 30, dim: 12 },
    { n: 40, m: 40, dim: 12 },
  ])('of $n and $m rows in $dim dimensions is that of their moments', ({ n, m, dim }) => {
    const rng = seeded(5);
    const x = normalRows(rng, { count: n, dim });
    const y = normalRows(rng, { count: m, dim, shift: 1, scale: 2 });
    const whole = frechetDistance(momentsOf(x, dim), momentsOf(y, dim));
    expect(Math.abs(frechetOfSamples(x, y, dim) / whole - 1)).toBeLessThan(1e-6);
    expect(frechetOfSamples(x, x, dim) / whole).toBeLessThan(1e-6);
  });

  it('falls towards the truth with more rows, and the line at infinity is nearer than the largest sample', () => {
    const rng = seeded(4);
    const x = normalRows(rng, { count: 2000, dim: DIM });
    const y = normalRows(rng, { count: 2000, dim: DIM, shift: 1, scale: 2 });
    const at = (count: number) =>
      frechetDistance(momentsOf({ count, rows: x.rows }, DIM), momentsOf({ count, rows: y.rows }, DIM));
    expect(at(2000)).toBeGreaterThan(17 * 0.95);
    expect(at(2000)).toBeLessThan(17 * 1.1);
    expect(at(100)).toBeGreaterThan(at(2000));
    expect(Math.abs(frechetAtInfinity(x, y, DIM)! - 17)).toBeLessThan(1);
    expect(frechetAtInfinity({ count: 10, rows: x.rows }, y, DIM)).toBeNull();
    expect([isRankDeficient(31, 16), isRankDeficient(32, 16)]).toEqual([true, false]);
  });
});

describe('neighbourhoods', () => {
  it.each([
    [5, 10_000, 10_000, 0.96877],
    [3, 10_000, 10_000, 0.875],
    [5, 50_000, 10_000, 0.598],
    [5, 10_000, 50_000, 0.9999],
  ])('expected coverage for k = %i, n = %i, m = %i is %d', (k, n, m, value) => {
    expect(expectedCoverage(n, m, k)).toBeCloseTo(value, value === 0.598 ? 3 : 4);
  });

  it('of one distribution cover as expected, with density 1, and a far sample has none of either', async () => {
    const coverage: number[] = [];
    const density: number[] = [];
    for (let seed = 0; seed < 8; seed++) {
      const same = neighbourhoods(await poolOf(seed, 300), 5);
      coverage.push(same.coverage.value);
      density.push(same.density.value);
      expect(same.expectedCoverage).toBeCloseTo(expectedCoverage(300, 300, 5), 14);
    }
    for (const [values, truth] of [
      [coverage, expectedCoverage(300, 300, 5)],
      [density, 1],
    ] as const) {
      const { mean, error } = meanAndError(values);
      expect(Math.abs(mean - truth)).toBeLessThan(4 * error);
    }
    const far = neighbourhoods(await poolOf(1, 100, { shift: 100 }), 5);
    expect([far.precision.value, far.recall.value, far.density.value, far.coverage.value]).toEqual([
      0, 0, 0, 0,
    ]);
  });

  it('reproduces a line worked by hand', async () => {
    // x at 0, 1, 3, 7 with k = 1: radii 1, 1, 2, 4; y at 0.5, 5, 20, 21: radii 4.5, 4.5, 1, 1
    const line = (values: readonly number[]) => ({ count: 4, rows: Float32Array.from(values) });
    const pool = await pooledProducts(engine, { x: line([0, 1, 3, 7]), y: line([0.5, 5, 20, 21]), dim: 1 });
    const one = neighbourhoods(pool, 1);
    expect(one.precision.value).toBe(0.5);
    expect(one.recall.value).toBe(1);
    // balls around 0.5: of 0 and 1; around 5: of 7 only (3 has radius exactly 2)
    expect(one.density.value).toBe(0.75);
    expect(one.coverage.value).toBe(0.75);
    expect(() => neighbourhoods(pool, 4)).toThrow('no 4 neighbours');
  });

  it('containment is tau for one distribution and 0 far away', async () => {
    const median: number[] = [];
    for (let seed = 0; seed < 12; seed++) median.push(containment(await poolOf(seed, 200), [0.5])[0]!.value);
    const { mean, error } = meanAndError(median);
    expect(Math.abs(mean - 0.5)).toBeLessThan(4 * error);
    expect(containment(await poolOf(1, 50, { shift: 50 }), [0.5, 0.95]).map(({ value }) => value)).toEqual([
      0, 0,
    ]);
  });
});

describe('principal components', () => {
  it('find the axes of most variance by either problem and keep distances within them', async () => {
    for (const count of [12, 200]) {
      const rng = seeded(6);
      const rows = new Float32Array(count * 20);
      for (let i = 0; i < count; i++)
        for (let c = 0; c < 20; c++)
          rows[i * 20 + c] = rng.normal() * (c === 3 ? 10 : c === 7 ? 4 : 0.01) + 5;
      const sample = { count, rows };
      const found = await principalComponents(engine, { sample, dim: 20, most: 2 });
      expect(found.count).toBe(2);
      expect(Math.abs(found.components[3]!)).toBeGreaterThan(0.97);
      expect(Math.abs(found.components[20 + 7]!)).toBeGreaterThan(0.97);
      expect(found.explained).toBeGreaterThan(0.999);
      const flat = await projected(engine, sample, found);
      const gap = (data: Float32Array, dim: number): number => {
        let sum = 0;
        for (let c = 0; c < dim; c++) sum += (data[c]! - data[dim + c]!) ** 2;
        return Math.sqrt(sum);
      };
      expect(gap(flat.rows, 2)).toBeCloseTo(gap(rows, 20), 2);
    }
  });

  it('keep no axis without variance', async () => {
    const sample = { count: 3, rows: new Float32Array(30).fill(1) };
    expect((await principalComponents(engine, { sample, dim: 10, most: 4 })).count).toBe(0);
  });
});

describe('classifier two-sample test', () => {
  const groupsOf = (count: number) => Array.from({ length: count }, (_, i) => `g${i}`);

  it('comes near the Bayes accuracy .6915 and AUC .7602 of a shift of 1, from below', () => {
    const rng = seeded(12);
    const [x, y] = [
      normalRows(rng, { count: 1500, dim: DIM }),
      normalRows(rng, { count: 1500, dim: DIM, shift: 1 }),
    ];
    const test = classifierTest({ x, y, dim: DIM, groups: groupsOf(3000), rng });
    expect(test.accuracyInterval.high).toBeGreaterThan(0.685);
    expect(test.accuracyInterval.low).toBeLessThan(0.691462);
    expect(test.aucInterval.low).toBeLessThan(0.76025);
    expect(test.auc).toBeGreaterThan(0.73);
    expect(test.aDistance).toBeCloseTo(2 * (2 * test.accuracy - 1), 12);
    expect(test.pValue).toBeLessThan(1e-10);
  });

  it('is a coin for one distribution and perfect for two far ones', () => {
    const rng = seeded(13);
    const x = normalRows(rng, { count: 150, dim: DIM });
    const same = classifierTest({
      x,
      y: normalRows(rng, { count: 150, dim: DIM }),
      dim: DIM,
      groups: groupsOf(300),
      rng,
    });
    expect(same.accuracyInterval.low).toBeLessThan(0.5);
    expect(same.aDistance).toBeLessThan(0.4);
    const far = classifierTest({
      x,
      y: normalRows(rng, { count: 150, dim: DIM, shift: 40 }),
      dim: DIM,
      groups: groupsOf(300),
      rng,
    });
    expect([far.accuracy, far.auc, far.aDistance]).toEqual([1, 1, 2]);
  });

  it('does not learn copies by heart: with one group per copy it stays a coin', () => {
    const rng = seeded(14);
    const copies = (base: ReturnType<typeof normalRows>) => {
      const rows = new Float32Array(base.rows.length * 10);
      for (let copy = 0; copy < 10; copy++) rows.set(base.rows, copy * base.rows.length);
      return { count: base.count * 10, rows };
    };
    const [x, y] = [
      copies(normalRows(rng, { count: 10, dim: DIM })),
      copies(normalRows(rng, { count: 10, dim: DIM })),
    ];
    const groups = Array.from({ length: 200 }, (_, i) => (i < 100 ? `x${i % 10}` : `y${i % 10}`));
    const byGroup = classifierTest({ x, y, dim: DIM, groups, rng: seeded(1) });
    const leaking = classifierTest({ x, y, dim: DIM, groups: groupsOf(200), rng: seeded(1) });
    expect(leaking.accuracy).toBeGreaterThan(0.9);
    expect(byGroup.accuracy).toBeLessThan(0.75);
  });

  it('counts ties half in the AUC', () => {
    expect(aucOf(Float64Array.of(0, 1), Float64Array.of(1, 2)).auc).toBe(0.875);
    expect(aucOf(Float64Array.of(1, 1), Float64Array.of(1, 1)).auc).toBe(0.5);
  });
});
