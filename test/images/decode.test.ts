import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { DECODER, decodeImage } from '../../src/images/decode.ts';
import { asFile, noise, noisePng, png } from './tiny-images.ts';

const pixels = async (bytes: Uint8Array, background?: string) => {
  const image = await decodeImage(bytes, background === undefined ? {} : { background });
  expect(image.data).toHaveLength(image.widthPx * image.heightPx * 3);
  return [...image.data];
};

/** Mean distance of two equally long rows of numbers. */
const distance = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length;

describe('decodeImage', () => {
  it('gives back the very pixels of a lossless file', async () => {
    const data = noise(9, 5);
    for (const format of ['png', 'webp', 'tiff'] as const) {
      const image = await decodeImage(await asFile(data, { width: 9, height: 5 }, format));
      expect(image).toMatchObject({ widthPx: 9, heightPx: 5 });
      expect([...image.data], format).toEqual([...data]);
    }
  });

  // EXIF orientation: what the corner at the top left of the upright image was in the stored one, and whether sides swap
  it.each([
    [1, 'top left', false],
    [2, 'top right', false],
    [3, 'bottom right', false],
    [4, 'bottom left', false],
    [5, 'top left', true],
    [6, 'bottom left', true],
    [7, 'bottom right', true],
    [8, 'top right', true],
  ] as const)('turns an image of EXIF orientation %i upright', async (orientation, corner, swaps) => {
    const [width, height] = [16, 8];
    const data = new Uint8Array(width * height * 3);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) data.set([x < 8 ? 0 : 255, y < 4 ? 0 : 255, 0], (y * width + x) * 3);
    }
    const file = await sharp(data, { raw: { width, height, channels: 3 } })
      .withMetadata({ orientation })
      .png()
      .toBuffer();
    const image = await decodeImage(file);
    expect([image.widthPx, image.heightPx]).toEqual(swaps ? [height, width] : [width, height]);
    const red = corner.endsWith('right') ? 255 : 0;
    const green = corner.startsWith('bottom') ? 255 : 0;
    expect([...image.data.subarray(0, 3)]).toEqual([red, green, 0]);
  });

  it('lays transparent pixels on the background, half transparent ones in between', async () => {
    const rgba = Uint8Array.of(200, 0, 0, 0, 200, 0, 0, 255, 200, 0, 0, 128);
    const file = await sharp(rgba, { raw: { width: 3, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    const white = await pixels(file);
    expect(white.slice(0, 6)).toEqual([255, 255, 255, 200, 0, 0]);
    expect(distance(white.slice(6), [227, 127, 127])).toBeLessThanOrEqual(1);
    const blue = await pixels(file, '#0000ff');
    expect(blue.slice(0, 6)).toEqual([0, 0, 255, 200, 0, 0]);
    expect(distance(blue.slice(6), [100, 0, 127])).toBeLessThanOrEqual(1);
  });

  it('takes the transparency of a palette image', async () => {
    const rgba = Uint8Array.of(1, 2, 3, 0, 10, 20, 30, 255);
    const file = await sharp(rgba, { raw: { width: 2, height: 1, channels: 4 } })
      .png({ palette: true })
      .toBuffer();
    expect(await pixels(file, '#ff0000')).toEqual([255, 0, 0, 10, 20, 30]);
  });

  it('spreads grey to three channels, with and without alpha', async () => {
    expect(await pixels(png({ width: 3, height: 1, colour: 0 }, Uint8Array.of(0, 0, 100, 255)))).toEqual([
      0, 0, 0, 100, 100, 100, 255, 255, 255,
    ]);
    expect(await pixels(png({ width: 2, height: 1, colour: 4 }, Uint8Array.of(0, 50, 255, 50, 0)))).toEqual([
      50, 50, 50, 255, 255, 255,
    ]);
  });

  it('keeps the high byte of 16-bit values, grey and colour', async () => {
    const colour = png(
      { width: 2, height: 1, depth: 16 },
      Uint8Array.of(0, 10, 10, 20, 20, 255, 255, 128, 0, 0, 0, 1, 1),
    );
    expect(distance(await pixels(colour), [10, 20, 255, 128, 0, 1])).toBeLessThanOrEqual(1);
    const grey = png({ width: 2, height: 1, depth: 16, colour: 0 }, Uint8Array.of(0, 100, 100, 200, 200));
    expect(distance(await pixels(grey), [100, 100, 100, 200, 200, 200])).toBeLessThanOrEqual(1);
    const alpha = png(
      { width: 1, height: 1, depth: 16, colour: 6 },
      Uint8Array.of(0, 9, 9, 9, 9, 9, 9, 0, 0),
    );
    expect(await pixels(alpha)).toEqual([255, 255, 255]);
  });

  it('brings CMYK to sRGB', async () => {
    const file = await sharp({ create: { width: 16, height: 16, channels: 3, background: '#e02020' } })
      .toColourspace('cmyk')
      .jpeg({ quality: 100 })
      .toBuffer();
    expect((await sharp(file).metadata()).space).toBe('cmyk');
    const [red, green, blue] = (await pixels(file)) as [number, number, number];
    expect(red).toBeGreaterThan(180);
    expect(Math.max(green, blue)).toBeLessThan(90);
  });

  it('converts an embedded ICC profile', async () => {
    const flat = { create: { width: 8, height: 8, channels: 3, background: '#ff0000' } } as const;
    const p3 = await sharp(flat).withIccProfile('p3').png().toBuffer();
    expect((await sharp(p3).metadata()).hasProfile).toBe(true);
    expect((await sharp(p3, { ignoreIcc: true }).raw().toBuffer())[0]).toBeLessThan(250);
    expect(distance((await pixels(p3)).slice(0, 3), [255, 0, 0])).toBeLessThanOrEqual(3);
  });

  it('shows the first frame of an animation', async () => {
    const frames = Buffer.concat([Buffer.alloc(4 * 4 * 3, 10), Buffer.alloc(4 * 4 * 3, 250)]);
    const gif = await sharp(frames, { raw: { width: 4, height: 8, channels: 3, pageHeight: 4 } })
      .gif()
      .toBuffer();
    expect((await sharp(gif).metadata()).pages).toBe(2);
    const image = await decodeImage(gif);
    expect(image).toMatchObject({ widthPx: 4, heightPx: 4 });
    expect(image.data[0]).toBe(10);
  });

  it('refuses damaged bytes and images over the limit as an integrity failure', async () => {
    const file = await noisePng(1, 32, 32);
    for (const [bytes, options] of [
      [file.subarray(0, file.length / 2), {}],
      [Buffer.from('text'), {}],
      [file, { maxPixels: 1000 }],
    ] as const) {
      await expect(decodeImage(bytes, options)).rejects.toMatchObject({ failure: { kind: 'integrity' } });
    }
  });

  it('names the decoder with the version of its codecs and of our rules', () => {
    expect(DECODER.version).toMatch(/^\d+\.\d+\.\d+\+libvips-\d+\.\d+\.\d+\+rules-\d+$/);
  });
});
