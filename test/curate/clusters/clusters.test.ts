/** k-means, the hierarchy and the sampling down it, on points whose structure is known. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/core/rng.ts';
import { clusterHierarchy, clusterPaths } from '../../../src/curate/clusters/cluster-hierarchy.ts';
import { type SampleItem, hierarchicalSample } from '../../../src/curate/clusters/hierarchical-sample.ts';
import { sphericalKmeans } from '../../../src/curate/clusters/spherical-kmeans.ts';

const DIM = 8;

/** Rows near given directions: `sizes[i]` of them around a random direction i. */
function around(sizes: readonly number[], spread: number, seed = 1): { rows: Float32Array; truth: number[] } {
  const rng = new Rng(seed, 'around');
  const truth = sizes.flatMap((size, i) => Array.from({ length: size }, () => i));
  const directions = sizes.map(() => Array.from({ length: DIM }, () => rng.normal()));
  const rows = Float32Array.from({ length: truth.length * DIM }, (_, at) => {
    const direction = directions[truth[Math.floor(at / DIM)]!]!;
    return direction[at % DIM]! + spread * rng.normal();
  });
  return { rows, truth };
}

const kmeans = (rows: Float32Array, k: number, seed = 1) =>
  sphericalKmeans({ rows, count: rows.length / DIM, dim: DIM, k, seed, label: 'test' });

describe('sphericalKmeans', () => {
  it('finds groups that lie apart, whatever their sizes', async () => {
    const { rows, truth } = around([60, 5, 20, 9], 0.02);
    const { assignment, k } = await kmeans(rows, 4);
    expect(k).toBe(4);
    const clusterOf = new Map(truth.map((group, i) => [group, assignment[i]!]));
    expect(new Set(clusterOf.values()).size).toBe(4);
    expect([...assignment]).toEqual(truth.map((group) => clusterOf.get(group)!));
  });

  it('ends where each row is with the nearest centre, and each centre is the mean direction of its rows', async () => {
    const rng = new Rng(3, 'rows');
    const rows = Float32Array.from({ length: 200 * DIM }, () => rng.normal());
    const { assignment, centres, k, cosine, iterations } = await kmeans(rows, 12);
    expect(iterations).toBeLessThan(50);
    const row = (data: Float32Array, i: number) => [...data.subarray(i * DIM, (i + 1) * DIM)];
    const cos = (a: number[], b: number[]) => {
      const dot = (x: number[], y: number[]) => x.reduce((sum, v, c) => sum + v * y[c]!, 0);
      return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
    };
    for (let i = 0; i < 200; i++) {
      const all = Array.from({ length: k }, (_, at) => cos(row(rows, i), row(centres, at)));
      expect(all[assignment[i]!]).toBeCloseTo(Math.max(...all), 6);
      expect(cosine[i]).toBeCloseTo(Math.max(...all), 6);
    }
    for (let at = 0; at < k; at++) {
      const mean = Array.from({ length: DIM }, () => 0);
      assignment.forEach((own, i) => {
        if (own !== at) return;
        const unit = row(rows, i);
        const norm = Math.hypot(...unit);
        unit.forEach((v, c) => (mean[c]! += v / norm));
      });
      expect(cos(mean, row(centres, at))).toBeCloseTo(1, 6);
    }
  });

  it('gives as many clusters as there are directions where more are asked for', async () => {
    const same = Float32Array.from({ length: 20 * DIM }, (_, i) => (i % DIM) + 1);
    expect(await kmeans(same, 5)).toMatchObject({ k: 1 });
    const two = same.map((v, i) => (i < 10 * DIM ? v : -v));
    expect(await kmeans(two, 5)).toMatchObject({ k: 2 });
    expect(await kmeans(around([3], 1).rows, 9)).toMatchObject({ k: 3 });
  });

  it('is a function of rows and seed', async () => {
    const { rows } = around([40, 40], 0.6);
    const [one, again] = [await kmeans(rows, 6), await kmeans(rows, 6)];
    expect(again).toEqual(one);
  });
});

