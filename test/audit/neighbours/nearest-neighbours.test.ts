import { describe, expect, it } from 'vitest';
import {
  type NeighbourSearch,
  type RowBlock,
  nearestNeighbours,
} from '../../../src/audit/neighbours/nearest-neighbours.ts';
import { pairsAbove } from '../../../src/audit/neighbours/pairs-above.ts';
import { Rng } from '../../../src/core/rng.ts';

/** Cosines by a plain float64 loop, sorted by score then index. */
function naive(search: NeighbourSearch & { base: Float32Array }): { indices: number[]; scores: number[] } {
  const { queries, queryCount, base, dim, k } = search;
  const indices: number[] = [];
  const scores: number[] = [];
  const norm = (rows: Float32Array, i: number): number => {
    let s = 0;
    for (let c = 0; c < dim; c++) s += rows[i * dim + c]! ** 2;
    return Math.sqrt(s);
  };
  for (let q = 0; q < queryCount; q++) {
    const found: { index: number; score: number }[] = [];
    for (let b = 0; b < base.length / dim; b++) {
      if (search.excludeSelf && b === q) continue;
      let dot = 0;
      for (let c = 0; c < dim; c++) dot += queries[q * dim + c]! * base[b * dim + c]!;
      // the product of inverse norms first, as documented: symmetric in query and base
      const score = dot * ((1 / norm(queries, q)) * (1 / norm(base, b)));
      if (Number.isFinite(score) && score >= (search.floor ?? -Infinity)) found.push({ index: b, score });
    }
    found.sort((x, y) => y.score - x.score || x.index - y.index);
    for (let i = 0; i < k; i++) {
      indices.push(found[i]?.index ?? -1);
      scores.push(Math.fround(found[i]?.score ?? NaN));
    }
  }
  return { indices, scores };
}

function gaussian(seed: number, n: number, dim: number): Float32Array {
  const rng = new Rng(seed, 'rows');
  return Float32Array.from({ length: n * dim }, () => rng.normal());
}

async function* blocks(rows: Float32Array, dim: number, sizes: readonly number[]): AsyncGenerator<RowBlock> {
  for (let first = 0, i = 0; first < rows.length / dim; i++) {
    const count = sizes[i % sizes.length]!;
    yield await Promise.resolve({ rows: rows.slice(first * dim, (first + count) * dim), firstIndex: first });
    first += count;
  }
}

async function expectNaive(search: NeighbourSearch & { base: Float32Array }): Promise<void> {
  const result = await nearestNeighbours(search);
  const slow = naive(search);
  expect([...result.indices]).toEqual(slow.indices);
  expect([...result.scores]).toEqual(slow.scores);
}

