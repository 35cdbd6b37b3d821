/**
 * Do two candidate images show the same pixels, once laid over each other? Settles what a hash only suggests: normalised
 * cross-correlation over small shifts, then structural similarity (Wang et al., IEEE TIP 13, 2004) at the best of them, both on
 * 64 x 64 grey pictures.
 */
import { type RgbImage, greyOf, resizeGrey } from '../images/rgb-image.ts';
import { type Dihedral, transformed } from './dihedral.ts';

const SIDE = 64;
/** A re-encoding with a slight crop moves the picture by a pixel or two of 64. */
const MOST_SHIFT = 3;

/** [SIDE * SIDE] grey, 0..255, aspect ratio not kept. 4 kB, so that thousands of candidates fit in memory. */
export type GreyThumb = Uint8Array;

export function greyThumbOf(image: RgbImage): GreyThumb {
  const plane = { widthPx: image.widthPx, heightPx: image.heightPx, data: greyOf(image) };
  return Uint8Array.from(resizeGrey(plane, SIDE, SIDE), Math.round);
}

export interface PixelAgreement {
  /** -1..1; 0 where one of them is flat. */
  readonly ncc: number;
  /** -1..1, mean over 8 x 8 windows. */
  readonly ssim: number;
}

/** @param transform applied to `b` first */
export function verifyPixels(a: GreyThumb, b: GreyThumb, transform: Dihedral = 'identity'): PixelAgreement {
  const plane = { width: SIDE, height: SIDE, data: Float64Array.from(b) };
  const turned = transform === 'identity' ? plane.data : transformed(plane, transform).data;
  const left = Float64Array.from(a);
  let best = { ncc: -Infinity, dx: 0, dy: 0 };
  for (let dy = -MOST_SHIFT; dy <= MOST_SHIFT; dy++)
    for (let dx = -MOST_SHIFT; dx <= MOST_SHIFT; dx++) {
      const ncc = correlation(left, turned, dx, dy);
      // no shift wins ties
      const nearer = Math.abs(dx) + Math.abs(dy) < Math.abs(best.dx) + Math.abs(best.dy);
      if (ncc > best.ncc + 1e-12 || (ncc > best.ncc - 1e-12 && nearer)) best = { ncc, dx, dy };
    }
  return { ncc: best.ncc, ssim: meanSsim(left, turned, best.dx, best.dy) };
}

/** Pixel (x, y) of `a` lies over (x + dx, y + dy) of `b`; only the common part counts. */
function correlation(a: Float64Array, b: Float64Array, dx: number, dy: number): number {
  const { x0, x1, y0, y1 } = overlapOf(dx, dy);
  let [sumA, sumB, squareA, squareB, product] = [0, 0, 0, 0, 0];
  for (let y = y0; y < y1; y++)
    for (let x = x0; x < x1; x++) {
      const p = a[y * SIDE + x]!;
      const q = b[(y + dy) * SIDE + x + dx]!;
      sumA += p;
      sumB += q;
      squareA += p * p;
      squareB += q * q;
      product += p * q;
    }
  const count = (x1 - x0) * (y1 - y0);
  const [varianceA, varianceB] = [squareA - sumA ** 2 / count, squareB - sumB ** 2 / count];
  if (varianceA <= 1e-9 || varianceB <= 1e-9) return 0;
  return Math.min(1, (product - (sumA * sumB) / count) / Math.sqrt(varianceA * varianceB));
}

function overlapOf(dx: number, dy: number): { x0: number; x1: number; y0: number; y1: number } {
  return {
    x0: Math.max(0, -dx),
    x1: SIDE - Math.max(0, dx),
    y0: Math.max(0, -dy),
    y1: SIDE - Math.max(0, dy),
  };
}

const WINDOW = 8;
const C1 = (0.01 * 255) ** 2;
const C2 = (0.03 * 255) ** 2;

function meanSsim(a: Float64Array, b: Float64Array, dx: number, dy: number): number {
  const { x0, x1, y0, y1 } = overlapOf(dx, dy);
  let [sum, windows] = [0, 0];
  for (let y = y0; y + WINDOW <= y1; y += WINDOW / 2)
    for (let x = x0; x + WINDOW <= x1; x += WINDOW / 2) {
      sum += ssimAt(a, b, y * SIDE + x, (y + dy) * SIDE + x + dx);
      windows += 1;
    }
  return sum / windows;
}

function ssimAt(a: Float64Array, b: Float64Array, atA: number, atB: number): number {
  const count = WINDOW * WINDOW;
  let [sumA, sumB, squareA, squareB, product] = [0, 0, 0, 0, 0];
  for (let y = 0; y < WINDOW; y++)
    for (let x = 0; x < WINDOW; x++) {
      const p = a[atA + y * SIDE + x]!;
      const q = b[atB + y * SIDE + x]!;
      sumA += p;
      sumB += q;
      squareA += p * p;
      squareB += q * q;
      product += p * q;
    }
  const [meanA, meanB] = [sumA / count, sumB / count];
  const varianceA = squareA / count - meanA ** 2;
  const varianceB = squareB / count - meanB ** 2;
  const covariance = product / count - meanA * meanB;
  return (
    ((2 * meanA * meanB + C1) * (2 * covariance + C2)) /
    ((meanA ** 2 + meanB ** 2 + C1) * (varianceA + varianceB + C2))
  );
}
