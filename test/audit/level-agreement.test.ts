import { describe, expect, it } from 'vitest';
import type { EvidencePair } from '../../src/audit/evidence.ts';
import { classTransfer } from '../../src/audit/class-transfer.ts';
import { levelAgreement } from '../../src/audit/level-agreement.ts';
import { type ImageId, imageId } from '../../src/core/ids.ts';

const id = (n: number): ImageId => imageId(n.toString(16).padStart(64, '0'));
const X = 'teacher:x';
const Y = 'teacher:y';
const pair = (a: number, b: number, level: `teacher:${string}`, cosine: number): EvidencePair => ({
  type: 'train-eval',
  a: id(a),
  b: id(b),
  evidence: { level, cosine, rank: 1 },
});
const thresholds = [X, Y].map((level) => ({ level: level as `teacher:${string}`, minCosine: 0.9 }));
const pairs = [
  pair(1, 11, X, 0.95),
  pair(2, 12, X, 0.95),
  pair(3, 13, X, 0.95),
  pair(4, 14, X, 0.8), // listed, but no match
  pair(1, 11, Y, 0.99),
  pair(5, 15, Y, 0.99),
  { ...pair(2, 12, Y, 0.99), type: 'val-eval' as const },
];

describe('the agreement of two levels', () => {
  const found = levelAgreement({ pairs, type: 'train-eval', levels: [X, Y], thresholds, possiblePairs: 100 });

  it('counts matching pairs of one type: shares by direction, Jaccard, and kappa by its definition', () => {
    expect(found).toHaveLength(4);
    expect(found[1]).toMatchObject({ pairsA: 3, pairsB: 2, both: 1, shareOfA: 1 / 3, jaccard: 1 / 4 });
    expect(found[2]).toMatchObject({ levelA: Y, levelB: X, shareOfA: 1 / 2, jaccard: 1 / 4 });
    // 97 of 100 agree; by chance 0.03 * 0.02 + 0.97 * 0.98
    expect(found[1]!.kappa).toBeCloseTo((0.97 - 0.9512) / (1 - 0.9512), 12);
    expect(found[0]).toMatchObject({ shareOfA: 1, jaccard: 1, kappa: 1 });
  });

  it('is unknown where nothing is flagged', () => {
    expect(
      levelAgreement({ pairs: [], type: 'train-eval', levels: [X], thresholds, possiblePairs: 100 }),
    ).toMatchObject([{ shareOfA: null, jaccard: null, kappa: null }]);
  });
});

describe('class transfer', () => {
  const transfer = classTransfer({
    pairs: [...pairs, pair(2, 11, X, 0.99)],
    thresholds,
    trainLabels: new Map([
      [id(1), 'cat'],
      [id(2), 'cat'],
      [id(3), 'dog'],
      [id(5), null],
    ]),
    evalLabels: new Map([
      [id(11), 'cat'],
      [id(12), 'dog'],
      [id(13), 'dog'],
      [id(15), 'cat'],
    ]),
    degenerate: new Set([id(3)]),
    nearest: [
      {
        level: X,
        pairs: [
          { train: id(4), evaluation: id(11) },
          { train: id(1), evaluation: id(12) },
        ],
      },
    ],
  });

  it('counts evaluation images once per cell, and leaves out flat images and those without a label', () => {
    expect(transfer).toEqual([
      { basis: 'match', level: X, trainLabel: 'cat', evalLabel: 'cat', images: 1 },
      { basis: 'match', level: X, trainLabel: 'cat', evalLabel: 'dog', images: 1 },
      { basis: 'match', level: Y, trainLabel: 'cat', evalLabel: 'cat', images: 1 },
      { basis: 'nearest', level: X, trainLabel: 'cat', evalLabel: 'dog', images: 1 },
    ]);
  });
});
