import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_SIZE, Permutation } from '../../src/loader/permutation.ts';

describe('a stateless permutation', () => {
  it('maps 0..n-1 onto itself, for every size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.nat(), (size, seed) => {
        const permutation = new Permutation(size, seed);
        const seen = new Uint8Array(size);
        for (let i = 0; i < size; i++) seen[permutation.at(i)]! += 1;
        expect(seen.every((count) => count === 1)).toBe(true);
      }),
    );
  });

  it('never maps two of many indices of a huge range to one place', () => {
    const permutation = new Permutation(MAX_SIZE - 3, 1);
    const places = new Set(Array.from({ length: 5000 }, (_, i) => permutation.at(i * 50_000_000_000)));
    expect(places.size).toBe(5000);
    for (const place of places) expect(place).toBeLessThan(MAX_SIZE - 3);
  });

  it('depends on the seed and on every label', () => {
    const of = (seed: number, ...labels: (string | number)[]): string => {
      const permutation = new Permutation(200, seed, ...labels);
      return Array.from({ length: 200 }, (_, i) => permutation.at(i)).join();
    };
    const orders = [of(1), of(2), of(1, 'a'), of(1, 'b'), of(1, 'a', 0), of(1, 'a', 1)];
    expect(new Set(orders).size).toBe(orders.length);
    expect(of(1, 'a', 1)).toBe(orders.at(-1));
  });

  it('moves an index a third of the range on average, as a random permutation does', () => {
    const size = 100_003;
    const permutation = new Permutation(size, 5);
    let moved = 0;
    for (let i = 0; i < size; i++) moved += Math.abs(permutation.at(i) - i) / size;
    expect(Math.abs(moved / size - 1 / 3)).toBeLessThan(0.005);
  });

  it('sends an index everywhere equally often over seeds, small ranges included', () => {
    for (const size of [2, 3, 7, 16]) {
      const counts = new Float64Array(size);
      const draws = 3000;
      for (let seed = 0; seed < draws; seed++) counts[new Permutation(size, seed).at(0)]! += 1;
      const expected = draws / size;
      const chi2 = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
      // 99.99 % of chi-square with 15 degrees of freedom is 44.3
      expect(chi2).toBeLessThan(45);
    }
  });
});
