/**
 * Are two files the same picture, pixel for pixel? The digest sees through containers, metadata and lossless re-encoding
 * (audit-and-curation.md §2.1, L0b).
 */
import { createHash } from 'node:crypto';
import type { Digest } from '../core/ids.ts';
import type { RgbImage } from '../images/rgb-image.ts';

/** Decoders round differently between versions, so a digest speaks only of one of them. */
export interface DecoderVersion {
  readonly name: string;
  readonly version: string;
}

const CHANNELS = 3;

/** sha256 over decoder name and version, width, height, channel count and pixels. Digests of other versions never match. */
export function pixelDigestOf(image: RgbImage, decoder: DecoderVersion): Digest {
  const key = JSON.stringify([
    'stillhouse.pixels',
    1,
    decoder.name,
    decoder.version,
    image.widthPx,
    image.heightPx,
    CHANNELS,
  ]);
  return createHash('sha256').update(key).update('\n').update(image.data).digest('hex') as Digest;
}
