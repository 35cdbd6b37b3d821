import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FeatureMoments, type Moments } from '../../../src/cache/statistics/feature-moments.ts';
import { Rng } from '../../../src/core/rng.ts';

const cases = fc.record({
  channels: fc.integer({ min: 1, max: 21 }),
  tokens: fc.integer({ min: 1, max: 700 }),
  seed: fc.nat(),
  /** A common offset far beyond the deviation is what naive sums lose their digits to. */
  offset: fc.constantFrom(0, 1e4),
});
type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;

function tokensOf({ channels, tokens, seed, offset }: Case): Float32Array {
  const rng = new Rng(seed, 'moments');
  return Float32Array.from({ length: tokens * channels }, () => offset + rng.normal());
}

/** Two passes, in float64. */
function slowMoments(tokens: Float32Array, channels: number): Moments {
  const count = tokens.length / channels;
  const mean = new Float64Array(channels);
  tokens.forEach((x, i) => (mean[i % channels]! += x / count));
  const covariance = new Float64Array(channels * channels);
  for (let t = 0; t < count; t++)
    for (let a = 0; a < channels; a++)
      for (let b = 0; b < channels; b++)
        covariance[a * channels + b]! +=
          ((tokens[t * channels + a]! - mean[a]!) * (tokens[t * channels + b]! - mean[b]!)) / count;
  const extreme = (of: (...values: number[]) => number): Float64Array =>
    Float64Array.from({ length: channels }, (_, c) => of(...tokens.filter((_, i) => i % channels === c)));
  return { tokens: count, mean, covariance, min: extreme(Math.min), max: extreme(Math.max) };
}

const farthest = (a: Float64Array, b: Float64Array): number =>
  a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);

function expectNear(found: Moments, wanted: Moments): void {
  expect(found.tokens).toBe(wanted.tokens);
  expect(found.min).toEqual(wanted.min);
  expect(found.max).toEqual(wanted.max);
  const largest = Math.max(1e-3, ...wanted.covariance);
  expect(farthest(found.covariance, wanted.covariance)).toBeLessThan(1e-10 * largest);
  expect(farthest(found.mean, wanted.mean)).toBeLessThan(
    1e-11 * (1 + Math.max(...wanted.mean.map(Math.abs))),
  );
}

function momentsOf(
  tokens: Float32Array,
  channels: number,
  pieces: readonly number[] = [tokens.length / channels],
) {
  const moments = new FeatureMoments(channels);
  let at = 0;
  for (const piece of pieces) moments.add(tokens.subarray(at, (at += piece * channels)));
  moments.add(tokens.subarray(at));
  return moments;
}

describe('the moments of tokens', () => {
  it('are those of two passes in float64, also beside an offset of ten thousand deviations', () => {
    fc.assert(
      fc.property(cases, (one) => {
        const tokens = tokensOf(one);
        expectNear(momentsOf(tokens, one.channels).result(), slowMoments(tokens, one.channels));
      }),
    );
  });

  it('are the same bits however the tokens are cut into calls', () => {
    fc.assert(
      fc.property(cases, fc.array(fc.integer({ min: 0, max: 90 }), { maxLength: 6 }), (one, pieces) => {
        const tokens = tokensOf(one);
        expect(momentsOf(tokens, one.channels, pieces).result()).toEqual(
          momentsOf(tokens, one.channels).result(),
        );
      }),
    );
  });

  it('are the same up to rounding in any order, and when parts are merged', () => {
    fc.assert(
      fc.property(cases, fc.nat(), (one, cutSeed) => {
        const tokens = tokensOf(one);
        const { channels } = one;
        const cut = (cutSeed % (one.tokens + 1)) * channels;
        const [a, b] = [
          momentsOf(tokens.subarray(0, cut), channels),
          momentsOf(tokens.subarray(cut), channels),
        ];
        b.merge(a);
        expectNear(b.result(), slowMoments(tokens, channels));
        const turned = Float32Array.of(...tokens.subarray(cut), ...tokens.subarray(0, cut));
        expectNear(momentsOf(turned, channels).result(), slowMoments(tokens, channels));
      }),
    );
  });

  it('of nothing are a defect, and so are tokens of another width', () => {
    expect(() => new FeatureMoments(3).result()).toThrow('no tokens');
    expect(() => new FeatureMoments(3).add(new Float32Array(4))).toThrow('no tokens of 3 channels');
  });
});
