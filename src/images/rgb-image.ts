/** Decoded pixels as the rooms after the decoder see them, and the two grey operations that hashes are built on. */

/** 8-bit sRGB pixels; alpha already flattened, EXIF orientation already applied. */
export interface RgbImage {
  readonly widthPx: number;
  readonly heightPx: number;
  /** Height x width x 3, row by row, values 0..255; length `widthPx * heightPx * 3`. */
  readonly data: Uint8Array;
}

/** Luma of ITU-R BT.601 (0.299 R + 0.587 G + 0.114 B), [height * width] float32 in 0..255. */
export function greyOf(image: RgbImage): Float32Array {
  const { data } = image;
  const grey = new Float32Array(image.widthPx * image.heightPx);
  for (let i = 0, at = 0; i < grey.length; i++, at += 3) {
    // whole thousandths first: greys of equal colour are equal however they are summed later
    grey[i] = (299 * data[at]! + 587 * data[at + 1]! + 114 * data[at + 2]!) / 1000;
  }
  return grey;
}

/** The grey picture of an image, in its own size. */
export function greyPlaneOf(image: RgbImage): GreyPlane {
  return { widthPx: image.widthPx, heightPx: image.heightPx, data: greyOf(image) };
}

export interface GreyPlane {
  readonly widthPx: number;
  readonly heightPx: number;
  /** [heightPx * widthPx], row by row. */
  readonly data: Float32Array | Float64Array;
}

/**
 * Resizes by exact area averaging: each output pixel is the mean of the source rectangle that it covers, with fractional
 * borders. Needs no kernel, so it depends on no library version. Enlarging repeats pixels, blended at their borders.
 */
export function resizeGrey(plane: GreyPlane, widthPx: number, heightPx: number): Float64Array {
  if (plane.widthPx === widthPx && plane.heightPx === heightPx) return new Float64Array(plane.data);
  const narrow = new Float64Array(widthPx * plane.heightPx);
  const across = spansOf(plane.widthPx, widthPx);
  for (let y = 0; y < plane.heightPx; y++) {
    for (let x = 0; x < widthPx; x++) {
      narrow[y * widthPx + x] = meanOver(plane.data, across[x]!, y * plane.widthPx, 1);
    }
  }
  const out = new Float64Array(widthPx * heightPx);
  const down = spansOf(plane.heightPx, heightPx);
  for (let y = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++) out[y * widthPx + x] = meanOver(narrow, down[y]!, x, widthPx);
  }
  return out;
}

interface Span {
  readonly first: number;
  /** Covered share of each source pixel from `first` on; they sum to one. */
  readonly weights: readonly number[];
}

function spansOf(from: number, to: number): Span[] {
  return Array.from({ length: to }, (_, i) => {
    // in units of 1/to of a source pixel, so that borders are whole numbers and mirrored spans are equal
    const low = i * from;
    const high = low + from;
    const first = Math.floor(low / to);
    const last = Math.ceil(high / to);
    const weights: number[] = [];
    for (let p = first; p < last; p++) {
      weights.push((Math.min(high, (p + 1) * to) - Math.max(low, p * to)) / from);
    }
    return { first, weights };
  });
}

function meanOver(data: Float32Array | Float64Array, span: Span, offset: number, stride: number): number {
  let sum = 0;
  for (let i = 0; i < span.weights.length; i++) {
    sum += span.weights[i]! * data[offset + (span.first + i) * stride]!;
  }
  return sum;
}
