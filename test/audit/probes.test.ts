import { describe, expect, it } from 'vitest';
import { knnClassify } from '../../src/audit/knn-classify.ts';
import { twinAtRank } from '../../src/audit/rank-retrieval.ts';

describe('knnClassify', () => {
  const baseLabels = ['cat', 'dog', 'dog', null, 'ant'];

  it('lets one near neighbour outvote two far ones, and not at a high temperature', () => {
    const input = {
      indices: Int32Array.of(0, 1, 2),
      scores: Float32Array.of(0.9, 0.7, 0.7),
      width: 3,
      baseLabels,
      queryLabels: ['cat'],
    };
    // exp(0.2 / 0.07) = 17 > 2, but exp(0.2 / 1) = 1.2 < 2
    expect(knnClassify(input).predictions).toEqual(['cat']);
    expect(knnClassify({ ...input, temperature: 1 })).toEqual({
      accuracy: 0,
      correct: 0,
      counted: 1,
      predictions: ['dog'],
    });
  });

  it('gives the place of an excluded twin and of an unlabelled row to the next neighbour', () => {
    const input = {
      indices: Int32Array.of(0, 3, 4, 1),
      scores: Float32Array.of(1, 0.9, 0.8, 0.2),
      width: 4,
      baseLabels,
      queryLabels: ['ant'],
      k: 1,
    };
    expect(knnClassify(input).accuracy).toBe(0);
    expect(knnClassify({ ...input, excluded: () => new Set([0]) }).predictions).toEqual(['ant']);
  });

  it('breaks equal votes by the label that sorts first, whichever neighbour came first', () => {
    const predictions = [Int32Array.of(0, 4), Int32Array.of(4, 0)].map(
      (indices) =>
        knnClassify({
          indices,
          scores: Float32Array.of(0.5, 0.5),
          width: 2,
          baseLabels,
          queryLabels: ['ant'],
        }).predictions[0],
    );
    expect(predictions).toEqual(['ant', 'ant']);
  });

  it('counts a query without neighbours as wrong and one without a label not at all', () => {
    const result = knnClassify({
      indices: Int32Array.of(-1, 1),
      scores: Float32Array.of(NaN, 1),
      width: 1,
      baseLabels,
      queryLabels: ['cat', null],
    });
    expect(result).toEqual({ accuracy: 0, correct: 0, counted: 1, predictions: [null, 'dog'] });
    expect(
      knnClassify({
        indices: new Int32Array(),
        scores: new Float32Array(),
        width: 1,
        baseLabels,
        queryLabels: [],
      }).accuracy,
    ).toBe(null);
  });

  it('stays finite at a tiny temperature', () => {
    const input = {
      indices: Int32Array.of(1, 0),
      scores: Float32Array.of(1, 0.5),
      width: 2,
      baseLabels,
      queryLabels: ['dog'],
    };
    expect(knnClassify({ ...input, temperature: 1e-5 }).predictions).toEqual(['dog']);
  });
});

describe('twinAtRank', () => {
  const indices = Int32Array.of(4, 2, 9, 1, 5, 7, 3, -1, -1);
  const input = { indices, width: 3, ranks: [1, 2, 3] };

  it('counts a query as soon as any of its twins appears', () => {
    const rows = twinAtRank({ ...input, twins: [[9, 2], [1], [8]] });
    expect(rows.map(({ hits }) => hits)).toEqual([1, 2, 2]);
    expect(rows[1]).toMatchObject({ rank: 2, queries: 3, share: 2 / 3 });
    expect(rows[1]!.interval.low).toBeLessThan(2 / 3);
  });

  it('leaves out queries without a twin', () => {
    expect(twinAtRank({ ...input, twins: [[], [7], []] }).map(({ share }) => share)).toEqual([0, 0, 1]);
    expect(twinAtRank({ ...input, twins: [[], [], []] })[0]!.share).toBe(null);
  });

  it('refuses a rank beyond the lists as a defect', () => {
    expect(() => twinAtRank({ ...input, twins: [[1]], ranks: [4] })).toThrow(/internal/);
  });
});
