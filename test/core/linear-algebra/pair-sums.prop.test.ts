import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PAIR_SUMS, PairSums } from '../../../src/core/linear-algebra/pair-sums.ts';
import { Rng } from '../../../src/core/rng.ts';

describe('sums over pairs of tokens', () => {
  it('are those of plain float64 loops within 1e-12 of what is summed, for any width and number of tokens', () => {
    fc.assert(
      fc.property(
        fc.record({
          channels: fc.integer({ min: 1, max: 70 }),
          tokens: fc.integer({ min: 1, max: 200 }),
          seed: fc.nat(),
        }),
        ({ channels, tokens, seed }) => {
          const rng = new Rng(seed, 'pairs');
          const make = (): Float32Array =>
            Float32Array.from({ length: tokens * channels }, () => rng.normal() * 10 ** (rng.below(9) - 4));
          const [a, b] = [make(), make()];
          const found = new Float64Array(tokens * PAIR_SUMS);
          const sums = new PairSums(channels);
          // a second call must not see what the first left behind
          sums.run(b, a, found);
          sums.run(a, b, found);
          for (let token = 0; token < tokens; token++) {
            const wanted = [0, 0, 0, 0];
            let size = 0;
            for (let c = token * channels; c < (token + 1) * channels; c++) {
              const [x, y] = [a[c]!, b[c]!];
              [x * x, x * y, y * y, (x - y) ** 2].forEach((value, i) => (wanted[i]! += value));
              size += (Math.abs(x) + Math.abs(y)) ** 2;
            }
            wanted.forEach((value, i) =>
              expect(Math.abs(found[token * PAIR_SUMS + i]! - value)).toBeLessThanOrEqual(1e-12 * size),
            );
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('are refused for arrays that do not fit', () => {
    const sums = new PairSums(3);
    expect(() => sums.run(new Float32Array(6), new Float32Array(3), new Float64Array(8))).toThrow('internal');
    expect(() => sums.run(new Float32Array(6), new Float32Array(6), new Float64Array(7))).toThrow('internal');
  });
});
