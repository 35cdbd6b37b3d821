/**
 * Bytes of an image file to 8-bit sRGB pixels, always the same way: EXIF orientation applied, ICC profile converted to sRGB,
 * alpha flattened on a stated background, grey, CMYK and 16-bit brought to 3 x 8 bit; of an animation, the first frame.
 */
import sharp from 'sharp';
import { StillhouseError } from '../core/failure.ts';
import type { RgbImage } from './rgb-image.ts';

/** Enters fingerprints: another version of a codec may give other pixels. */
export const DECODER = {
  name: 'sharp',
  version: `${sharp.versions.sharp}+libvips-${sharp.versions.vips}`,
} as const;

/** 100 megapixels: 300 MB as RGB. */
export const MAX_PIXELS = 100_000_000;

export interface DecodeOptions {
  /** Colour under transparent pixels, `#rrggbb`. Default white. */
  readonly background?: string;
  /** Larger images are refused before anything is decoded. Default {@link MAX_PIXELS}. */
  readonly maxPixels?: number;
}

/**
 * Decodes one image. A warning of the codec is an error: a damaged image is never decoded into grey rows.
 * @throws StillhouseError `integrity`: indexed images were proven decodable, so these bytes are not those of the index.
 */
export async function decodeImage(bytes: Uint8Array, options: DecodeOptions = {}): Promise<RgbImage> {
  const { background = '#ffffff', maxPixels = MAX_PIXELS } = options;
  const pipeline = sharp(bytes, { failOn: 'warning', limitInputPixels: maxPixels })
    .autoOrient()
    .flatten({ background })
    .removeAlpha()
    .raw({ depth: 'uchar' });
  const { data, info } = await pipeline.toBuffer({ resolveWithObject: true }).catch((cause: unknown) => {
    throw new StillhouseError(
      {
        kind: 'integrity',
        what: 'an image cannot be decoded',
        where: `${bytes.length} bytes`,
        got: decoderMessage(cause),
        next: 'Index the dataset again.',
      },
      cause,
    );
  });
  if (info.channels !== 3) throw new Error(`internal: the decoder gave ${info.channels} channels`);
  return {
    widthPx: info.width,
    heightPx: info.height,
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}

/** First line of what the decoder said. Anything but an Error is a defect. */
export function decoderMessage(error: unknown): string {
  if (!(error instanceof Error)) throw error;
  return error.message.split('\n')[0]!.trim();
}