describe('clusterHierarchy', () => {
  it('lets a sample see rare kinds: far more even over kinds than the images are', async () => {
    // one kind has 20 times as many images as the others
    const { rows, truth } = around([200, 10, 10, 10, 10], 0.15, 5);
    const hierarchy = await clusterHierarchy({
      rows,
      count: truth.length,
      dim: DIM,
      levels: [
        { clusters: 20, resamples: 2, perCluster: 4 },
        { clusters: 5, resamples: 2, perCluster: 3 },
      ],
      seed: 1,
    });
    const paths = clusterPaths(hierarchy);
    expect(new Set(paths.map((path) => path.split('.')[0])).size).toBe(5);
    const items = paths.map((path, i) => ({ id: `${i}`, path, closeness: hierarchy.cosine[i]! }));
    const chosen = hierarchicalSample({ items, total: 40, pick: 'random', seed: 1 }).filter(
      (one) => one.chosen,
    );
    const counts = [0, 0, 0, 0, 0];
    for (const { item } of chosen) counts[truth[Number(item.id)]!]! += 1;
    // random choice would give 33, 2, 2, 2, 2
    expect(Math.max(...counts)).toBeLessThanOrEqual(12);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(6);
  });
});

describe('hierarchicalSample', () => {
  const tree = fc
    .array(fc.tuple(fc.nat(2), fc.nat(2), fc.integer({ min: 1, max: 6 })), { minLength: 1, maxLength: 9 })
    .map((leaves) =>
      leaves.flatMap(([top, leaf, size], at) =>
        Array.from({ length: size }, (_, i): SampleItem => ({
          id: `${at} ${i}`,
          path: `${top}.${leaf}`,
          closeness: (i * 7) % 5,
        })),
      ),
    );
  const pick = fc.constantFrom('random' as const, 'closest' as const);

  it('chooses exactly the total, and the chances of all items sum to it', () => {
    fc.assert(
      fc.property(tree, fc.nat(40), pick, fc.nat(5), (items, total, how, seed) => {
        const sampled = hierarchicalSample({ items, total, pick: how, seed });
        const wanted = Math.min(total, items.length);
        expect(sampled).toHaveLength(items.length);
        expect(sampled.filter(({ chosen }) => chosen)).toHaveLength(wanted);
        const chance = sampled.reduce((sum, one) => sum + one.inclusionProbability, 0);
        expect(chance).toBeCloseTo(wanted, 9);
        for (const { chosen, inclusionProbability } of sampled)
          if (chosen) expect(inclusionProbability).toBeGreaterThan(0);
      }),
    );
  });

  it('shares evenly over branches of one node, and does not depend on the order of the items', () => {
    fc.assert(
      fc.property(tree, fc.nat(40), (items, total) => {
        const input = { total, pick: 'random', seed: 2 } as const;
        const sampled = hierarchicalSample({ ...input, items });
        expect(hierarchicalSample({ ...input, items: [...items].reverse() })).toEqual(sampled);
        const tops = new Map<string, { chosen: number; size: number }>();
        for (const { item, chosen } of sampled) {
          const key = item.path.split('.')[0]!;
          const top = tops.get(key) ?? { chosen: 0, size: 0 };
          tops.set(key, { chosen: top.chosen + (chosen ? 1 : 0), size: top.size + 1 });
        }
        for (const x of tops.values())
          for (const y of tops.values())
            if (x.chosen < x.size) expect(y.chosen).toBeLessThanOrEqual(x.chosen + 1);
      }),
    );
  });

  it('chooses each item as often, over seeds, as its chance says', () => {
    const items = [
      ['0.0', 4],
      ['0.1', 9],
      ['1.0', 3],
      ['1.1', 5],
      ['1.2', 2],
      ['2.0', 1],
    ].flatMap(([path, size]) =>
      Array.from({ length: size as number }, (_, i): SampleItem => ({
        id: `${path} ${i}`,
        path: path as string,
        closeness: i,
      })),
    );
    const seeds = 300;
    for (const how of ['random', 'closest'] as const) {
      const times = new Map<string, number>();
      let chances = new Map<string, number>();
      for (let seed = 0; seed < seeds; seed++) {
        const sampled = hierarchicalSample({ items, total: 10, pick: how, seed });
        for (const { item, chosen } of sampled)
          times.set(item.id, (times.get(item.id) ?? 0) + (chosen ? 1 : 0));
        chances = new Map(sampled.map(({ item, inclusionProbability: p }) => [item.id, p]));
      }
      for (const [id, p] of chances)
        expect(Math.abs(times.get(id)! / seeds - p), id).toBeLessThan(
          5 * Math.sqrt((p * (1 - p)) / seeds) + 1e-9,
        );
    }
  });
});
