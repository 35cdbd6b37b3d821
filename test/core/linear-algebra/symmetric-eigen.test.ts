import { describe, expect, it } from 'vitest';
import { matrixProduct, solvePositive, symmetricSquareRoot } from '../../../src/core/linear-algebra/dense.ts';
import { symmetricEigen, symmetricEigenvalues } from '../../../src/core/linear-algebra/symmetric-eigen.ts';
import { Rng } from '../../../src/core/rng.ts';

function randomSymmetric(n: number, seed: number): Float64Array {
  const rng = new Rng(seed, 'symmetric');
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = rng.normal();
  return a;
}

/** Largest |A v - lambda v| and |V V^T - I|. */
function residuals(a: Float64Array, n: number): { equation: number; orthogonality: number } {
  const { values, vectors } = symmetricEigen(a, n);
  let equation = 0;
  let orthogonality = 0;
  for (let k = 0; k < n; k++) {
    for (let i = 0; i < n; i++) {
      let sum = 0;
      let dot = 0;
      for (let j = 0; j < n; j++) {
        sum += a[i * n + j]! * vectors[k * n + j]!;
        dot += vectors[k * n + j]! * vectors[i * n + j]!;
      }
      equation = Math.max(equation, Math.abs(sum - values[k]! * vectors[k * n + i]!));
      orthogonality = Math.max(orthogonality, Math.abs(dot - (i === k ? 1 : 0)));
    }
  }
  return { equation, orthogonality };
}

describe('symmetricEigen', () => {
  it('solves the equation with orthonormal vectors at every small size and at 60', () => {
    for (const n of [1, 2, 3, 4, 5, 8, 13, 60]) {
      const { equation, orthogonality } = residuals(randomSymmetric(n, n), n);
      expect(equation).toBeLessThan(1e-12 * n);
      expect(orthogonality).toBeLessThan(1e-13 * n);
    }
  });

  it('gives the known eigenvalues 2 - 2 cos(pi k / (n + 1)) of the second difference', () => {
    const n = 30;
    const a = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      a[i * n + i] = 2;
      if (i > 0) a[i * n + i - 1] = a[(i - 1) * n + i] = -1;
    }
    const wanted = Array.from(
      { length: n },
      (_, k) => 2 - 2 * Math.cos((Math.PI * (k + 1)) / (n + 1)),
    ).reverse();
    symmetricEigen(a, n).values.forEach((value, k) => expect(value).toBeCloseTo(wanted[k]!, 13));
    symmetricEigenvalues(a, n).forEach((value, k) => expect(value).toBeCloseTo(wanted[k]!, 13));
  });

  it('handles a diagonal matrix, a repeated eigenvalue, zero and rank one', () => {
    expect([...symmetricEigen(Float64Array.of(1, 0, 0, 0, 5, 0, 0, 0, 3), 3).values]).toEqual([5, 3, 1]);
    expect([...symmetricEigen(new Float64Array(16), 4).values]).toEqual([0, 0, 0, 0]);
    const ones = new Float64Array(25).fill(1);
    const { values, vectors } = symmetricEigen(ones, 5);
    expect(values[0]).toBeCloseTo(5, 13);
    for (const rest of values.subarray(1)) expect(Math.abs(rest)).toBeLessThan(1e-14);
    for (const x of vectors.subarray(0, 5)) expect(x).toBeCloseTo(1 / Math.sqrt(5), 13);
  });

  it('refuses what is no finite square matrix', () => {
    expect(() => symmetricEigen(new Float64Array(5), 2)).toThrow('no 2 x 2');
    expect(() => symmetricEigen(Float64Array.of(1, 0, NaN, 1), 2)).toThrow('not finite');
  });
});

describe('dense', () => {
  it('square root of A squared is A for a positive A, also when A is singular', () => {
    const n = 12;
    const a = randomSymmetric(n, 3).fill(0, 0, n);
    const square = new Float64Array(n * n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++)
        for (let k = 0; k < n; k++) square[i * n + j]! += a[i * n + k]! * a[j * n + k]!;
    const root = symmetricSquareRoot(square, n);
    const back = matrixProduct(root, root, { n, m: n, p: n });
    back.forEach((value, i) => expect(value).toBeCloseTo(square[i]!, 10));
  });

  it('solves a positive system and refuses another', () => {
    const a = Float64Array.of(4, 1, 1, 3);
    const x = solvePositive(a, Float64Array.of(1, 2));
    expect(x[0]).toBeCloseTo(1 / 11, 14);
    expect(x[1]).toBeCloseTo(7 / 11, 14);
    expect(() => solvePositive(Float64Array.of(1, 2, 2, 1), Float64Array.of(1, 1))).toThrow(
      'positive definite',
    );
  });
});
