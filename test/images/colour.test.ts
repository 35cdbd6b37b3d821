// Colour against Pillow and littlecms: test/cross/goldens/make_colour.py. The reasons are in decisions/0014.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mayBeCmyk } from '../../src/images/cmyk.ts';
import { decodeImage } from '../../src/images/decode.ts';
import type { RgbImage } from '../../src/images/rgb-image.ts';

const GOLDEN = 'test/golden/images/colour';
const FILES = readdirSync(`${GOLDEN}/files`).sort();

/** Levels of 255 by which we may differ from the reference; every other file equals it in every byte. */
const LEVELS: Readonly<Record<string, number>> = {
  // Pillow rounds a blend with white up at the half, libvips cuts it off
  'rgba.png': 1,
  'rgba.webp': 1,
  'grey-alpha.png': 1,
  // two colour engines, both littlecms: libvips works in floats on the way
  'adobe-rgb.jpg': 1,
  'adobe-rgb.png': 1,
  'display-p3.jpg': 1,
  'display-p3.png': 1,
  // matrices of YUV differ in their last digit; halved chroma is enlarged in another way (14 measured)
  'avif-444.avif': 1,
  'avif-420.avif': 15,
};

const decoded = (path: string): Promise<RgbImage> => decodeImage(readFileSync(path));

function differenceOf(a: RgbImage, b: RgbImage): { readonly most: number; readonly mean: number } {
  expect([a.widthPx, a.heightPx]).toEqual([b.widthPx, b.heightPx]);
  let [most, sum] = [0, 0];
  for (const [i, value] of a.data.entries()) {
    const levels = Math.abs(value - b.data[i]!);
    most = Math.max(most, levels);
    sum += levels;
  }
  return { most, mean: sum / a.data.length };
}

describe('a decoded file', () => {
  it('has its goldens', () => {
    expect(FILES).toHaveLength(35);
    expect(FILES.filter((name) => !existsSync(`${GOLDEN}/reference/${name}.png`))).toEqual([]);
    for (const name of Object.keys(LEVELS)) expect(FILES).toContain(name);
  });

  it.each(FILES)('%s has the colours that Pillow and littlecms see', async (name) => {
    const got = await decoded(`${GOLDEN}/files/${name}`);
    const { most } = differenceOf(got, await decoded(`${GOLDEN}/reference/${name}.png`));
    expect(most).toBeLessThanOrEqual(LEVELS[name] ?? 0);
  });

  // what convert("RGB") of transformers leaves out, so that what it would feed a network is far from what a person sees
  it.each([
    ['display-p3.png', 'colour profile', 10],
    ['adobe-rgb.png', 'colour profile', 10],
    ['rgba.png', 'what shines through', 70],
    ['palette-transparent.png', 'what shines through', 5],
    ['grey-16.png', 'high byte', 100],
  ] as const)('%s keeps its %s, which the processors drop', async (name, _kept, meanLevels) => {
    const got = await decoded(`${GOLDEN}/files/${name}`);
    const { mean } = differenceOf(got, await decoded(`${GOLDEN}/as-fed/${name}.png`));
    expect(mean).toBeGreaterThan(meanLevels);
  });
});

describe('the look for four components', () => {
  it('finds them in JPEG and TIFF headers alone', () => {
    const found = FILES.filter((name) => mayBeCmyk(readFileSync(`${GOLDEN}/files/${name}`)));
    expect(found).toEqual(['cmyk.jpg', 'cmyk.tif']);
  });

  it('survives bytes that end anywhere, and segments that lead out of them', () => {
    const whole = readFileSync(`${GOLDEN}/files/cmyk.jpg`);
    for (let end = 0; end < whole.length; end++)
      expect(() => mayBeCmyk(whole.subarray(0, end))).not.toThrow();
    expect(mayBeCmyk(Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0))).toBe(false);
    // a length of zero: on to the next marker all the same
    expect(
      mayBeCmyk(Uint8Array.of(0xff, 0xd8, ...Array.from({ length: 20 }, () => [0xff, 0xe0, 0, 0]).flat())),
    ).toBe(false);
  });
});
