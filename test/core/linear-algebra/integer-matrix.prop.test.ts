import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IntegerMatrix } from '../../../src/core/linear-algebra/integer-matrix.ts';
import { Rng } from '../../../src/core/rng.ts';

const sizes = fc.record({
  m: fc.integer({ min: 1, max: 140 }),
  k: fc.integer({ min: 1, max: 40 }),
  n: fc.integer({ min: 1, max: 40 }),
  seed: fc.nat(),
});

const normals = (length: number, rng: Rng): Float64Array => Float64Array.from({ length }, () => rng.normal());

describe('a product of small integers with a matrix rounded to 16 bits', () => {
  it('is the sum in whole numbers, exactly, scaled and moved', () => {
    fc.assert(
      fc.property(sizes, ({ m, k, n, seed }) => {
        const rng = new Rng(seed, 'integers');
        const [values, bias, scales] = [normals(k * n, rng), normals(n, rng), normals(m, rng)];
        const matrix = new IntegerMatrix(values, { k, n, longestRow: 128 * Math.sqrt(k) });
        const rows = new Int16Array(m * matrix.rowStride);
        const out = new Float32Array(m * n);
        for (let row = 0; row < m; row++)
          for (let i = 0; i < k; i++) rows[row * matrix.rowStride + i] = rng.below(256) - 128;
        matrix.product(rows, scales, bias, out);
        const rounded = values.map((value) => Math.round(value / matrix.step));
        const wrong: string[] = [];
        for (let row = 0; row < m; row++)
          for (let column = 0; column < n; column++) {
            let sum = 0;
            for (let i = 0; i < k; i++) sum += rows[row * matrix.rowStride + i]! * rounded[i * n + column]!;
            const wanted = Math.fround(sum * (scales[row]! * matrix.step) + bias[column]!);
            if (!Object.is(out[row * n + column], wanted)) wrong.push(`${row}, ${column}`);
          }
        expect(wrong).toEqual([]);
      }),
    );
  });

  it('does not overflow at the longest rows, and keeps the entries within half a step', () => {
    for (const [k, entry] of [
      [2, 1],
      [1536, 1 / Math.sqrt(1536)],
      [1537, 1],
    ] as const) {
      // every sum as large as it can be: equal signs, the largest integers
      const matrix = new IntegerMatrix(new Float64Array(k).fill(entry), {
        k,
        n: 1,
        longestRow: 2000 * Math.sqrt(k),
      });
      const rows = new Int16Array(matrix.rowStride).fill(2000, 0, k);
      const out = new Float32Array(1);
      matrix.product(rows, Float64Array.of(1), Float64Array.of(0), out);
      expect(Math.abs(out[0]! / (2000 * k * entry) - 1)).toBeLessThan((0.51 * matrix.step) / entry + 1e-7);
    }
  });

  it('is refused for arrays that do not fit', () => {
    const matrix = new IntegerMatrix(new Float64Array(6), { k: 3, n: 2, longestRow: 10 });
    const [scales, bias] = [Float64Array.of(1), new Float64Array(2)];
    expect(matrix.rowStride).toBe(4);
    expect(() => matrix.product(new Int16Array(3), scales, bias, new Float32Array(2))).toThrow('internal');
    expect(() => matrix.product(new Int16Array(4), scales, bias, new Float32Array(3))).toThrow('internal');
    expect(() => new IntegerMatrix(new Float64Array(5), { k: 3, n: 2, longestRow: 1 })).toThrow('internal');
  });
});
