/**
 * Do two candidate images show the same pixels, once laid over each other? Settles what a hash only suggests: normalised
 * cross-correlation over small shifts, then structural similarity (Wang et al., IEEE TIP 13, 2004) at the best of them, both on
 * 64 x 64 grey pictures.
 */
import { type GreyPlane, resizeGrey } from '../images/rgb-image.ts';
import { type Dihedral, transformed } from './dihedral.ts';

const SIDE = 64;
/** A re-encoding with a slight crop moves the picture by a pixel or two of 64. */
const MOST_SHIFT = 3;

/** [SIDE * SIDE] grey, 0..255, aspect ratio not kept. 4 kB, so that thousands of candidates fit in memory. */
export type GreyThumb = Uint8Array;

export function greyThumbOf(grey: GreyPlane): GreyThumb {
  const thumb = new Uint8Array(SIDE * SIDE);
  // by index: the mapping of Uint8Array.from costs several times the rounding
  resizeGrey(grey, SIDE, SIDE).forEach((value, i) => (thumb[i] = Math.round(value)));
  return thumb;
}

export interface PixelAgreement {
  /** -1..1; 0 where one of them is flat. */
  readonly ncc: number;
  /** -1..1, mean over 8 x 8 windows. */
  readonly ssim: number;
}

/** @param transform applied to `b` first */
export function verifyPixels(a: GreyThumb, b: GreyThumb, transform: Dihedral = 'identity'): PixelAgreement {
  return pixelsThatAgree(summed(a), summed(turned(b, transform)), -Infinity)!;
}

export function turned(thumb: GreyThumb, transform: Dihedral): GreyThumb {
  if (transform === 'identity') return thumb;
  return Uint8Array.from(
    transformed({ width: SIDE, height: SIDE, data: Float64Array.from(thumb) }, transform).data,
  );
}

/**
 * As {@link verifyPixels}, many times faster for pictures that do not agree.
 * @returns null when the correlation is below the floor at every shift
 */
export function pixelsThatAgree(left: SummedThumb, right: SummedThumb, floor: number): PixelAgreement | null {
  let best = { ncc: -Infinity, dx: 0, dy: 0 };
  for (const { dx, dy } of SHIFTS) {
    const least = Math.max(floor, best.ncc);
    const ncc = correlation(left, right, { dx, dy, least });
    // the nearer shift comes first and wins ties
    if (ncc > best.ncc + 1e-12) best = { ncc, dx, dy };
  }
  if (best.ncc < floor) return null;
  return { ncc: best.ncc, ssim: meanSsim(left.pixels, right.pixels, best.dx, best.dy) };
}

interface Shift {
  readonly dx: number;
  readonly dy: number;
}

/** Nearest first; of equally near ones, the upper, then the left one. */
const SHIFTS: readonly Shift[] = Array.from({ length: (2 * MOST_SHIFT + 1) ** 2 }, (_, i) => ({
  dx: (i % (2 * MOST_SHIFT + 1)) - MOST_SHIFT,
  dy: Math.floor(i / (2 * MOST_SHIFT + 1)) - MOST_SHIFT,
})).sort((a, b) => Math.abs(a.dx) + Math.abs(a.dy) - Math.abs(b.dx) - Math.abs(b.dy));

/** A picture with what makes the sum of any rectangle four look-ups: 38 kB. Whole numbers below 2^31, so every sum is exact. */
export interface SummedThumb {
  readonly pixels: GreyThumb;
  /** [(SIDE + 1)^2]: at (x, y), the sum over all pixels left of and above it. */
  readonly sums: Int32Array;
  readonly squares: Int32Array;
}

const STRIDE = SIDE + 1;

export function summed(pixels: GreyThumb): SummedThumb {
  const [sums, squares] = [new Int32Array(STRIDE * STRIDE), new Int32Array(STRIDE * STRIDE)];
  for (let y = 0; y < SIDE; y++) {
    let [rowSum, rowSquare] = [0, 0];
    for (let x = 0; x < SIDE; x++) {
      const value = pixels[y * SIDE + x]!;
      rowSum += value;
      rowSquare += value * value;
      const at = (y + 1) * STRIDE + x + 1;
      sums[at] = sums[at - STRIDE]! + rowSum;
      squares[at] = squares[at - STRIDE]! + rowSquare;
    }
  }
  return { pixels, sums, squares };
}

type Rectangle = ReturnType<typeof overlapOf>;

/** Sum of a table over a rectangle that is moved by (dx, dy). */
function sumOver(table: Int32Array, { x0, x1, y0, y1 }: Rectangle, dx: number, dy: number): number {
  const [top, bottom] = [(y0 + dy) * STRIDE + dx, (y1 + dy) * STRIDE + dx];
  return table[bottom + x1]! - table[bottom + x0]! - table[top + x1]! + table[top + x0]!;
}

