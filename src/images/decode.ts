/**
 * Bytes of an image file to 8-bit sRGB pixels, always the same way: EXIF orientation applied, ICC profile converted to sRGB,
 * alpha flattened on a stated background, grey, CMYK and 16-bit brought to 3 x 8 bit; of an animation, the first frame. How far that is
 * from Pillow is in decisions/0014.
 */
import sharp, { type Metadata, type OutputInfo } from 'sharp';
import { StillhouseError } from '../core/failure.ts';
import { mayBeCmyk, rgbOfCmyk } from './cmyk.ts';
import type { RgbImage } from './rgb-image.ts';

/** Raised whenever the rules of this file give other pixels for the same file. */
const RULES_VERSION = 2;

/** Enters fingerprints: another version of a codec may give other pixels. */
export const DECODER = {
  name: 'sharp',
  version: `${sharp.versions.sharp}+libvips-${sharp.versions.vips}+rules-${RULES_VERSION}`,
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
  const { data, info } = await pixelsOf(bytes, { background, maxPixels }).catch((cause: unknown) => {
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
  const { width: widthPx, height: heightPx, channels } = info;
  const values = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (channels === 3) return { widthPx, heightPx, data: values };
  if (channels === 4) return { widthPx, heightPx, data: rgbOfCmyk(values) };
  throw new Error(`internal: the decoder gave ${channels} channels`);
}

/** Three channels of sRGB, or the four of a CMYK image without a profile. */
async function pixelsOf(
  bytes: Uint8Array,
  { background, maxPixels }: Required<DecodeOptions>,
): Promise<{ data: Buffer; info: OutputInfo }> {
  const image = sharp(bytes, { failOn: 'warning', limitInputPixels: maxPixels }).autoOrient();
  const pixels =
    mayBeCmyk(bytes) && isPlainCmyk(await sharp(bytes, { limitInputPixels: maxPixels }).metadata())
      ? image.pipelineColourspace('cmyk').toColourspace('cmyk')
      : image.flatten({ background }).removeAlpha();
  return pixels.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
}

function isPlainCmyk({ space, channels, depth, hasProfile }: Metadata): boolean {
  return space === 'cmyk' && channels === 4 && depth === 'uchar' && !hasProfile;
}

/** First line of what the decoder said. Anything but an Error is a defect. */
export function decoderMessage(error: unknown): string {
  if (!(error instanceof Error)) throw error;
  return error.message.split('\n')[0]!.trim();
}
