import { describe, expect, it } from 'vitest';
import {
  detectionQuality,
  thresholdSweep,
  truthAcross,
  truthOfPairs,
  truthWithin,
} from '../../src/audit/detection-quality.ts';

const groups = new Map<string, string | null>([
  ['a', 'g'],
  ['b', 'g'],
  ['c', 'g'],
  ['d', 'h'],
  ['e', null],
  ['f', null],
]);

describe('detectionQuality', () => {
  it('counts found, false and missed pairs', () => {
    const truth = truthWithin(groups);
    expect(truth.count).toBe(3);
    const quality = detectionQuality(
      [
        { a: 'b', b: 'a' },
        { a: 'a', b: 'd' },
        { a: 'e', b: 'f' },
      ],
      truth,
    );
    expect(quality).toEqual({
      truePositives: 1,
      falsePositives: 2,
      falseNegatives: 2,
      precision: 1 / 3,
      recall: 1 / 3,
      f1: 1 / 3,
    });
  });

  it('says nothing wrong when nothing is claimed, and misses nothing when nothing is true', () => {
    expect(detectionQuality([], truthWithin(groups))).toMatchObject({ precision: 1, recall: 0, f1: 0 });
    expect(detectionQuality([], truthOfPairs([]))).toMatchObject({ precision: 1, recall: 1, f1: 1 });
    expect(detectionQuality([{ a: 'a', b: 'b' }], truthOfPairs([]))).toMatchObject({
      precision: 0,
      recall: 1,
    });
  });
});

describe('truths', () => {
  it('of pairs ignore the order of ends unless told otherwise', () => {
    const pairs = [
      { a: 'x', b: 'y' },
      { a: 'y', b: 'x' },
    ];
    expect(truthOfPairs(pairs).count).toBe(1);
    expect(truthOfPairs(pairs.slice(1)).isTrue('x', 'y')).toBe(true);
    expect(truthOfPairs(pairs, true).count).toBe(2);
    expect(truthOfPairs(pairs.slice(1), true).isTrue('x', 'y')).toBe(false);
  });

  it('across sides count group sizes multiplied', () => {
    const right = new Map<string, string | null>([
      ['p', 'g'],
      ['q', 'g'],
      ['r', null],
    ]);
    const truth = truthAcross(groups, right);
    expect(truth.count).toBe(6);
    expect(truth.isTrue('a', 'q')).toBe(true);
    expect(truth.isTrue('d', 'q')).toBe(false);
    expect(truth.isTrue('e', 'r')).toBe(false);
  });
});

describe('thresholdSweep', () => {
  const scored = [
    { a: 'a', b: 'b', score: 0.9 },
    { a: 'a', b: 'd', score: 0.7 },
    { a: 'a', b: 'c', score: 0.7 },
    { a: 'c', b: 'd', score: 0.1 },
  ];

  it('has one point per score and each equals a cut at that score', () => {
    const truth = truthWithin(groups);
    const { curve, best } = thresholdSweep(scored, truth, 'higher');
    expect(curve.map(({ threshold }) => threshold)).toEqual([0.9, 0.7, 0.1]);
    for (const { threshold, ...quality } of curve) {
      expect(quality).toEqual(
        detectionQuality(
          scored.filter(({ score }) => score >= threshold),
          truth,
        ),
      );
    }
    expect(best?.threshold).toBe(0.7);
    expect(best?.f1).toBeCloseTo(2 / 3, 12);
  });

  it('runs the other way for distances', () => {
    const distances = scored.map(({ a, b, score }) => ({ a, b, score: 1 - score }));
    const { curve } = thresholdSweep(distances, truthWithin(groups), 'lower');
    expect(curve.map(({ recall }) => recall)).toEqual([1 / 3, 2 / 3, 2 / 3]);
  });

  it('has no best cut without scores', () => {
    expect(thresholdSweep([], truthWithin(groups), 'higher')).toEqual({ curve: [], best: null });
  });
});
