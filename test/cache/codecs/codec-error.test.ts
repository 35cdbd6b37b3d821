import { describe, expect, it } from 'vitest';
import {
  type CodecError,
  CodecErrorSums,
  codecErrorSchema,
  compareStandardised,
  mergedCodecError,
  rowComparison,
} from '../../../src/cache/codecs/codec-error.ts';

function errorOf(
  source: number[],
  decoded: number[],
  channels: number,
  precision?: number[],
): CodecError | null {
  const sums = new CodecErrorSums();
  const row = { source: Float32Array.from(source), decoded: Float32Array.from(decoded), channels };
  rowComparison(channels)(row, sums);
  if (precision !== undefined) compareStandardised(row, Float64Array.from(precision), sums);
  return sums.result();
}

describe('the error of a codec', () => {
  it('is the cosine and mean squared error of each token, its mean and its worst', () => {
    // token 1: 45 degrees apart, squared errors 0 and 1; token 2: equal
    expect(errorOf([1, 0, 3, 4], [1, 1, 3, 4], 2)).toEqual({
      tokens: 2,
      cosine: { mean: expect.closeTo((Math.SQRT1_2 + 1) / 2, 12), worst: expect.closeTo(Math.SQRT1_2, 12) },
      mse: { mean: 0.25, worst: 0.5 },
      standardisedMse: null,
      clipped: 0,
    });
  });

  it('weighs each channel by its precision in the standardised measure', () => {
    expect(errorOf([0, 0], [2, 3], 2, [1 / 4, 1 / 9])!.standardisedMse).toEqual({
      mean: 1,
      worst: 1,
      tokens: 1,
    });
  });

  it('takes two zero tokens as equal and a zero beside another as unrelated', () => {
    expect(errorOf([0, 0], [0, 0], 2)!.cosine.worst).toBe(1);
    expect(errorOf([1, 0], [0, 0], 2)!.cosine.worst).toBe(0);
  });

  it('of nothing is nothing', () => {
    expect(new CodecErrorSums().result()).toBeNull();
    expect(mergedCodecError([])).toBeNull();
  });

  it('of several parts is that of all their tokens', () => {
    const a = errorOf([1, 0, 3, 4], [1, 1, 3, 4], 2, [1, 2])!;
    const b = errorOf([5, 1], [4, 1], 2, [1, 2])!;
    const c = errorOf([2, 2], [2, 2.5], 2)!;
    const all = errorOf([1, 0, 3, 4, 5, 1], [1, 1, 3, 4, 4, 1], 2, [1, 2])!;
    const two = mergedCodecError([a, b])!;
    expect(two.tokens).toBe(3);
    for (const of of ['cosine', 'mse', 'standardisedMse'] as const) {
      expect(two[of]!.mean).toBeCloseTo(all[of]!.mean, 12);
      expect(two[of]!.worst).toBe(all[of]!.worst);
    }
    // a part without deviations takes no part in the standardised mean
    expect(mergedCodecError([a, b, c])!.standardisedMse).toEqual(two.standardisedMse);
    expect(codecErrorSchema.parse(JSON.parse(JSON.stringify(two)))).toEqual(two);
  });
});
