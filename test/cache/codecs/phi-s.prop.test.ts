import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equalDiagonalRotation } from '../../../src/cache/codecs/equal-diagonal.ts';
import {
  type PhiS,
  foldIntoLinear,
  forwardMatrix,
  inverseMatrix,
  phiS,
} from '../../../src/cache/codecs/phi-s.ts';
import { product64 } from '../../../src/core/linear-algebra/packed-matrix.ts';
import { symmetricEigen } from '../../../src/core/linear-algebra/symmetric-eigen.ts';
import { Rng } from '../../../src/core/rng.ts';

/** Tokens [n, C] around a mean far from 0, of the given rank, channels of very different size. */
function tokensOf(count: number, channels: number, rank: number, seed: number): Float64Array {
  const rng = new Rng(seed, 'tokens');
  const mixing = Float64Array.from({ length: rank * channels }, () => rng.normal());
  const sizes = Float64Array.from({ length: channels }, () => 10 ** rng.between(-1.5, 1.5));
  const hidden = Float64Array.from({ length: count * rank }, () => rng.normal());
  const offsets = sizes.map((size) => 3 * size);
  return product64(hidden, mixing, { k: rank, n: channels }).map(
    (x, i) => x * sizes[i % channels]! + offsets[i % channels]!,
  );
}

function momentsOf(tokens: Float64Array, channels: number) {
  const count = tokens.length / channels;
  const mean = new Float64Array(channels);
  tokens.forEach((x, i) => (mean[i % channels]! += x / count));
  const centred = tokens.map((x, i) => x - mean[i % channels]!);
  const transposed = new Float64Array(centred.length);
  for (let t = 0; t < count; t++)
    for (let c = 0; c < channels; c++) transposed[c * count + t] = centred[t * channels + c]!;
  const covariance = product64(transposed, centred, { k: count, n: channels }).map((x) => x / count);
  return { mean, covariance };
}

function fitted(tokens: Float64Array, channels: number, kept?: number): PhiS {
  const { mean, covariance } = momentsOf(tokens, channels);
  const { values, vectors } = symmetricEigen(covariance, channels);
  return phiS({ mean, eigenvalues: values, eigenvectors: vectors }, kept);
}

const normalise = (tokens: Float64Array, transform: PhiS): Float64Array =>
  product64(
    tokens.map((x, i) => x - transform.mean[i % transform.channels]!),
    forwardMatrix(transform),
    { k: transform.channels, n: transform.kept },
  );

const restore = (normalised: Float64Array, transform: PhiS): Float64Array =>
  product64(normalised, inverseMatrix(transform), { k: transform.kept, n: transform.channels }).map(
    (x, i) => x + transform.mean[i % transform.channels]!,
  );

const largest = (values: Float64Array): number => values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

const distance = (a: Float64Array, b: Float64Array): number =>
  Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0));

/** Widths with a Hadamard matrix (16, 24, 28, 48) and without (odd ones, 18, 52). */
const widths = fc.constantFrom(1, 2, 3, 5, 7, 16, 18, 24, 28, 33, 48, 52);
const cases = fc.record({ channels: widths, seed: fc.nat(), rankShare: fc.constantFrom(1, 1, 0.4) });
const tokensFor = ({ channels, seed, rankShare }: { channels: number; seed: number; rankShare: number }) =>
  tokensOf(3 * channels + 20, channels, Math.max(1, Math.round(channels * rankShare)), seed);

