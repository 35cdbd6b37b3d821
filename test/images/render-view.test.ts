import { describe, expect, it } from 'vitest';
import { renderView, sourceBoxOf } from '../../src/images/render-view.ts';
import { FULL_VIEW } from '../../src/images/view.ts';
import { coordinateImage } from './coordinate-image.ts';

const pixel = (data: Uint8Array, widthPx: number, x: number, y: number) => [
  ...data.subarray((y * widthPx + x) * 3, (y * widthPx + x) * 3 + 3),
];

describe('a rendered view', () => {
  const image = coordinateImage(200, 100);

  it('is the image itself for the full view at full size, whatever the kernel', () => {
    for (const kernel of ['nearest', 'linear', 'cubic', 'lanczos3'] as const) {
      const out = renderView(image, FULL_VIEW, { heightPx: 100, widthPx: 200, kernel });
      expect(Buffer.compare(out, image.data), kernel).toBe(0);
    }
  });

  it('shows exactly the pixels of its box', () => {
    const view = { box: [0.25, 0.1, 0.5, 0.4], flip: false } as const;
    const out = renderView(image, view, { heightPx: 40, widthPx: 100 });
    expect(pixel(out, 100, 0, 0)).toEqual([50, 10, 77]);
    expect(pixel(out, 100, 99, 39)).toEqual([149, 49, 77]);
  });

  it('mirrors from left to right only', () => {
    const view = { box: [0.25, 0.1, 0.5, 0.4], flip: true } as const;
    const out = renderView(image, view, { heightPx: 40, widthPx: 100 });
    expect(pixel(out, 100, 0, 0)).toEqual([149, 10, 77]);
    expect(pixel(out, 100, 99, 39)).toEqual([50, 49, 77]);
  });

  it('enlarges a box that is smaller than the output', () => {
    const view = { box: [0.5, 0.5, 0.1, 0.1], flip: false } as const;
    const out = renderView(image, view, { heightPx: 40, widthPx: 40, kernel: 'nearest' });
    expect(pixel(out, 40, 0, 0)).toEqual([100, 50, 77]);
    expect(pixel(out, 40, 39, 39)).toEqual([119, 59, 77]);
  });

  it('is one pixel of a one-pixel image', () => {
    for (const kernel of ['nearest', 'linear', 'cubic', 'lanczos3'] as const) {
      const view = { box: [0.3, 0.3, 0.000001, 0.2], flip: true } as const;
      const out = renderView(coordinateImage(1, 1), view, { heightPx: 3, widthPx: 2, kernel });
      expect([...out], kernel).toEqual(Array.from({ length: 6 }, () => [0, 0, 77]).flat());
    }
  });
});

describe('the box of a view in pixels', () => {
  it('keeps fractions of pixels, and moves no edge by a rounding error', () => {
    // 0.29 * 100 is 28.999999999999996, and 0.1 + 0.2 is more than 0.3
    const hundred = { widthPx: 100, heightPx: 10 };
    expect(sourceBoxOf({ box: [0.29, 0.1, 0.01, 0.2], flip: false }, hundred)).toEqual({
      left: 29,
      right: 30,
      top: 1,
      bottom: 3,
    });
    expect(sourceBoxOf({ box: [0.145, 0.25, 0.5, 0.125], flip: true }, hundred)).toEqual({
      left: 14.5,
      right: 64.5,
      top: 2.5,
      bottom: 3.75,
    });
  });
});
