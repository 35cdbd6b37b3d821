/**
 * Perceptual hashes on real drawings with a known truth: skin-tone variants of one emoji are near-duplicates, other emoji are
 * not, and a shrunk JPEG of an emoji is a copy of it.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { detectionQuality, truthAcross, truthWithin } from '../../src/audit/detection-quality.ts';
import type { EvidencePair, HashLevel } from '../../src/audit/evidence.ts';
import { type HashedImage, hashPairsAcross, hashPairsWithin } from '../../src/audit/hash-pairs.ts';
import { dihedralHashesOf, perceptualHashOf } from '../../src/audit/perceptual-hash.ts';
import { type RgbImage, greyPlaneOf } from '../../src/images/rgb-image.ts';
import { idOf } from './sample-images.ts';

interface EmojiEntry {
  readonly unified: string;
  readonly image: string;
  readonly has_img_twitter: boolean;
  readonly skin_variations?: Readonly<
    Record<string, { readonly image: string; readonly has_img_twitter: boolean }>
  >;
}

const ROOT = dirname(createRequire(import.meta.url).resolve('emoji-datasource-twitter/package.json'));
const RADII = [4, 6, 8, 10];

async function decode(image: string, asCopy: boolean): Promise<RgbImage> {
  const flat = sharp(join(ROOT, 'img/twitter/64', image))
    .flatten({ background: '#ffffff' })
    .removeAlpha();
  const source = asCopy ? sharp(await flat.resize(48, 48).jpeg({ quality: 75 }).toBuffer()) : flat;
  const { data, info } = await source.raw().toBuffer({ resolveWithObject: true });
  return { widthPx: info.width, heightPx: info.height, data: new Uint8Array(data) };
}

const originals: HashedImage[] = [];
const copies: (HashedImage & { variants: ReturnType<typeof dihedralHashesOf>['variants'] })[] = [];
/** Image to the base code point it varies; and each original and its copy to one key of their own. */
const baseOf = new Map<string, string>();
const selfOf = new Map<string, string>();
const copyOf = new Map<string, string>();

beforeAll(async () => {
  const entries = JSON.parse(readFileSync(join(ROOT, 'emoji.json'), 'utf8')) as EmojiEntry[];
  const usable = entries.filter((entry) => entry.has_img_twitter);
  // spread over all kinds: 18 emoji in six tones each, and 42 that have no tones
  const toned = usable.filter((entry) => Object.keys(entry.skin_variations ?? {}).length === 5);
  const plain = usable.filter((entry) => entry.skin_variations === undefined);
  const chosen = [
    ...toned.filter((_, i) => i % 16 === 0).slice(0, 18),
    ...plain.filter((_, i) => i % 35 === 0).slice(0, 42),
  ];
  for (const entry of chosen) {
    const images = [entry.image, ...Object.values(entry.skin_variations ?? {}).map(({ image }) => image)];
    for (const image of images) {
      const id = idOf(image);
      originals.push({ id, hash: perceptualHashOf(await decode(image, false)) });
      baseOf.set(id, entry.unified);
      selfOf.set(id, image);
    }
    const copy = await decode(entry.image, true);
    const id = idOf(`copy of ${entry.image}`);
    copies.push({ id, hash: perceptualHashOf(copy), variants: dihedralHashesOf(greyPlaneOf(copy)).variants });
    copyOf.set(id, entry.image);
  }
});

const within = (pairs: readonly EvidencePair[], level: HashLevel, radius: number): EvidencePair[] =>
  pairs.filter(
    ({ evidence }) => evidence.level === level && 'distance' in evidence && evidence.distance <= radius,
  );

describe('perceptual hashes of 150 emoji', () => {
  it('find most skin-tone variants at radius 10 and never all, with fewer than 1 in 100 other pairs', () => {
    const { pairs, degenerate } = hashPairsWithin({
      type: 'within-train',
      images: originals,
      radius: { phash: 10, dhash: 10 },
    });
    expect(originals.length).toBe(150);
    expect(degenerate).toEqual([]);
    const truth = truthWithin(baseOf);
    expect(truth.count).toBe(18 * 15);
    const otherPairs = (150 * 149) / 2 - truth.count;
    for (const [level, lowest] of [
      ['phash', 0.5],
      ['dhash', 0.85],
    ] as const) {
      const curve = RADII.map((radius) => detectionQuality(within(pairs, level, radius), truth));
      const widest = curve.at(-1)!;
      expect(widest.recall).toBeGreaterThan(lowest);
      expect(widest.recall).toBeLessThan(1);
      expect(widest.falsePositives / otherPairs).toBeLessThan(0.01);
      expect(curve[0]!.precision).toBeGreaterThan(0.95);
      for (let i = 1; i < curve.length; i++) {
        expect(curve[i]!.recall).toBeGreaterThan(curve[i - 1]!.recall);
        expect(curve[i]!.precision).toBeLessThanOrEqual(curve[i - 1]!.precision);
      }
    }
  });

  it('find a shrunk JPEG copy of nearly every emoji, pHash at a smaller radius than dHash', () => {
    const { pairs } = hashPairsAcross({
      train: originals,
      evaluation: copies,
      radius: { phash: 10, dhash: 10 },
    });
    const truth = truthAcross(selfOf, copyOf);
    expect(truth.count).toBe(60);
    const recall = (level: HashLevel, radius: number): number =>
      detectionQuality(within(pairs, level, radius), truth).recall;
    expect(recall('phash', 4)).toBeGreaterThan(0.9);
    expect(recall('phash', 6)).toBeGreaterThan(0.95);
    expect(recall('dhash', 4)).toBeLessThan(recall('phash', 4));
    expect(recall('dhash', 8)).toBeGreaterThan(0.9);
  });
});