/**
 * Pixel (x, y) of `a` lies over (x + dx, y + dy) of `b`; only the common part counts. -Infinity where it is less than `least`
 * for certain: then no pixel is multiplied.
 */
function correlation(a: SummedThumb, b: SummedThumb, shift: Shift & { readonly least: number }): number {
  const { dx, dy, least } = shift;
  const part = overlapOf(dx, dy);
  const [sumA, squareA] = [sumOver(a.sums, part, 0, 0), sumOver(a.squares, part, 0, 0)];
  const [sumB, squareB] = [sumOver(b.sums, part, dx, dy), sumOver(b.squares, part, dx, dy)];
  const count = (part.x1 - part.x0) * (part.y1 - part.y0);
  const [varianceA, varianceB] = [squareA - sumA ** 2 / count, squareB - sumB ** 2 / count];
  if (varianceA <= 1e-9 || varianceB <= 1e-9) return 0;
  const [mean, scale] = [(sumA * sumB) / count, Math.sqrt(varianceA * varianceB)];
  // with room for rounding: the bound is the product itself where the pictures differ by a factor only
  if ((mostProduct(a, b, part, shift) - mean) / scale < least - 1e-9) return -Infinity;
  return Math.min(1, (productSum(a.pixels, b.pixels, part, shift) - mean) / scale);
}

/** Blocks along a side; a shift by two bits divides by it. */
const BLOCKS = 4;

/**
 * A bound from above for {@link productSum}: in each of 4 x 4 blocks, Cauchy-Schwarz about the means. Millions of calls: no objects.
 */
function mostProduct(a: SummedThumb, b: SummedThumb, part: Rectangle, { dx, dy }: Shift): number {
  const [width, height] = [part.x1 - part.x0, part.y1 - part.y0];
  const move = dy * STRIDE + dx;
  let most = 0;
  for (let j = 0; j < BLOCKS; j++) {
    const y0 = part.y0 + ((height * j) >> 2);
    const y1 = part.y0 + ((height * (j + 1)) >> 2);
    for (let i = 0; i < BLOCKS; i++) {
      const x0 = part.x0 + ((width * i) >> 2);
      const x1 = part.x0 + ((width * (i + 1)) >> 2);
      const count = (x1 - x0) * (y1 - y0);
      const [topLeft, topRight] = [y0 * STRIDE + x0, y0 * STRIDE + x1];
      const [bottomLeft, bottomRight] = [y1 * STRIDE + x0, y1 * STRIDE + x1];
      const sumA = a.sums[bottomRight]! - a.sums[bottomLeft]! - a.sums[topRight]! + a.sums[topLeft]!;
      const sumB =
        b.sums[bottomRight + move]! -
        b.sums[bottomLeft + move]! -
        b.sums[topRight + move]! +
        b.sums[topLeft + move]!;
      const squareA =
        a.squares[bottomRight]! - a.squares[bottomLeft]! - a.squares[topRight]! + a.squares[topLeft]!;
      const squareB =
        b.squares[bottomRight + move]! -
        b.squares[bottomLeft + move]! -
        b.squares[topRight + move]! +
        b.squares[topLeft + move]!;
      const restA = squareA - (sumA * sumA) / count;
      const restB = squareB - (sumB * sumB) / count;
      most += (sumA * sumB) / count + Math.sqrt(Math.max(0, restA * restB));
    }
  }
  return most;
}

/** Sum of a[x, y] * b[x + dx, y + dy] over a rectangle: below 64 * 64 * 255^2 < 2^31, so that 32-bit arithmetic is exact. */
function productSum(a: GreyThumb, b: GreyThumb, { x0, x1, y0, y1 }: Rectangle, { dx, dy }: Shift): number {
  const offset = dy * SIDE + dx;
  let [even, odd] = [0, 0];
  for (let y = y0; y < y1; y++) {
    const end = y * SIDE + x1;
    let i = y * SIDE + x0;
    if ((x1 - x0) % 2 === 1) even = (even + Math.imul(a[i]!, b[i + offset]!)) | 0;
    for (i += (x1 - x0) % 2; i < end; i += 2) {
      even = (even + Math.imul(a[i]!, b[i + offset]!)) | 0;
      odd = (odd + Math.imul(a[i + 1]!, b[i + 1 + offset]!)) | 0;
    }
  }
  return even + odd;
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

function meanSsim(a: GreyThumb, b: GreyThumb, dx: number, dy: number): number {
  const { x0, x1, y0, y1 } = overlapOf(dx, dy);
  let [sum, windows] = [0, 0];
  for (let y = y0; y + WINDOW <= y1; y += WINDOW / 2)
    for (let x = x0; x + WINDOW <= x1; x += WINDOW / 2) {
      sum += ssimAt(a, b, y * SIDE + x, (y + dy) * SIDE + x + dx);
      windows += 1;
    }
  return sum / windows;
}

function ssimAt(a: GreyThumb, b: GreyThumb, atA: number, atB: number): number {
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
