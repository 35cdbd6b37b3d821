/** Small made-up images and ids for tests of audit and curate. */
import { sha256 } from '../../src/core/digest.ts';
import type { ImageId } from '../../src/core/ids.ts';
import { Rng } from '../../src/core/rng.ts';
import type { ImageRow } from '../../src/images/image-row.ts';
import type { RgbImage } from '../../src/images/rgb-image.ts';

export const idOf = (name: string | number): ImageId => sha256(`image ${name}`) as string as ImageId;

export function rowOf(name: string, over: Partial<ImageRow> = {}): ImageRow {
  return {
    id: idOf(name),
    uri: `${name}.png`,
    name,
    sizeBytes: 1000,
    width: 64,
    height: 64,
    format: 'png',
    label: null,
    split: 'train',
    group: null,
    source: 'test',
    licence: 'CC0-1.0',
    ...over,
  };
}

/** An image from a function of pixel position to RGB. */
export function paint(
  widthPx: number,
  heightPx: number,
  colour: (x: number, y: number) => readonly [number, number, number],
): RgbImage {
  const data = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++) data.set(colour(x, y), (y * widthPx + x) * 3);
  }
  return { widthPx, heightPx, data };
}

/** Smooth random blobs: like a photograph in its low frequencies, and like no other of another seed. */
export function blobs(seed: number, sidePx = 64): RgbImage {
  const rng = new Rng(seed, 'blobs');
  const waves = Array.from({ length: 12 }, () => ({
    fx: rng.between(0, 5),
    fy: rng.between(0, 5),
    phase: rng.between(0, 7),
    gain: rng.between(5, 25),
  }));
  return paint(sidePx, sidePx, (x, y) => {
    let sum = 128;
    for (const { fx, fy, phase, gain } of waves) {
      sum += gain * Math.cos((2 * Math.PI * (fx * (x + 0.5) + fy * (y + 0.5))) / sidePx + phase);
    }
    const grey = Math.max(0, Math.min(255, Math.round(sum)));
    return [grey, grey, grey];
  });
}
