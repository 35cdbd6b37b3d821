import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { greyOf, resizeGrey } from '../../src/images/rgb-image.ts';

describe('greyOf', () => {
  it('weighs the channels as BT.601 and keeps greys as they are', () => {
    const image = {
      widthPx: 4,
      heightPx: 1,
      data: Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255, 90, 90, 90),
    };
    const grey = greyOf(image);
    expect(grey[0]).toBeCloseTo(76.245, 4);
    expect(grey[1]).toBeCloseTo(149.685, 4);
    expect(grey[2]).toBeCloseTo(29.07, 4);
    expect(grey[3]).toBe(90);
  });
});

describe('resizeGrey', () => {
  it('averages the covered area, fractional borders included', () => {
    const plane = { widthPx: 3, heightPx: 2, data: Float32Array.of(0, 30, 60, 90, 120, 150) };
    // left half covers column 0 whole and half of column 1
    expect([...resizeGrey(plane, 2, 1)].map((v) => Math.round(v * 1e9) / 1e9)).toEqual([55, 95]);
  });

  it('keeps the mean at any size, and a constant picture constant', () => {
    const side = fc.integer({ min: 1, max: 20 });
    fc.assert(
      fc.property(
        side,
        side,
        side,
        side,
        fc.infiniteStream(fc.integer({ min: 0, max: 255 })),
        (w, h, w2, h2, s) => {
          const data = Float32Array.from({ length: w * h }, () => s.next().value as number);
          const mean = (v: Iterable<number>): number => {
            const all = [...v];
            return all.reduce((a, b) => a + b, 0) / all.length;
          };
          expect(mean(resizeGrey({ widthPx: w, heightPx: h, data }, w2, h2))).toBeCloseTo(mean(data), 9);
          const flat = resizeGrey({ widthPx: w, heightPx: h, data: data.map(() => 77) }, w2, h2);
          for (const v of flat) expect(v).toBeCloseTo(77, 10);
        },
      ),
    );
  });
});
