import { describe, expect, it } from 'vitest';
import { pixelBoxOf, renderView } from '../../src/images/render-view.ts';
import type { RgbImage } from '../../src/images/rgb-image.ts';
import { FULL_VIEW } from '../../src/images/view.ts';

/** Red is x, green is y, blue is constant: every pixel says where it was. */
function coordinates(widthPx: number, heightPx: number): RgbImage {
  const data = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++) data.set([x, y, 77], (y * widthPx + x) * 3);
  }
  return { widthPx, heightPx, data };
}

const pixel = (data: Uint8Array, widthPx: number, x: number, y: number) => [
  ...data.subarray((y * widthPx + x) * 3, (y * widthPx + x) * 3 + 3),
];

describe('a rendered view', () => {
  const image = coordinates(200, 100);

  it('is the image itself for the full view at full size', async () => {
    const out = await renderView(image, FULL_VIEW, { heightPx: 100, widthPx: 200 });
    expect(Buffer.compare(out, image.data)).toBe(0);
  });

  it('shows exactly the pixels of its box', async () => {
    const view = { box: [0.25, 0.1, 0.5, 0.4], flip: false } as const;
    const out = await renderView(image, view, { heightPx: 40, widthPx: 100 });
    expect(pixel(out, 100, 0, 0)).toEqual([50, 10, 77]);
    expect(pixel(out, 100, 99, 39)).toEqual([149, 49, 77]);
  });

  it('mirrors from left to right only', async () => {
    const view = { box: [0.25, 0.1, 0.5, 0.4], flip: true } as const;
    const out = await renderView(image, view, { heightPx: 40, widthPx: 100 });
    expect(pixel(out, 100, 0, 0)).toEqual([149, 10, 77]);
    expect(pixel(out, 100, 99, 39)).toEqual([50, 49, 77]);
  });

  it.each(['linear', 'cubic', 'lanczos3'] as const)(
    'shrinks with pixel centres at half positions (%s)',
    async (kernel) => {
      const out = await renderView(image, FULL_VIEW, { heightPx: 25, widthPx: 25, kernel });
      for (const at of [8, 12, 16]) {
        const [red, green] = pixel(out, 25, at, at) as [number, number];
        // the centre of output pixel i is at (i + 0.5) * 8 - 0.5 of the source
        expect(Math.abs(red - ((at + 0.5) * 8 - 0.5))).toBeLessThanOrEqual(1);
        expect(Math.abs(green - ((at + 0.5) * 4 - 0.5))).toBeLessThanOrEqual(1);
      }
    },
  );

  it('enlarges a box that is smaller than the output', async () => {
    const view = { box: [0.5, 0.5, 0.1, 0.1], flip: false } as const;
    const out = await renderView(image, view, { heightPx: 40, widthPx: 40, kernel: 'nearest' });
    expect(pixel(out, 40, 0, 0)).toEqual([100, 50, 77]);
    expect(pixel(out, 40, 39, 39)).toEqual([119, 59, 77]);
  });

  it('rounds its box outward, to at least one pixel', () => {
    expect(pixelBoxOf({ box: [0.001, 0.999, 0.0001, 0.0005], flip: false }, image)).toEqual({
      left: 0,
      top: 99,
      width: 1,
      height: 1,
    });
    expect(pixelBoxOf({ box: [0.1, 0.2, 0.3, 0.1], flip: false }, { widthPx: 10, heightPx: 10 })).toEqual({
      left: 1,
      top: 2,
      width: 3,
      height: 1,
    });
    expect(pixelBoxOf({ box: [0.14, 0.26, 0.3, 0.1], flip: false }, { widthPx: 10, heightPx: 10 })).toEqual({
      left: 1,
      top: 2,
      width: 4,
      height: 2,
    });
  });

  it('moves no edge by a rounding error of floating point', () => {
    // 0.29 * 100 is 28.999999999999996, and 0.1 + 0.2 is more than 0.3
    const hundred = { widthPx: 100, heightPx: 10 };
    expect(pixelBoxOf({ box: [0.29, 0.1, 0.01, 0.2], flip: false }, hundred)).toEqual({
      left: 29,
      top: 1,
      width: 1,
      height: 2,
    });
  });

  it('is one pixel of a one-pixel image', async () => {
    const out = await renderView(
      coordinates(1, 1),
      { box: [0.3, 0.3, 0.2, 0.2], flip: true },
      { heightPx: 3, widthPx: 2 },
    );
    expect([...out]).toEqual(Array.from({ length: 6 }, () => [0, 0, 77]).flat());
  });
});
