/** Which pixels a batch holds. */
import { StillhouseError } from '../core/failure.ts';

/** `f32`: floats in [0, 1], or normalised. `u8`: bytes. */
export type PixelsAs = 'f32' | 'u8';

export const PIXEL_BYTES = { f32: 4, u8: 1 } as const;

/** By channel: (value in [0, 1] - mean) / std. */
export interface ChannelScale {
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/**
 * `images`: decoded and cropped. `cache`: read from a space of pixels, and from nothing else. `auto`: what the cache has of this very
 * decoder is read, which gives the same bytes; the rest is decoded.
 */
export const PIXEL_SOURCES = ['auto', 'cache', 'images'] as const;
export type PixelSource = (typeof PIXEL_SOURCES)[number];

export interface PixelSize {
  readonly heightPx: number;
  readonly widthPx: number;
}

export interface PixelOptions<As extends PixelsAs = PixelsAs> {
  readonly as: As;
  /**
   * Of the student's input: a side, both, or a function of a batch's bucket (of {@link LoaderDataset.buckets}, '' without) and
   * its resolution. Called once for each when the loader is opened.
   */
  readonly size: number | PixelSize | ((bucket: string, resolution: number) => PixelSize);
  /** Where they come from. Default `auto`. */
  readonly from?: PixelSource;
  /** Of `f32`, by channel: (value in [0, 1] - mean) / std. Default: values stay in [0, 1]. */
  readonly mean?: readonly [number, number, number];
  readonly std?: readonly [number, number, number];
  /**
   * URL of a module whose export `transform` changes a view's bytes in place, in the threads that render: for augmentations that
   * leave the geometry alone, which belongs to the targets. See {@link PixelTransform}.
   */
  readonly transform?: string;
  /** Rendered views that are kept, so that later epochs decode nothing. Default 512 MiB; 0 keeps none. */
  readonly keepBytes?: number;
}

/** Told to a transform, so that what it draws at random depends on nothing but (loader's seed, epoch, sample). */
export interface TransformInfo extends PixelSize {
  /** Image and view, 96 hex digits. */
  readonly key: string;
  readonly epoch: number;
  /** A number in [0, 2^32) of (seed, epoch, key). */
  readonly seed: number;
}

/** @param pixels [heightPx, widthPx, 3] uint8 RGB, changed in place. */
export type PixelTransform = (pixels: Uint8Array, info: TransformInfo) => void | Promise<void>;

export const DEFAULT_KEEP_BYTES = 512 * 2 ** 20;

/** @throws StillhouseError usage when a side is no whole number of pixels. */
export function pixelSizeOf(options: PixelOptions, bucket: string, resolution: number): PixelSize {
  const { size } = options;
  const found =
    typeof size === 'number'
      ? { heightPx: size, widthPx: size }
      : typeof size === 'function'
        ? size(bucket, resolution)
        : size;
  for (const side of [found.heightPx, found.widthPx])
    if (!Number.isInteger(side) || side < 1)
      throw new StillhouseError({
        kind: 'usage',
        what: 'pixels of a batch have no such size',
        where: `pixels.size${bucket === '' ? '' : ` of bucket ${bucket}`}, resolution ${resolution}`,
        wanted: 'whole numbers of pixels, at least 1',
        got: String(side),
        next: 'correct the size',
      });
  return { heightPx: found.heightPx, widthPx: found.widthPx };
}
