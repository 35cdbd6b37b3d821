import { describe, expect, it } from 'vitest';
import type { EvidencePair } from '../../src/audit/evidence.ts';
import { exactPairsAcross, exactPairsWithin } from '../../src/audit/exact-pairs.ts';
import { hashPairsAcross, hashPairsWithin } from '../../src/audit/hash-pairs.ts';
import { dihedralHashesOf, perceptualHashOf } from '../../src/audit/perceptual-hash.ts';
import { teacherPairsAcross, teacherPairsWithin } from '../../src/audit/teacher-pairs.ts';
import type { ImageId } from '../../src/core/ids.ts';
import { type RgbImage, greyPlaneOf } from '../../src/images/rgb-image.ts';
import { blobs, idOf, paint } from './sample-images.ts';

const keyed = (name: string, key: string): { id: ImageId; key: string } => ({ id: idOf(name), key });
const ends = (pairs: readonly EvidencePair[]): string[] => pairs.map(({ a, b }) => `${a} ${b}`).sort();

describe('exactPairsAcross', () => {
  it('joins equal keys of the two sides, each pair once', () => {
    const train = [keyed('t1', 'x'), keyed('t2', 'x'), keyed('t3', 'y'), keyed('t1', 'x')];
    const evaluation = [keyed('e1', 'x'), keyed('e2', 'z')];
    const pairs = exactPairsAcross({ level: 'pixel', train, evaluation });
    expect(ends(pairs)).toEqual([`${idOf('t1')} ${idOf('e1')}`, `${idOf('t2')} ${idOf('e1')}`].sort());
    expect(pairs.every(({ type }) => type === 'train-eval')).toBe(true);
  });

  it('keeps a pair for every image when a key is far too common to list all pairs', () => {
    const many = (side: string): { id: ImageId; key: string }[] =>
      Array.from({ length: 300 }, (_, i) => keyed(`${side}${i}`, 'black'));
    const pairs = exactPairsAcross({ level: 'pixel', train: many('t'), evaluation: many('e') });
    expect(new Set(pairs.map(({ a }) => a)).size).toBe(300);
    expect(new Set(pairs.map(({ b }) => b)).size).toBe(300);
    expect(pairs.length).toBe(599);
  });
});

describe('exactPairsWithin', () => {
  it('pairs an image that is listed twice with itself at level byte, and not at level pixel', () => {
    const images = [keyed('a', 'k'), keyed('a', 'k'), keyed('b', 'other')];
    expect(ends(exactPairsWithin({ level: 'byte', type: 'within-eval', images }))).toEqual([
      `${idOf('a')} ${idOf('a')}`,
    ]);
    expect(exactPairsWithin({ level: 'pixel', type: 'within-eval', images })).toEqual([]);
  });

  it('lists all pairs of a key, smaller id first', () => {
    const images = ['a', 'b', 'c'].map((name) => keyed(name, 'k'));
    const pairs = exactPairsWithin({ level: 'pixel', type: 'within-train', images });
    expect(pairs.length).toBe(3);
    for (const { a, b } of pairs) expect(a < b).toBe(true);
  });
});

const hashed = (name: string, image: RgbImage) => ({
  id: idOf(name),
  hash: perceptualHashOf(image),
  variants: dihedralHashesOf(greyPlaneOf(image)).variants,
});
const mirrored = (image: RgbImage): RgbImage =>
  paint(image.widthPx, image.heightPx, (x, y) => {
    const at = (y * image.widthPx + image.widthPx - 1 - x) * 3;
    return [image.data[at]!, image.data[at + 1]!, image.data[at + 2]!];
  });
const white = (side: number): RgbImage => paint(side, side, () => [255, 255, 255]);

describe('hashPairsAcross', () => {
  it('finds a mirrored copy and names the transform, and keeps identity where that is as near', () => {
    const train = [hashed('t0', blobs(0)), hashed('t1', blobs(1))];
    const evaluation = [hashed('e0', mirrored(blobs(0))), hashed('e1', blobs(1, 80))];
    const { pairs, degenerate } = hashPairsAcross({ train, evaluation, radius: { phash: 4, dhash: 4 } });
    const summary = pairs.map(({ a, b, evidence }) => [
      evidence.level,
      a,
      b,
      'transform' in evidence && evidence.transform,
    ]);
    for (const level of ['phash', 'dhash']) {
      expect(summary).toContainEqual([level, idOf('t0'), idOf('e0'), 'mirror']);
      expect(summary).toContainEqual([level, idOf('t1'), idOf('e1'), 'identity']);
    }
    expect(pairs.length).toBe(4);
    expect(degenerate).toEqual([]);
  });

  it('says identity where a symmetric picture is as near mirrored', () => {
    const symmetric = hashed(
      's',
      paint(64, 64, (x, y) => [4 * Math.abs(x - 31.5), y, (x * (63 - x) * y) % 251]),
    );
    const { pairs } = hashPairsAcross({ train: [symmetric], evaluation: [symmetric], radius: { phash: 0 } });
    expect(pairs.map(({ evidence }) => evidence)).toEqual([
      { level: 'phash', distance: 0, transform: 'identity' },
    ]);
  });

  it('matches no flat image and names it instead', () => {
    const train = [hashed('t', white(64))];
    const evaluation = [hashed('e', white(32)), hashed('f', blobs(1))];
    const { pairs, degenerate } = hashPairsAcross({ train, evaluation, radius: { phash: 64 } });
    expect(pairs).toEqual([]);
    expect(degenerate).toEqual([idOf('t'), idOf('e')].sort());
  });

  it('searches only the levels that have a radius', () => {
    const train = [hashed('t', blobs(1))];
    const { pairs } = hashPairsAcross({ train, evaluation: [hashed('e', blobs(1))], radius: { dhash: 0 } });
    expect(pairs.map(({ evidence }) => evidence.level)).toEqual(['dhash']);
  });
});

describe('hashPairsWithin', () => {
  it('does not depend on the order of the images', () => {
    const images = [0, 1, 2, 3, 4].map((i) => hashed(`i${i}`, blobs(i % 3, 60 + i)));
    const search = { type: 'within-train', radius: { phash: 6 } } as const;
    const forward = hashPairsWithin({ ...search, images });
    expect(hashPairsWithin({ ...search, images: [...images].reverse() })).toEqual(forward);
    expect(forward.pairs.length).toBe(2);
    for (const { a, b } of forward.pairs) expect(a < b).toBe(true);
  });
});

describe('teacher pairs', () => {
  it('name train first across sides', () => {
    const [pair] = teacherPairsAcross({
      level: 'teacher:nanodet',
      pairs: [{ query: 1, base: 0, cosine: 0.9, rank: 3 }],
      trainIds: [idOf('t')],
      evalIds: [idOf('e0'), idOf('e1')],
    });
    expect(pair).toEqual({
      type: 'train-eval',
      a: idOf('t'),
      b: idOf('e1'),
      evidence: { level: 'teacher:nanodet', cosine: 0.9, rank: 3 },
    });
  });

  it('fold both directions within a side into one with the better rank', () => {
    const ids = [idOf('x'), idOf('y')];
    const pairs = teacherPairsWithin({
      level: 'teacher:n',
      type: 'within-train',
      ids,
      pairs: [
        { query: 0, base: 1, cosine: 0.8, rank: 5 },
        { query: 1, base: 0, cosine: 0.8, rank: 2 },
      ],
    });
    const [a, b] = [...ids].sort();
    expect(pairs).toEqual([
      { type: 'within-train', a, b, evidence: { level: 'teacher:n', cosine: 0.8, rank: 2 } },
    ]);
  });
});