describe('PHI-S', () => {
  it('gives every channel variance 1 and mean 0 on the tokens it was fitted to, also when they are rank deficient', () => {
    fc.assert(
      fc.property(cases, (one) => {
        const tokens = tokensFor(one);
        const { mean, covariance } = momentsOf(normalise(tokens, fitted(tokens, one.channels)), one.channels);
        for (let c = 0; c < one.channels; c++) {
          expect(mean[c]).toBeCloseTo(0, 9);
          expect(Math.abs(covariance[c * one.channels + c]! - 1)).toBeLessThan(1e-6);
        }
      }),
    );
  });

  it('is undone by its inverse', () => {
    fc.assert(
      fc.property(cases, (one) => {
        const tokens = tokensFor(one);
        const transform = fitted(tokens, one.channels);
        const back = restore(normalise(tokens, transform), transform);
        const scale = Math.max(...tokens.map(Math.abs));
        expect(largest(back.map((x, i) => x - tokens[i]!))).toBeLessThan(1e-9 * scale);
      }),
    );
  });

  it('divides every distance by phi: rows of the rotation are orthonormal', () => {
    fc.assert(
      fc.property(cases, (one) => {
        const tokens = tokensFor(one);
        const { channels } = one;
        const transform = fitted(tokens, channels);
        const rows = new Float64Array(transform.rotation.length);
        for (let i = 0; i < channels; i++)
          for (let c = 0; c < channels; c++) rows[c * channels + i] = transform.rotation[i * channels + c]!;
        const gram = product64(transform.rotation, rows, { k: channels, n: channels });
        expect(largest(gram.map((x, i) => x - (i % (channels + 1) === 0 ? 1 : 0)))).toBeLessThan(1e-10);
        const normalised = normalise(tokens, transform);
        const token = (of: Float64Array, i: number) => of.subarray(i * channels, (i + 1) * channels);
        for (const [a, b] of [
          [0, 1],
          [2, 9],
          [5, 17],
        ] as const) {
          const before = distance(token(tokens, a), token(tokens, b));
          const after = distance(token(normalised, a), token(normalised, b));
          expect(after * transform.phi).toBeCloseTo(before, 6);
        }
      }),
    );
  });

  it('folds into a linear head, which then answers in the space of the teacher', () => {
    fc.assert(
      fc.property(cases, (one) => {
        const transform = fitted(tokensFor(one), one.channels);
        const rng = new Rng(one.seed, 'head');
        const draw = (length: number) => Float64Array.from({ length }, () => rng.normal());
        const head = { weight: draw(4 * one.channels), bias: draw(one.channels) };
        const features = draw(6 * 4);
        const answer = (layer: typeof head) =>
          product64(features, layer.weight, { k: 4, n: one.channels }).map(
            (x, i) => x + layer.bias[i % one.channels]!,
          );
        const folded = answer(foldIntoLinear(head, transform) as typeof head);
        const wanted = restore(answer(head), transform);
        expect(largest(wanted.map((x, i) => x - folded[i]!))).toBeLessThan(1e-9 * (1 + largest(wanted)));
      }),
    );
  });

  it('keeps the strongest directions when some are dropped: unit variance, and the error is what the others hold', () => {
    fc.assert(
      fc.property(
        fc.record({ channels: fc.constantFrom(7, 16, 33), seed: fc.nat() }),
        ({ channels, seed }) => {
          const tokens = tokensOf(200, channels, channels, seed);
          const kept = Math.ceil(channels / 3);
          const transform = fitted(tokens, channels, kept);
          const normalised = normalise(tokens, transform);
          const { covariance } = momentsOf(normalised, kept);
          for (let c = 0; c < kept; c++) expect(covariance[c * kept + c]).toBeCloseTo(1, 6);
          const { covariance: whole } = momentsOf(tokens, channels);
          let variance = 0;
          for (let c = 0; c < channels; c++) variance += whole[c * channels + c]!;
          const lost = distance(restore(normalised, transform), tokens) ** 2 / 200;
          expect(lost / variance).toBeCloseTo(1 - transform.explainedVariance, 8);
        },
      ),
      { numRuns: 20 },
    );
  });

  it('of a source that never moves is the subtraction of its mean', () => {
    const tokens = Float64Array.from({ length: 40 }, (_, i) => [4, -2, 0, 7][i % 4]!);
    const transform = fitted(tokens, 4);
    expect(transform).toMatchObject({ phi: 1, explainedVariance: 1 });
    normalise(tokens, transform).forEach((x) => expect(x).toBeCloseTo(0, 12));
    const restored = restore(new Float64Array(4), transform);
    [4, -2, 0, 7].forEach((x, i) => expect(restored[i]).toBeCloseTo(x, 12));
  });
});

describe('where no Hadamard matrix is at hand', () => {
  it.each([3, 5, 6, 9, 18, 50, 52, 92, 99, 100, 116])(
    'order %i still gets equal variances, and no channel is one eigenvector',
    (n) => {
      // a spectrum that falls by a factor of ten thousand, as those of real teachers do
      const eigenvalues = Float64Array.from({ length: n }, (_, i) => 10 ** ((-4 * i) / n));
      const q = equalDiagonalRotation(eigenvalues);
      const mean = eigenvalues.reduce((a, b) => a + b) / n;
      for (let i = 0; i < n; i++) {
        let [variance, square] = [0, 0];
        for (let j = 0; j < n; j++) {
          variance += q[i * n + j]! ** 2 * eigenvalues[j]!;
          square += q[i * n + j]! ** 2;
        }
        expect(variance / mean).toBeCloseTo(1, 10);
        expect(square).toBeCloseTo(1, 10);
        expect(Math.max(...q.subarray(i * n, (i + 1) * n).map(Math.abs))).toBeLessThan(0.999);
      }
    },
  );

  it('gives the same matrix every time', () => {
    const eigenvalues = Float64Array.from({ length: 92 }, (_, i) => 92 - i);
    expect(equalDiagonalRotation(eigenvalues)).toEqual(equalDiagonalRotation(eigenvalues));
  });

  it('leaves equal or zero eigenvalues as they are', () => {
    for (const value of [1, 0]) {
      const q = equalDiagonalRotation(new Float64Array(7).fill(value));
      for (let i = 0; i < 7; i++)
        expect(q.subarray(i * 7, i * 7 + 7).reduce((sum, x) => sum + x * x, 0)).toBeCloseTo(1, 12);
    }
  });
});
