import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type HammingPair,
  hammingDistance,
  hammingPairs,
  hammingSelfPairs,
  packHashes,
} from '../../src/audit/hamming-search.ts';
import type { Hash64 } from '../../src/audit/perceptual-hash.ts';

const word = fc.integer({ min: 0, max: 0xffffffff });
/** Hashes that lie near a few centres, so that small radii find something. */
const hash = fc
  .tuple(
    fc.constantFrom<Hash64>([0, 0], [0xffffffff, 0x80000001], [0x12345678, 0x9abcdef0]),
    fc.array(fc.nat(63), { maxLength: 12 }),
    word,
  )
  .map(([centre, flips]): Hash64 => {
    const words: [number, number] = [...centre];
    for (const bit of flips) words[bit >> 5] = (words[bit >> 5]! ^ (1 << (bit & 31))) >>> 0;
    return words;
  });

function slowDistance(a: Hash64, b: Hash64): number {
  const big = (h: Hash64): bigint => (BigInt(h[0]) << 32n) | BigInt(h[1]);
  return (big(a) ^ big(b)).toString(2).replaceAll('0', '').length;
}

/** Smallest distance by item, as `item distance`. */
function nearestOf(pairs: readonly HammingPair[], side: 'query' | 'base'): string[] {
  const nearest = new Map<number, number>();
  for (const pair of pairs)
    nearest.set(pair[side], Math.min(pair.distance, nearest.get(pair[side]) ?? Infinity));
  return [...nearest].map(([item, distance]) => `${item} ${distance}`).sort();
}

describe('hammingPairs', () => {
  it('finds exactly the pairs that counting bits one by one finds', () => {
    fc.assert(
      fc.property(
        fc.array(hash, { maxLength: 25 }),
        fc.array(hash, { maxLength: 25 }),
        fc.nat(64),
        (a, b, radius) => {
          const slow = a.flatMap((x, query) =>
            b.flatMap((y, base) => {
              const distance = slowDistance(x, y);
              return distance <= radius ? [{ query, base, distance, variant: 0 }] : [];
            }),
          );
          const found = hammingPairs({ queries: packHashes(a), base: packHashes(b), radius });
          expect(found).toEqual({ pairs: slow, listedTo: radius, hubs: 0, open: { queries: [], base: [] } });
        },
      ),
    );
  });

  it('joins a set with itself once per pair and never an item with itself', () => {
    fc.assert(
      fc.property(fc.array(hash, { maxLength: 30 }), fc.nat(20), (hashes, radius) => {
        const packed = packHashes(hashes);
        const both = hammingPairs({ queries: packed, base: packed, radius });
        expect(hammingSelfPairs({ hashes: packed, radius }).pairs).toEqual(
          both.pairs.filter(({ query, base }) => query < base),
        );
      }),
    );
  });

  it('lists, under a budget, all pairs up to the largest distance that fits, and the nearest of every item', () => {
    const some = fc.array(hash, { minLength: 1, maxLength: 25 });
    fc.assert(
      fc.property(some, some, fc.nat(20), fc.nat(60), (a, b, radius, budget) => {
        const [queries, base] = [packHashes(a), packHashes(b)];
        const all = hammingPairs({ queries, base, radius }).pairs;
        const { pairs, listedTo, hubs, open } = hammingPairs({ queries, base, radius, budget });
        const upTo = (most: number): HammingPair[] => all.filter(({ distance }) => distance <= most);
        const largest =
          [...Array(radius + 1).keys()].filter((most) => upTo(most).length <= budget).pop() ?? -1;
        expect({ listedTo, hubs }).toEqual({ listedTo: largest, hubs: 0 });
        expect(pairs.filter(({ distance }) => distance <= listedTo)).toEqual(upTo(listedTo));
        for (const side of ['query', 'base'] as const)
          expect(nearestOf(pairs, side)).toEqual(nearestOf(all, side));
        const listed = new Set(pairs.map(({ query, base: at }) => `${query} ${at}`));
        const unlisted = all.filter(({ query, base: at }) => !listed.has(`${query} ${at}`));
        const ascending = (items: number[]): number[] => [...new Set(items)].sort((x, y) => x - y);
        expect(open).toEqual({
          queries: ascending(unlisted.map(({ query }) => query)),
          base: ascending(unlisted.map(({ base: at }) => at)),
        });
        const beyond = pairs.length - upTo(listedTo).length;
        expect(beyond).toBeLessThanOrEqual(a.length + b.length);
      }),
    );
  });

  it('keeps the nearest of every item of one set, under a budget and a cap on each list', () => {
    fc.assert(
      fc.property(fc.array(hash, { maxLength: 40 }), fc.nat(20), fc.nat(40), (hashes, radius, budget) => {
        const search = { hashes: packHashes(hashes), radius };
        const all = hammingSelfPairs(search).pairs;
        const { pairs } = hammingSelfPairs({ ...search, budget, mostPerQuery: 2 });
        const bothWays = (list: readonly HammingPair[]): HammingPair[] =>
          list.flatMap((pair) => [pair, { ...pair, query: pair.base, base: pair.query }]);
        expect(nearestOf(bothWays(pairs), 'query')).toEqual(nearestOf(bothWays(all), 'query'));
        expect(new Set(pairs.map(({ query, base }) => `${query} ${base}`)).size).toBe(pairs.length);
      }),
    );
  });

  it('speaks for a query by its nearest variant, the first of equally near ones', () => {
    const variants: Hash64[] = [
      [7, 0],
      [1, 0],
      [0, 1],
    ];
    const { pairs } = hammingPairs({
      queries: packHashes(variants),
      variants: 3,
      base: packHashes([[0, 0]]),
      radius: 3,
    });
    expect(pairs).toEqual([{ query: 0, base: 0, distance: 1, variant: 1 }]);
  });

  it('measures all 65 distances', () => {
    for (let bits = 0; bits <= 64; bits++) {
      const ones = 2n ** BigInt(bits) - 1n;
      const other: Hash64 = [Number(ones >> 32n), Number(ones & 0xffffffffn)];
      expect(hammingDistance([0, 0], other)).toBe(bits);
    }
  });
});
