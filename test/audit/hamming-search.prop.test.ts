import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
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
              return distance <= radius ? [{ query, base, distance }] : [];
            }),
          );
          expect(hammingPairs({ queries: packHashes(a), base: packHashes(b), radius })).toEqual(slow);
        },
      ),
    );
  });

  it('joins a set with itself once per pair and never an item with itself', () => {
    fc.assert(
      fc.property(fc.array(hash, { maxLength: 30 }), fc.nat(20), (hashes, radius) => {
        const packed = packHashes(hashes);
        const both = hammingPairs({ queries: packed, base: packed, radius });
        expect(hammingSelfPairs({ hashes: packed, radius })).toEqual(
          both.filter(({ query, base }) => query < base),
        );
      }),
    );
  });

  it('measures all 65 distances', () => {
    for (let bits = 0; bits <= 64; bits++) {
      const ones = 2n ** BigInt(bits) - 1n;
      const other: Hash64 = [Number(ones >> 32n), Number(ones & 0xffffffffn)];
      expect(hammingDistance([0, 0], other)).toBe(bits);
    }
  });
});
