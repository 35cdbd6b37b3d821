import { describe, expect, it } from 'vitest';
import { hadamard, hadamardOrderUpTo, hasHadamard } from '../../../src/core/linear-algebra/hadamard.ts';

/** The first pair of rows whose product is not 0 (or n with itself), or null; entries other than +1 and -1 count too. */
function flawOf(matrix: Int8Array, n: number): string | null {
  if (matrix.length !== n * n || matrix.some((x) => x !== 1 && x !== -1)) return 'other entries';
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let dot = 0;
      for (let k = 0; k < n; k++) dot += matrix[i * n + k]! * matrix[j * n + k]!;
      if (dot !== (i === j ? n : 0)) return `rows ${i} and ${j}`;
    }
  return null;
}

/** distillation.md §4.3, the sizes checked there. */
const LISTED = [
  4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 56, 60, 64, 72, 76, 80, 84, 88, 96, 128, 160, 192, 256, 320,
  384, 512, 640, 768, 1024, 1152, 1280, 1408, 1536,
];

describe('a Hadamard matrix', () => {
  it.each(LISTED.filter((n) => n <= 384))('of order %i is orthogonal', (n) => {
    expect(flawOf(hadamard(n)!, n)).toBeNull();
  });

  it.each(LISTED.filter((n) => n > 384))('of order %i is orthogonal in rows drawn at random', (n) => {
    const matrix = hadamard(n)!;
    expect(matrix.every((x) => x === 1 || x === -1)).toBe(true);
    for (let pair = 0; pair < 3000; pair++) {
      const [i, j] = [(pair * 7919) % n, (pair * 104_729 + 13) % n];
      let dot = 0;
      for (let k = 0; k < n; k++) dot += matrix[i * n + k]! * matrix[j * n + k]!;
      expect(dot).toBe(i === j ? n : 0);
    }
  });

  it.each([3, 5, 6, 10, 18, 50, 92, 100, 116, 1001])('of order %i is not to be had here', (n) => {
    expect(hadamard(n)).toBeNull();
    expect(hasHadamard(n)).toBe(false);
  });

  it('takes no q of the wrong residue: 1 + 5 and 2 (1 + 7) would not be orthogonal', () => {
    // q = 5 is 1 mod 4, so Paley I does not give 6; q = 7 is 3 mod 4, so 16 comes from elsewhere and is right
    expect(hadamard(6)).toBeNull();
    expect(flawOf(hadamard(16)!, 16)).toBeNull();
  });

  it('is there or not as announced, for every order up to 400', () => {
    for (let n = 1; n <= 400; n++) {
      const matrix = hadamard(n);
      expect([n, matrix !== null]).toEqual([n, hasHadamard(n)]);
      if (matrix !== null && n <= 120) expect([n, flawOf(matrix, n)]).toEqual([n, null]);
    }
  });

  it.each([
    [1, 1],
    [3, 2],
    [7, 4],
    [92, 88],
    [1001, 1000],
    [1280, 1280],
  ])('the largest order up to %i is %i', (most, order) => {
    expect(hadamardOrderUpTo(most)).toBe(order);
  });
});
