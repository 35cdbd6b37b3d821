import { describe, expect, it } from 'vitest';
import { DIHEDRAL, transformed } from '../../src/audit/dihedral.ts';
import {
  greyThumbOf,
  pixelsThatAgree,
  summed,
  turned,
  verifyPixels,
} from '../../src/audit/pixel-verification.ts';
import { Rng } from '../../src/core/rng.ts';
import { type RgbImage, greyPlaneOf } from '../../src/images/rgb-image.ts';
import { blobs, paint } from './sample-images.ts';

const thumbOf = (image: RgbImage) => greyThumbOf(greyPlaneOf(image));

describe('pixel verification', () => {
  const a = thumbOf(blobs(1, 128));

  it('is 1 for the same picture and low for another of the same kind', () => {
    expect(verifyPixels(a, a)).toEqual({ ncc: 1, ssim: 1 });
    const other = verifyPixels(a, thumbOf(blobs(2, 128)));
    expect(other.ncc).toBeLessThan(0.8);
    expect(other.ssim).toBeLessThan(0.6);
  });

  it('sees through brightness, a shift of two pixels and each of the eight transforms', () => {
    const dimmed = a.map((value) => Math.round(value * 0.8 + 10));
    expect(verifyPixels(a, dimmed).ncc).toBeGreaterThan(0.999);
    const moved = thumbOf(
      paint(64, 64, (x, y) => {
        const grey = a[Math.max(0, y - 2) * 64 + Math.max(0, x - 1)]!;
        return [grey, grey, grey];
      }),
    );
    expect(verifyPixels(a, moved).ncc).toBeCloseTo(1, 6);
    expect(verifyPixels(a, moved).ssim).toBeCloseTo(1, 6);
    const plane = { width: 64, height: 64, data: Float64Array.from(a) };
    for (const transform of DIHEDRAL) {
      const undone = { width: 64, height: 64, data: transformed(plane, transform).data };
      // the transform that, applied to `undone`, gives `a` back
      const back = DIHEDRAL.find((one) => transformed(undone, one).data.every((v, i) => v === a[i]))!;
      expect(verifyPixels(a, Uint8Array.from(undone.data), back)).toEqual({ ncc: 1, ssim: 1 });
    }
  });

  it('with a floor is the same for pictures that agree, and nothing for the others', () => {
    const pictures = Array.from({ length: 12 }, (_, i) => thumbOf(blobs(i >> 1, 128)));
    // every second one is the one before, disturbed more and more
    const rng = new Rng(1, 'noise');
    const seen = { agree: 0, differ: 0 };
    const disturbed = pictures.map((picture, i) =>
      i % 2 === 0 ? picture : picture.map((value) => Math.min(255, value + rng.below(1 + 20 * i))),
    );
    for (const [i, left] of disturbed.entries())
      for (const [j, right] of disturbed.entries()) {
        const transform = DIHEDRAL[(i * 12 + j) % (i === j ? 1 : DIHEDRAL.length)]!;
        const whole = verifyPixels(left, right, transform);
        for (const floor of [0.3, 0.8, whole.ncc]) {
          const found = pixelsThatAgree(summed(left), summed(turned(right, transform)), floor);
          expect(found, `${i} ${j} ${floor}`).toEqual(whole.ncc < floor ? null : whole);
          seen[found === null ? 'differ' : 'agree'] += 1;
        }
      }
    expect(Math.min(seen.agree, seen.differ)).toBeGreaterThan(50);
  });

  it('does not call two flat pictures alike by correlation', () => {
    const flat = thumbOf(paint(32, 32, () => [90, 90, 90]));
    expect(verifyPixels(flat, flat).ncc).toBe(0);
  });
});
