import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/core/rng.ts';
import { type RetrievePolicy, retrieveSimilar } from '../../src/curate/retrieve-similar.ts';
import { idOf, rowOf } from '../audit/sample-images.ts';
import { failing } from '../support/failing.ts';

const DIM = 6;
const rng = new Rng(4, 'retrieve');
const gaussian = (count: number) => Float32Array.from({ length: count * DIM }, () => rng.normal());
const rows = Array.from({ length: 60 }, (_, i) => rowOf(`p${i}`)).sort((x, y) => (x.id < y.id ? -1 : 1));
const pool = { ids: rows.map(({ id }) => id), dim: DIM, data: gaussian(60) };
const seeds = { ids: ['s0', 's1', 's2', 's3'].map(idOf), dim: DIM, data: gaussian(4) };

/** Plain loops: for each seed, pool indices by falling cosine. */
const ranked = Array.from({ length: 4 }, (_, s) => {
  const of = (data: Float32Array, i: number) => [...data.subarray(i * DIM, (i + 1) * DIM)];
  const seed = of(seeds.data, s);
  return rows
    .map((row, i) => {
      const one = of(pool.data, i);
      const dot = one.reduce((sum, v, c) => sum + v * seed[c]!, 0);
      return { id: row.id, cosine: dot / (Math.hypot(...one) * Math.hypot(...seed)) };
    })
    .sort((a, b) => b.cosine - a.cosine);
});
const run = (policy: RetrievePolicy, over: Partial<Parameters<typeof retrieveSimilar>[0]> = {}) =>
  retrieveSimilar({ rows, pool, seeds, policy, seed: 1, ...over });

describe('retrieveSimilar by neighbours', () => {
  const policy = { kind: 'neighbours', level: 'teacher:t', perSeed: 5, minCosine: 0.3 } as const;

  it('keeps what plain loops find: the nearest of each seed above the floor', async () => {
    const { kept, rejected, matches } = await run(policy);
    const wanted = new Set(
      ranked.flatMap((list) =>
        list
          .slice(0, 5)
          .filter(({ cosine }) => cosine >= 0.3)
          .map(({ id }) => id),
      ),
    );
    expect(kept.map(({ id }) => id)).toEqual([...wanted].sort());
    expect(rejected).toHaveLength(60 - wanted.size);
    for (const { id } of rows) {
      const best = Math.max(...ranked.map((list) => list.find((one) => one.id === id)!.cosine));
      expect(matches.get(id)!.cosine).toBeCloseTo(best, 6);
    }
    expect(rejected[0]).toMatchObject({
      reason: 'unlike-seeds',
      otherSet: 'seeds',
      threshold: 'among the 5 nearest of a seed, teacher:t cosine >= 0.3',
    });
  });

  it('keeps all of its own result', async () => {
    const { kept } = await run(policy);
    const at = kept.map(({ id }) => pool.ids.indexOf(id));
    const data = new Float32Array(at.length * DIM);
    at.forEach((i, to) => data.set(pool.data.subarray(i * DIM, (i + 1) * DIM), to * DIM));
    const again = await run(policy, { rows: kept, pool: { ids: kept.map(({ id }) => id), dim: DIM, data } });
    expect(again.kept).toEqual(kept);
  });

  it('refuses seeds of which none can be compared, and does not blame the pool', async () => {
    const blank = { ...seeds, data: new Float32Array(4 * DIM) };
    const failure = failing(3, { where: 'teacher:t', got: 'none of 4' });
    await expect(run(policy, { seeds: blank })).rejects.toEqual(failure);
  });

  it('rejects images without an embedding as such', async () => {
    const data = pool.data.slice();
    data.fill(0, 0, DIM);
    const { rejected } = await run(policy, { pool: { ...pool, data } });
    expect(rejected.find(({ imageId }) => imageId === rows[0]!.id)!.reason).toBe('no-embedding');
  });
});

describe('retrieveSimilar by clusters', () => {
  it('takes a limited number from clusters in which enough seeds fall', async () => {
    // two tight groups; seeds fall into the first only
    const data = Float32Array.from({ length: 60 * DIM }, (_, i) =>
      i % DIM === (Math.floor(i / DIM) < 40 ? 0 : 1) ? 1 : 0.05 * rng.normal(),
    );
    const near = {
      ...seeds,
      data: Float32Array.from({ length: 4 * DIM }, (_, i) => (i % DIM === 0 ? 1 : 0.01)),
    };
    const policy = {
      kind: 'clusters',
      level: 'teacher:t',
      clusters: 2,
      minSeeds: 3,
      perCluster: 15,
      minCosine: 0,
    } as const;
    const { kept, rejected, chances } = await run(policy, { pool: { ...pool, data }, seeds: near });
    expect(kept).toHaveLength(15);
    const first = new Set(pool.ids.slice(0, 40));
    expect(kept.every(({ id }) => first.has(id))).toBe(true);
    expect(rejected[0]!.threshold).toContain('a cluster with at least 3 seeds');
    // 40 may be taken and 15 are drawn; the others are like no seed
    expect([...chances].map(([id, chance]) => [first.has(id), chance])).toEqual(
      Array.from({ length: 40 }, () => [true, 15 / 40]),
    );
    const reasons = rejected.map(({ imageId, reason }) => [first.has(imageId!), reason].join(' '));
    expect(reasons.filter((one) => one === 'true over-retrieved-share')).toHaveLength(25);
    expect(reasons.filter((one) => one === 'false unlike-seeds')).toHaveLength(20);
    const none = await run({ ...policy, minSeeds: 5 }, { pool: { ...pool, data }, seeds: near });
    expect(none.kept).toEqual([]);
  });
});
