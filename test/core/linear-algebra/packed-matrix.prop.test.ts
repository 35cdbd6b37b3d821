import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GramSum } from '../../../src/core/linear-algebra/gram-sum.ts';
import { PackedMatrix, product64 } from '../../../src/core/linear-algebra/packed-matrix.ts';
import { Rng } from '../../../src/core/rng.ts';

const sizes = fc.record({
  m: fc.integer({ min: 1, max: 150 }),
  k: fc.integer({ min: 1, max: 40 }),
  n: fc.integer({ min: 1, max: 40 }),
  seed: fc.nat(),
});

const normals = (length: number, seed: number, label: string): Float64Array => {
  const rng = new Rng(seed, label);
  return Float64Array.from({ length }, () => rng.normal());
};

/** Sums in order, as the kernels promise. */
function slowProduct(a: ArrayLike<number>, b: ArrayLike<number>, k: number, n: number): Float64Array {
  const out = new Float64Array((a.length / k) * n);
  for (let i = 0; i < a.length / k; i++)
    for (let j = 0; j < n; j++) for (let t = 0; t < k; t++) out[i * n + j]! += a[i * k + t]! * b[t * n + j]!;
  return out;
}

describe('a product with a packed matrix', () => {
  it('of float64 has the very bits of the sum in order', () => {
    fc.assert(
      fc.property(sizes, ({ m, k, n, seed }) => {
        const [a, b] = [normals(m * k, seed, 'a'), normals(k * n, seed, 'b')];
        expect(product64(a, b, { k, n })).toEqual(slowProduct(a, b, k, n));
      }),
    );
  });

  it('of float32 has the very bits of the sum in order, every step rounded', () => {
    fc.assert(
      fc.property(sizes, ({ m, k, n, seed }) => {
        const a = Float32Array.from(normals(m * k, seed, 'a'));
        const b = Float32Array.from(normals(k * n, seed, 'b'));
        const wanted = new Float32Array(m * n);
        for (let i = 0; i < m; i++)
          for (let j = 0; j < n; j++) {
            let sum = 0;
            for (let t = 0; t < k; t++) sum = Math.fround(sum + Math.fround(a[i * k + t]! * b[t * n + j]!));
            wanted[i * n + j] = sum;
          }
        const out = new Float32Array(m * n);
        new PackedMatrix(b, { dtype: 'float32', k, n }).product(a, out);
        expect(out).toEqual(wanted);
      }),
    );
  });

  it('does not depend on how many rows are multiplied at a time, and centre and bias apply to each', () => {
    fc.assert(
      fc.property(sizes, ({ m, k, n, seed }) => {
        const matrix = new PackedMatrix(normals(k * n, seed, 'b'), { dtype: 'float32', k, n });
        const rows = Float32Array.from(normals(m * k, seed, 'a'));
        const [centre, bias] = [normals(k, seed, 'centre'), normals(n, seed, 'bias')];
        const all = new Float32Array(m * n);
        matrix.product(rows, all, { centre, bias });
        const one = new Float32Array(n);
        for (let i = 0; i < m; i++) {
          matrix.product(rows.subarray(i * k, (i + 1) * k), one, { centre, bias });
          expect(one).toEqual(all.subarray(i * n, (i + 1) * n));
        }
        // the same by hand: subtract before, add after
        const plain = new Float32Array(m * n);
        matrix.product(
          rows.map((x, i) => x - centre[i % k]!),
          plain,
        );
        plain.forEach((x, i) => expect(all[i]).toBeCloseTo(x + bias[i % n]!, 4));
      }),
      { numRuns: 30 },
    );
  });

  it('refuses arrays of other sizes', () => {
    const matrix = new PackedMatrix(new Float64Array(6), { dtype: 'float64', k: 2, n: 3 });
    expect(() => matrix.product(new Float64Array(3), new Float64Array(3))).toThrow('internal');
    expect(() => matrix.product(new Float64Array(4), new Float64Array(3))).toThrow('internal');
    expect(() => new PackedMatrix(new Float64Array(5), { dtype: 'float64', k: 2, n: 3 })).toThrow('internal');
  });
});

describe('a sum of outer products', () => {
  it('is R^T R, tile by tile, whatever the width', () => {
    fc.assert(
      fc.property(sizes, ({ m, n: width, seed }) => {
        const rows = normals(m * width, seed, 'rows');
        const sum = new GramSum(width, 16);
        for (let start = 0; start < m; start += 16) {
          const count = Math.min(16, m - start);
          sum.add(count, (tile) => {
            for (let t = 0; t < count; t++)
              for (let c = 0; c < width; c++)
                tile[((c >> 2) * count + t) * 4 + (c & 3)] = rows[(start + t) * width + c]!;
          });
        }
        const transposed = new Float64Array(rows.length);
        for (let i = 0; i < m; i++)
          for (let c = 0; c < width; c++) transposed[c * m + i] = rows[i * width + c]!;
        const wanted = slowProduct(transposed, rows, m, width);
        sum.matrix().forEach((x, i) => expect(x).toBeCloseTo(wanted[i]!, 9));
      }),
    );
  });
});
