/**
 * What a filter looks at, measured once per image from its decoded pixels: how sharp, how bright, how varied, how uniform. Size and
 * shape are in the manifest already.
 *
 * Sharpness and entropy depend on the scale they are measured at, so everything but the uniform share is measured on the grey picture
 * with its long side at most {@link MEASURE_SIDE_PX}, by area averaging; smaller pictures are measured as they are.
 */
import { type GreyPlane, type RgbImage, greyPlaneOf, resizeGrey } from '../images/rgb-image.ts';

export interface ImageMeasures {
  /** Variance of the 4-neighbour Laplacian, in squared grey levels (0..255); 0 for pictures under 3 px. */
  readonly sharpness: number;
  /** Shannon entropy of the 256 grey levels, in bits, 0..8. */
  readonly entropyBits: number;
  /** 99th percentile of brightness, 0..1: a dark picture has no bright spot. */
  readonly brightest: number;
  /** 5th percentile of brightness, 0..1: an overexposed picture has no dark spot. */
  readonly darkest: number;
  /** Share of pixels in the most common colour, colours counted with 5 bits per channel, 0..1. */
  readonly uniformShare: number;
}

/** Raised whenever the same pixels would measure otherwise. */
export const MEASURES_VERSION = 1;

export const MEASURE_SIDE_PX = 256;

/** @param grey the grey picture of the same image, where it is at hand */
export function measureImage(image: RgbImage, grey: GreyPlane = greyPlaneOf(image)): ImageMeasures {
  const plane = scaled(grey);
  const levels = histogramOf(plane.data);
  return {
    sharpness: laplacianVariance(plane),
    entropyBits: entropyOf(levels, plane.data.length),
    brightest: percentileOf(levels, plane.data.length, 0.99) / 255,
    darkest: percentileOf(levels, plane.data.length, 0.05) / 255,
    uniformShare: uniformShareOf(image),
  };
}

function scaled(grey: GreyPlane): GreyPlane {
  const { widthPx, heightPx } = grey;
  const scale = MEASURE_SIDE_PX / Math.max(widthPx, heightPx);
  if (scale >= 1) return grey;
  const side = (px: number): number => Math.max(1, Math.round(px * scale));
  return {
    widthPx: side(widthPx),
    heightPx: side(heightPx),
    data: resizeGrey(grey, side(widthPx), side(heightPx)),
  };
}

function laplacianVariance({ widthPx, heightPx, data }: GreyPlane): number {
  if (widthPx < 3 || heightPx < 3) return 0;
  let sum = 0;
  let squares = 0;
  for (let y = 1; y < heightPx - 1; y++) {
    for (let x = 1, at = y * widthPx + 1; x < widthPx - 1; x++, at++) {
      const edge = data[at - 1]! + data[at + 1]! + data[at - widthPx]! + data[at + widthPx]! - 4 * data[at]!;
      sum += edge;
      squares += edge * edge;
    }
  }
  const count = (widthPx - 2) * (heightPx - 2);
  return Math.max(0, squares / count - (sum / count) ** 2);
}

function histogramOf(grey: Float32Array | Float64Array): Uint32Array {
  const levels = new Uint32Array(256);
  for (const value of grey) levels[Math.min(255, Math.max(0, Math.round(value)))]! += 1;
  return levels;
}

function entropyOf(levels: Uint32Array, count: number): number {
  let bits = 0;
  for (const n of levels) if (n > 0) bits -= (n / count) * Math.log2(n / count);
  return bits;
}

/** The lowest level that at least `share` of the pixels do not exceed. */
function percentileOf(levels: Uint32Array, count: number, share: number): number {
  let below = 0;
  for (let level = 0; level < 256; level++) {
    below += levels[level]!;
    if (below >= share * count) return level;
  }
  return 255;
}

function uniformShareOf({ data }: RgbImage): number {
  const colours = new Uint32Array(1 << 15);
  let most = 0;
  for (let at = 0; at < data.length; at += 3) {
    const colour = ((data[at]! >> 3) << 10) | ((data[at + 1]! >> 3) << 5) | (data[at + 2]! >> 3);
    most = Math.max(most, ++colours[colour]!);
  }
  return most / (data.length / 3);
}
