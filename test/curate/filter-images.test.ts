/** Measures and filters on painted pictures whose values follow by hand. */
import { describe, expect, it } from 'vitest';
import { needsMeasures, filterImages } from '../../src/curate/filter-images.ts';
import { type ImageMeasures, MEASURE_SIDE_PX, measureImage } from '../../src/curate/image-measures.ts';
import { rowOf, blobs, paint } from '../audit/sample-images.ts';

const grey = (level: number) => [level, level, level] as const;

describe('measureImage', () => {
  it('finds nothing in a flat picture', () => {
    expect(measureImage(paint(20, 10, () => grey(51)))).toEqual({
      sharpness: 0,
      entropyBits: 0,
      brightest: 0.2,
      darkest: 0.2,
      uniformShare: 1,
    });
  });

  it('gives a chessboard of black and white the values that follow by hand', () => {
    const { sharpness, ...rest } = measureImage(paint(8, 8, (x, y) => grey((x + y) % 2 === 0 ? 0 : 255)));
    // every pixel differs from its four neighbours by 255, half of them upwards
    expect(sharpness).toBeCloseTo((4 * 255) ** 2, 6);
    expect(rest).toEqual({ entropyBits: 1, brightest: 1, darkest: 0, uniformShare: 0.5 });
  });

  it('gives a linear ramp no sharpness and its whole range', () => {
    const ramp = measureImage(paint(256, 4, (x) => grey(x)));
    expect(ramp.sharpness).toBeCloseTo(0, 9);
    expect(ramp.entropyBits).toBe(8);
    expect(ramp.brightest).toBeCloseTo(253 / 255, 9);
    expect(ramp.darkest).toBeCloseTo(12 / 255, 9);
  });

  it('counts colours, not greys: two colours of one brightness are not uniform', () => {
    const { uniformShare, entropyBits } = measureImage(
      paint(4, 4, (x) => (x < 2 ? [255, 0, 0] : [0, 130, 0])),
    );
    expect([uniformShare, entropyBits]).toEqual([0.5, 0]);
  });

  it('measures at one scale: a picture three times as large is as sharp', () => {
    const small = blobs(1, MEASURE_SIDE_PX);
    const large = paint(MEASURE_SIDE_PX * 3, MEASURE_SIDE_PX * 3, (x, y) => {
      const at = (Math.floor(y / 3) * MEASURE_SIDE_PX + Math.floor(x / 3)) * 3;
      return grey(small.data[at]!);
    });
    expect(measureImage(large).sharpness).toBeCloseTo(measureImage(small).sharpness, 4);
  });

  it('falls when a picture is blurred', () => {
    const noisy = (x: number, y: number): number => (x * 7919 + y * 104729 + x * y * 31) % 256;
    const sharp = paint(64, 64, (x, y) => grey(noisy(x, y)));
    const blurred = paint(64, 64, (x, y) => {
      let sum = 0;
      for (let dy = -2; dy <= 2; dy++)
        for (let dx = -2; dx <= 2; dx++) sum += noisy(x + dx + 64, y + dy + 64);
      return grey(sum / 25);
    });
    expect(measureImage(blurred).sharpness).toBeLessThan(measureImage(sharp).sharpness / 20);
  });

  it('measures pictures of one pixel', () => {
    expect(measureImage(paint(1, 1, () => grey(255)))).toMatchObject({ sharpness: 0, uniformShare: 1 });
  });
});

describe('filterImages', () => {
  const fine: ImageMeasures = {
    sharpness: 100,
    entropyBits: 6,
    brightest: 0.9,
    darkest: 0.1,
    uniformShare: 0.2,
  };
  const reasonOf = (policy: object, row = rowOf('x'), measures = fine) =>
    filterImages({ rows: [row], policy, measures: new Map([[row.id, measures]]) }).rejected[0]?.reason ??
    'kept';

  it.each([
    [{ minSidePx: 65 }, 'too-small'],
    [{ minPixels: 64 * 64 + 1 }, 'too-small'],
    [{ maxSidePx: 63 }, 'too-large'],
    [{ maxPixels: 64 * 64 - 1 }, 'too-large'],
    [{ maxUniformShare: 0.19 }, 'uniform-colour'],
    [{ minBrightest: 0.91 }, 'too-dark'],
    [{ maxDarkest: 0.09 }, 'too-light'],
    [{ minEntropyBits: 6.1 }, 'low-entropy'],
    [{ minSharpness: 100.1 }, 'blurred'],
  ])('%j rejects as %s, and keeps at the cut', (policy, reason) => {
    expect(reasonOf(policy)).toBe(reason);
    const [[cut, limit]] = Object.entries(policy) as [[string, number]];
    const step = limit > 1 ? (Number.isInteger(limit) ? 1 : 0.1) : 0.01;
    const at = cut.startsWith('min') ? limit - step : limit + step;
    expect(reasonOf({ [cut]: Math.round(at * 1e6) / 1e6 })).toBe('kept');
  });

  it('looks at the aspect whichever way the picture lies', () => {
    for (const size of [
      { width: 300, height: 100 },
      { width: 100, height: 300 },
    ]) {
      expect(reasonOf({ maxAspect: 2.9 }, rowOf('x', size))).toBe('odd-aspect');
      expect(reasonOf({ maxAspect: 3 }, rowOf('x', size))).toBe('kept');
    }
  });

  it('names the first failure with value and threshold, and all of them in the detail', () => {
    const row = rowOf('x', { width: 30 });
    const { rejected } = filterImages({
      rows: [row],
      policy: { minSharpness: 200, minSidePx: 32, minEntropyBits: 5 },
      measures: new Map([[row.id, fine]]),
    });
    expect(rejected).toEqual([
      expect.objectContaining({
        step: 'filters',
        reason: 'too-small',
        value: 30,
        threshold: 'minSidePx 32',
        detail: 'shorter side 30, minSidePx 32; sharpness 100, minSharpness 200',
      }),
    ]);
  });

  it('needs pixels only where the manifest does not tell', () => {
    expect(needsMeasures({ minSidePx: 3, maxAspect: 2, maxPixels: 4, minPixels: 1, maxSidePx: 5 })).toBe(
      false,
    );
    expect(needsMeasures({ minSharpness: 3 })).toBe(true);
    const { kept } = filterImages({ rows: [rowOf('x')], policy: { minSidePx: 3 }, measures: new Map() });
    expect(kept).toHaveLength(1);
  });
});