describe('nearestNeighbours', () => {
  it('equals a float64 loop on random rows, at sizes that do not divide by the tile', async () => {
    for (const [m, n, dim, k] of [
      [37, 501, 19, 7],
      [1, 1, 3, 1],
      [130, 257, 64, 20],
      [5, 1000, 2, 9],
    ] as const) {
      await expectNaive({
        queries: gaussian(1, m, dim),
        queryCount: m,
        base: gaussian(2, n, dim),
        dim,
        k,
        tile: { queryRows: 16, baseRows: 64 },
      });
    }
  });

  it('equals a float64 loop at the default tile', async () => {
    const [m, n, dim] = [300, 9000, 24];
    await expectNaive({ queries: gaussian(3, m, dim), queryCount: m, base: gaussian(4, n, dim), dim, k: 5 });
  });

  it('gives equal scores to the lower index, also when far more rows are equal than are asked for', async () => {
    const dim = 8;
    const few = gaussian(5, 3, dim);
    const base = new Float32Array(400 * dim);
    for (let i = 0; i < 400; i++) base.set(few.subarray((i % 3) * dim, ((i % 3) + 1) * dim), i * dim);
    await expectNaive({
      queries: few,
      queryCount: 3,
      base,
      dim,
      k: 10,
      tile: { queryRows: 2, baseRows: 50 },
    });
    const { indices } = await nearestNeighbours({ queries: few, queryCount: 3, base, dim, k: 4 });
    expect([...indices]).toEqual([0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
  });

  it('sorts rows that differ by less than float32 can tell after the product', async () => {
    const dim = 256;
    const query = gaussian(6, 1, dim);
    const rng = new Rng(7, 'jitter');
    const base = new Float32Array(300 * dim);
    for (let i = 0; i < 300; i++) {
      for (let c = 0; c < dim; c++) base[i * dim + c] = query[c]! * (1 + 1e-4 * rng.normal());
    }
    await expectNaive({
      queries: query,
      queryCount: 1,
      base,
      dim,
      k: 12,
      tile: { queryRows: 8, baseRows: 100 },
    });
  });

  it('finds rows whose squares float32 cannot hold, huge or tiny, as if they were of ordinary length', async () => {
    const [dim, n] = [5, 40];
    const base = gaussian(8, n, dim);
    const queries = gaussian(9, 6, dim);
    const lengths = [1, 1e30, 1e-30, 3e-38, 1e18];
    const stretched = base.map((value, i) => value * lengths[Math.floor(i / dim) % lengths.length]!);
    await expectNaive({ queries, queryCount: 6, base: stretched, dim, k: 4 });
  });

  it('works in one dimension, where every cosine is 1 or -1', async () => {
    const base = Float32Array.of(3, -2, 5, -1, 0.5);
    const result = await nearestNeighbours({
      queries: Float32Array.of(2, -7),
      queryCount: 2,
      base,
      dim: 1,
      k: 3,
    });
    expect([...result.indices]).toEqual([0, 2, 4, 1, 3, 0]);
    expect([...result.scores]).toEqual([1, 1, 1, 1, 1, -1]);
  });

  it('pads with -1 and NaN when k is larger than the base', async () => {
    const dim = 4;
    const search = { queries: gaussian(8, 2, dim), queryCount: 2, base: gaussian(9, 3, dim), dim, k: 6 };
    await expectNaive(search);
    const { indices, scores } = await nearestNeighbours(search);
    expect([...indices.slice(3, 6)]).toEqual([-1, -1, -1]);
    expect(scores[5]).toBeNaN();
  });

  it('leaves each row out of its own list when a set is searched against itself', async () => {
    const dim = 12;
    const rows = gaussian(10, 90, dim);
    const search = { queries: rows, queryCount: 90, base: rows, dim, k: 4, excludeSelf: true };
    await expectNaive({ ...search, tile: { queryRows: 32, baseRows: 40 } });
    const { indices } = await nearestNeighbours(search);
    indices.forEach((index, at) => expect(index).not.toBe(Math.floor(at / 4)));
  });

  it('does not depend on block sizes, the order of blocks, or tile sizes', async () => {
    const dim = 10;
    const base = gaussian(11, 333, dim);
    const search = { queries: gaussian(12, 21, dim), queryCount: 21, dim, k: 6 };
    const whole = await nearestNeighbours({ ...search, base });
    const reversed = async function* (): AsyncGenerator<RowBlock> {
      const all: RowBlock[] = [];
      for await (const block of blocks(base, dim, [50])) all.unshift(block);
      yield* all;
    };
    for (const streamed of [blocks(base, dim, [1, 7, 120]), reversed()]) {
      const result = await nearestNeighbours({
        ...search,
        base: streamed,
        tile: { queryRows: 5, baseRows: 37 },
      });
      expect(result).toEqual(whole);
    }
  });

  it('reports rows without a direction and matches them with nothing', async () => {
    const dim = 3;
    const base = Float32Array.of(1, 0, 0, 0, 0, 0, NaN, 1, 0, 0, -1, 0, Infinity, 0, 0, 0, 0, -1);
    const queries = Float32Array.of(-1, -1, -1, 0, 0, 0, 1, NaN, 0);
    const result = await nearestNeighbours({ queries, queryCount: 3, base, dim, k: 5 });
    expect(result.unusable).toEqual({ queries: [1, 2], base: [1, 2, 4] });
    expect([...result.indices]).toEqual([3, 5, 0, -1, -1, ...Array<number>(10).fill(-1)]);
  });

  it('drops everything below the floor', async () => {
    const dim = 6;
    const search = {
      queries: gaussian(13, 20, dim),
      queryCount: 20,
      base: gaussian(14, 200, dim),
      dim,
      k: 50,
      floor: 0.4,
    };
    await expectNaive(search);
    const { scores } = await nearestNeighbours(search);
    for (const score of scores) expect(Number.isNaN(score) || score >= 0.4).toBe(true);
  });

  it('answers an empty base and no queries with empty lists', async () => {
    const none = await nearestNeighbours({
      queries: gaussian(1, 2, 3),
      queryCount: 2,
      base: new Float32Array(0),
      dim: 3,
      k: 2,
    });
    expect([...none.indices]).toEqual([-1, -1, -1, -1]);
    const nobody = await nearestNeighbours({
      queries: new Float32Array(0),
      queryCount: 0,
      base: gaussian(1, 2, 3),
      dim: 3,
      k: 2,
    });
    expect(nobody.indices.length).toBe(0);
  });

  it('refuses sizes that do not fit as a defect', async () => {
    const search = { queries: new Float32Array(7), queryCount: 2, base: new Float32Array(8), dim: 4, k: 1 };
    await expect(nearestNeighbours(search)).rejects.toThrow(/internal/);
    const ragged = { queries: new Float32Array(8), queryCount: 2, base: new Float32Array(7), dim: 4, k: 1 };
    await expect(nearestNeighbours(ragged)).rejects.toThrow(/internal/);
  });
});

describe('pairsAbove', () => {
  it('lists every pair that a float64 loop finds above the threshold', async () => {
    const dim = 5;
    const [queries, base] = [gaussian(15, 30, dim), gaussian(16, 80, dim)];
    const { pairs, hubs } = await pairsAbove({ queries, queryCount: 30, base, dim, threshold: 0.7 });
    const slow = naive({ queries, queryCount: 30, base, dim, k: 80, floor: 0.7 });
    const expected = slow.indices.flatMap((index, at) => (index < 0 ? [] : [[Math.floor(at / 80), index]]));
    expect(pairs.map(({ query, base: b }) => [query, b])).toEqual(expected);
    expect(pairs.length).toBeGreaterThan(30);
    expect(pairs.every(({ rank }) => rank >= 1)).toBe(true);
    expect(hubs).toEqual([]);
  });

  it('cuts the list of a hub and says so', async () => {
    const base = new Float32Array(50 * 2).fill(1);
    const queries = Float32Array.of(1, 1, -1, -1);
    const { pairs, hubs } = await pairsAbove({
      queries,
      queryCount: 2,
      base,
      dim: 2,
      threshold: 0.9,
      maxPerQuery: 10,
    });
    expect(hubs).toEqual([0]);
    expect(pairs.map((pair) => pair.base)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});
