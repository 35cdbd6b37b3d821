/** Decodes every image once for its pixel digest and perceptual hashes. */
import pLimit from 'p-limit';
import {
  type DihedralHash,
  type PerceptualHash,
  dihedralHashesOf,
  perceptualHashOf,
} from '../audit/perceptual-hash.ts';
import { pixelDigestOf } from '../audit/pixel-digest.ts';
import type { Digest, ImageId } from '../core/ids.ts';
import { DECODER } from '../images/decode.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { RgbImage } from '../images/rgb-image.ts';

export interface ImageHashes {
  readonly id: ImageId;
  readonly hash: PerceptualHash;
  readonly variants: readonly DihedralHash[];
  readonly pixelDigest: Digest;
}

export interface HashOptions {
  readonly rows: readonly ImageRow[];
  readonly decode: (row: ImageRow) => Promise<RgbImage>;
  readonly workers: number;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number) => void;
}

export async function hashImages(options: HashOptions): Promise<Map<ImageId, ImageHashes>> {
  let done = 0;
  const hashed = await pLimit(options.workers).map(options.rows, async (row): Promise<ImageHashes> => {
    options.signal.throwIfAborted();
    const image = await options.decode(row);
    options.onProgress(++done);
    return {
      id: row.id,
      hash: perceptualHashOf(image),
      variants: dihedralHashesOf(image),
      pixelDigest: pixelDigestOf(image, DECODER),
    };
  });
  return new Map(hashed.map((entry) => [entry.id, entry]));
}
