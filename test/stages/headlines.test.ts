import { describe, expect, it } from 'vitest';
import { headlinesOf } from '../../src/stages/headlines.ts';

const level = (matched: number, more: object = {}) => ({
  'train-eval': {
    images: 13,
    matched,
    pairs: matched,
    rate: matched / 13,
    low: 0.0909,
    high: 0.6143,
    uncompared: 0,
    open: 0,
    degenerate: { images: 0, pairs: 0 },
    ...more,
  },
});

describe('the headlines of a run', () => {
  it('name the reasons of every stage that rejected something, the most frequent first', () => {
    expect(
      headlinesOf({
        stages: [
          { id: 'images', rejected: { corrupt: 1, 'empty-file': 12, missing: 0 } },
          { id: 'cache', rejected: {} },
        ],
      }),
    ).toEqual(['rejected by images: 12 empty-file, 1 corrupt']);
  });

  it('say how many evaluation images match, by level, with the interval where there are any', () => {
    const levels = {
      byte: level(0),
      phash: level(4, { degenerate: { images: 2, pairs: 0 } }),
      verified: level(4, { uncompared: 3, open: 1 }),
      within: { 'within-train': {} },
    };
    expect(headlinesOf({ stages: [], audit: { levels } })).toEqual([
      'evaluation images that match a training image, by level:',
      '  byte      0 of 13',
      '  phash     4 of 13  30.8 %, 95 % interval 9.1 to 61.4 %  (2 flat images apart)',
      '  verified  4 of 13  30.8 %, 95 % interval 9.1 to 61.4 %  (3 not compared, 1 more have pairs that were not compared)',
    ]);
  });

  it('give targets, scores and fidelity, and say what was not measured', () => {
    expect(
      headlinesOf({
        stages: [],
        targets: { written: 3, reused: 4, perTeacher: {} },
        twin: { teachers: { a: 0.5 }, student: 0.25, untrained: 0.125, pixels: 1 },
        knn: { teachers: {}, student: null, untrained: null, pixels: null },
        fidelity: { a: 1.25, b: 0.5 },
      }),
    ).toEqual([
      'targets: 3 written, 4 reused',
      'twin at rank 1: student 0.250, untrained 0.125, pixels 1.000',
      'k-NN by label: student not measured, untrained not measured, pixels not measured',
      'fidelity (lowest head, 1 = the mean): a 1.250, b 0.500',
    ]);
  });
});
