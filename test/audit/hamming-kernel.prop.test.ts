import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HammingKernel } from '../../src/audit/hamming-kernel.ts';
import { hammingDistance, packHashes } from '../../src/audit/hamming-search.ts';

const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
// near ones too, so that variants tie
const hash = fc.oneof(fc.tuple(word, word), fc.tuple(fc.constantFrom(0, 1, 3), fc.constantFrom(0, -1)));

describe('HammingKernel', () => {
  it('gives the nearest variant of a query, the first among equals, for every hash from a given one on', () => {
    const variants = fc.integer({ min: 1, max: 8 });
    const sets = variants.chain((count) =>
      fc.record({
        base: fc.array(hash, { maxLength: 50, size: 'max' }),
        queries: fc.array(fc.array(hash, { minLength: count, maxLength: count }), {
          minLength: 1,
          maxLength: 3,
        }),
        from: fc.nat({ max: 49 }),
      }),
    );
    fc.assert(
      fc.property(sets, ({ base, queries, from }) => {
        const kernel = new HammingKernel(packHashes(base), queries[0]!.length);
        for (const [query, variantHashes] of queries.entries()) {
          kernel.search(packHashes(queries.flat()), query, from);
          for (let i = from; i < base.length; i++) {
            const all = variantHashes.map((variant) => hammingDistance(variant, base[i]!));
            const least = Math.min(...all);
            expect([kernel.distances[i], kernel.variants[i]]).toEqual([least, all.indexOf(least)]);
          }
        }
      }),
    );
  });
});
