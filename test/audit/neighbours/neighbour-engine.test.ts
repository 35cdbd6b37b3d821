import { afterAll, describe, expect, it } from 'vitest';
import { NeighbourEngine } from '../../../src/audit/neighbours/neighbour-engine.ts';
import {
  type NeighbourSearch,
  type RowBlock,
  nearestNeighbours,
} from '../../../src/audit/neighbours/nearest-neighbours.ts';
import { Rng } from '../../../src/core/rng.ts';

const DIM = 24;
const QUERIES = 200;
const rng = new Rng(3, 'engine');
const gaussian = (count: number): Float32Array =>
  Float32Array.from({ length: count * DIM }, () => rng.normal());

const queries = gaussian(QUERIES);
queries.fill(0, 7 * DIM, 8 * DIM);
const base = gaussian(500);
base.fill(NaN, 11 * DIM, 12 * DIM);
// equal rows, so that ties are broken across tiles as well
base.copyWithin(400 * DIM, 20 * DIM, 60 * DIM);

const search: NeighbourSearch = { queries, queryCount: QUERIES, base, dim: DIM, k: 5 };
const tile = { queryRows: 30, baseRows: 64 };

const threaded = new NeighbourEngine({ threads: 3, threadsFromFlops: 0 });
afterAll(() => threaded.close());

function* blocksThenFailure(): Generator<RowBlock> {
  yield { rows: base.slice(0, 300 * DIM), firstIndex: 0 };
  throw new Error('the disk is gone');
}

describe('NeighbourEngine', () => {
  it.each<[string, Partial<NeighbourSearch>]>([
    ['one array', {}],
    ['small tiles, more of them than the memory holds', { tile }],
    ['a floor', { tile, floor: 0.4, k: 20 }],
    ['blocks of a stream', { tile, base: [{ rows: base, firstIndex: 1000 }] }],
    ['a set against itself', { tile, queries: base, queryCount: 500, excludeSelf: true }],
  ])('gives the same from three threads as from one: %s', async (_, change) => {
    expect(threaded.threadsFor({ queryCount: QUERIES, flops: 0 })).toBe(3);
    const shared = await nearestNeighbours({ ...search, ...change, engine: threaded });
    const alone = await nearestNeighbours({ ...search, ...change });
    expect(shared).toEqual(alone);
    expect(alone.unusable.base).toEqual([change.base === undefined ? 11 : 1011]);
  });

  it('lets searches that are asked for at once take turns', async () => {
    const asked = [1, 2, 3].map((k) => nearestNeighbours({ ...search, k, tile, engine: threaded }));
    for (const [i, found] of (await Promise.all(asked)).entries())
      expect(found).toEqual(await nearestNeighbours({ ...search, k: i + 1 }));
  });

  it('passes on what the stream throws, and searches again', async () => {
    const failing = { ...search, base: blocksThenFailure(), tile, engine: threaded };
    await expect(nearestNeighbours(failing)).rejects.toThrow('the disk is gone');
    expect(await nearestNeighbours({ ...search, engine: threaded })).toEqual(await nearestNeighbours(search));
  });

  it('names a thread that died during a search, and starts another for the next', async () => {
    const engine = new NeighbourEngine({ threads: 2, threadsFromFlops: 0 });
    try {
      const died = engine.inThreads(2, async ([first]) => {
        await Promise.all([first!.call('end', null), first!.close()]);
      });
      await expect(died).rejects.toMatchObject({
        failure: { kind: 'environment', where: 'neighbour thread 1' },
      });
      expect(await nearestNeighbours({ ...search, engine })).toEqual(await nearestNeighbours(search));
    } finally {
      await engine.close();
    }
  });

  it('keeps small searches, few queries and other devices in the thread of the caller', () => {
    const engine = new NeighbourEngine({ threads: 4, threadsFromFlops: 1e9 });
    expect(engine.threadsFor({ queryCount: 1000, flops: 1e9 - 1 })).toBe(1);
    expect(engine.threadsFor({ queryCount: 1000, flops: 1e9 })).toBe(4);
    expect(engine.threadsFor({ queryCount: 130, flops: 1e9 })).toBe(2);
    expect(engine.threadsFor({ queryCount: 20, flops: 1e12 })).toBe(1);
    const onGpu = new NeighbourEngine({ threads: 4, threadsFromFlops: 0, executionProviders: ['cuda'] });
    expect(onGpu.threadsFor({ queryCount: 1000, flops: 1e12 })).toBe(1);
  });
});
