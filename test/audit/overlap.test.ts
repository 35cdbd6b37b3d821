import { describe, expect, it } from 'vitest';
import { clopperPearson } from '../../src/audit/clopper-pearson.ts';
import type { EvidencePair, PairType } from '../../src/audit/evidence.ts';
import { type OverlapRow, overlap } from '../../src/audit/overlap.ts';
import type { ImageId } from '../../src/core/ids.ts';
import { idOf } from './sample-images.ts';

const train = ['t1', 't2', 't3'].map(idOf);
const evaluation = ['e1', 'e2', 'e3', 'e4'].map(idOf);
const pairOf = (type: PairType, a: ImageId, b: ImageId): EvidencePair => ({
  type,
  a,
  b,
  evidence: { level: 'phash', distance: 1, transform: 'identity' },
});
const rowFor = (rows: readonly OverlapRow[], type: PairType): OverlapRow =>
  rows.find((row) => row.type === type && row.level === 'phash')!;

describe('overlap', () => {
  it('counts unique evaluation images, never edges', () => {
    const pairs = train.map((t) => pairOf('train-eval', t, idOf('e1')));
    const row = rowFor(overlap({ train, evaluation, pairs, levels: ['phash'] }), 'train-eval');
    expect(row).toMatchObject({ images: 4, matched: 1, pairs: 3, rate: 0.25 });
    expect(row.interval.low).toBeCloseTo(0.0063, 4);
    expect(row.interval.high).toBeCloseTo(0.8059, 4);
  });

  it('counts the evaluation end of a pair only, also when the train image is an evaluation image too', () => {
    const pairs = [pairOf('train-eval', idOf('t1'), idOf('e1'))];
    const rows = overlap({ train, evaluation: [...evaluation, idOf('t1')], pairs, levels: ['phash'] });
    expect(rowFor(rows, 'train-eval')).toMatchObject({ images: 5, matched: 1 });
  });

  it('keeps duplicates within one side out of the leak rate', () => {
    const pairs = [
      pairOf('within-eval', idOf('e1'), idOf('e2')),
      pairOf('within-train', idOf('t1'), idOf('t2')),
      pairOf('within-train', idOf('t2'), idOf('t3')),
    ];
    const rows = overlap({ train, evaluation, pairs, levels: ['phash'] });
    expect(rowFor(rows, 'train-eval')).toMatchObject({ matched: 0, pairs: 0, rate: 0 });
    expect(rowFor(rows, 'within-eval')).toMatchObject({ images: 4, matched: 2, pairs: 1 });
    expect(rowFor(rows, 'within-train')).toMatchObject({ images: 3, matched: 3, pairs: 2, rate: 1 });
  });

  it('reports flat images and what they match beside the rate, not in it', () => {
    const pairs = [
      pairOf('train-eval', idOf('t1'), idOf('e1')),
      pairOf('train-eval', idOf('t2'), idOf('e2')),
    ];
    const degenerate = new Set([idOf('t1'), idOf('e1'), idOf('e4')]);
    const row = rowFor(overlap({ train, evaluation, pairs, levels: ['phash'], degenerate }), 'train-eval');
    expect(row).toMatchObject({ images: 2, matched: 1, pairs: 1, rate: 0.5 });
    expect(row.degenerate).toEqual({ images: 2, matched: 1, pairs: 1 });
  });

  it('leaves images that a level could not compare out of its rates, and counts them beside', () => {
    const pairs = [pairOf('train-eval', idOf('t1'), idOf('e1'))];
    const uncompared = (level: string, side: string) =>
      new Set(level === 'phash' && side === 'eval' ? [idOf('e2'), idOf('e3')] : []);
    const degenerate = new Set([idOf('e3')]);
    const rows = overlap({ train, evaluation, pairs, levels: ['phash', 'byte'], degenerate, uncompared });
    expect(rowFor(rows, 'train-eval')).toMatchObject({ images: 2, matched: 1, rate: 0.5, uncompared: 1 });
    expect(rowFor(rows, 'within-train')).toMatchObject({ images: 3, uncompared: 0 });
    expect(rows.find((row) => row.level === 'byte')).toMatchObject({ images: 3, uncompared: 0 });
  });

  it('ends its interval as if every image with pairs that nobody looked at had a match', () => {
    const pairs = [pairOf('train-eval', idOf('t1'), idOf('e1'))];
    const rowOf = (open: ImageId[] | null) =>
      rowFor(
        overlap({
          ...{ train, evaluation, pairs, levels: ['phash'] },
          boundOf: (_, type) => (type === 'train-eval' ? 'images' : 'pairs'),
          openAt: () => (open === null ? null : new Set(open)),
        }),
        'train-eval',
      );
    const { low } = rowOf([]).interval;
    // what matches already cannot match besides
    expect(rowOf([idOf('e1')])).toMatchObject({ bounded: 'pairs', open: 0, rate: 0.25 });
    const one = rowOf([idOf('e1'), idOf('e2')]);
    expect(one).toMatchObject({ bounded: 'images', open: 1, rate: 0.25 });
    expect(one.interval).toEqual({ low, high: clopperPearson(2, 4).high });
    expect(rowOf(null)).toMatchObject({ open: 3, interval: { low, high: 1 } });
  });

  it('has a row for every searched level and pair type, found or not', () => {
    const rows = overlap({ train, evaluation, pairs: [], levels: ['byte', 'teacher:nanodet'] });
    expect(rows.map(({ level, type }) => `${level} ${type}`)).toEqual([
      'byte train-eval',
      'byte within-train',
      'byte within-eval',
      'teacher:nanodet train-eval',
      'teacher:nanodet within-train',
      'teacher:nanodet within-eval',
    ]);
  });

  it('has no rate for an empty side', () => {
    const row = rowFor(overlap({ train, evaluation: [], pairs: [], levels: ['phash'] }), 'train-eval');
    expect(row).toMatchObject({ images: 0, rate: null, interval: { low: 0, high: 1 } });
  });

  it('takes pairs of unknown images or unsearched levels as defects', () => {
    const pairs = [pairOf('train-eval', idOf('e1'), idOf('t1'))];
    expect(() => overlap({ train, evaluation, pairs, levels: ['phash'] })).toThrow(/internal/);
    const fine = [pairOf('train-eval', idOf('t1'), idOf('e1'))];
    expect(() => overlap({ train, evaluation, pairs: fine, levels: ['byte'] })).toThrow(/internal/);
  });
});
