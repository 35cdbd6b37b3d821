/** One view of a decoded image at one size: crop, resize, mirror. One decode serves every view and resolution. */
import sharp from 'sharp';
import type { RgbImage } from './rgb-image.ts';
import type { View } from './view.ts';

/** Resampling kernels, low-pass filtered when shrinking. `cubic` is Catmull-Rom (a = -0.5), as Pillow's bicubic. */
export const KERNELS = ['nearest', 'linear', 'cubic', 'lanczos3'] as const;
export type Kernel = (typeof KERNELS)[number];

export interface ViewSize {
  readonly heightPx: number;
  readonly widthPx: number;
  /** Default `cubic`. */
  readonly kernel?: Kernel;
}

export interface PixelBox {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/**
 * The whole pixels that a view's box covers: its edges are rounded outward, so a box is never smaller than asked and at most
 * one pixel larger on each side; at least 1 x 1 and always inside the image.
 */
export function pixelBoxOf(view: View, image: Pick<RgbImage, 'widthPx' | 'heightPx'>): PixelBox {
  const [left, top, width, height] = view.box;
  const [x, w] = pixelSpan(left, width, image.widthPx);
  const [y, h] = pixelSpan(top, height, image.heightPx);
  return { left: x, top: y, width: w, height: h };
}

/** Boxes are whole millionths, so the products below are exact integers and no edge moves by a rounding error. */
function pixelSpan(start: number, length: number, sidePx: number): [start: number, length: number] {
  const from = Math.round(start * 1e6);
  const to = from + Math.round(length * 1e6);
  const first = Math.min(sidePx - 1, Math.floor((from * sidePx) / 1e6));
  const end = Math.max(first + 1, Math.min(sidePx, Math.ceil((to * sidePx) / 1e6)));
  return [first, end - first];
}

/** @returns [heightPx, widthPx, 3] uint8, row by row. Aspect ratio is not kept: the view's box is stretched to the size. */
export async function renderView(image: RgbImage, view: View, size: ViewSize): Promise<Uint8Array> {
  const raw = { width: image.widthPx, height: image.heightPx, channels: 3 } as const;
  const pipeline = sharp(image.data, { raw, limitInputPixels: false })
    .extract(pixelBoxOf(view, image))
    .resize(size.widthPx, size.heightPx, { fit: 'fill', kernel: size.kernel ?? 'cubic' })
    .flop(view.flip)
    .removeAlpha()
    .raw({ depth: 'uchar' });
  const { data, info } = await pipeline.toBuffer({ resolveWithObject: true });
  if (info.channels !== 3 || info.width !== size.widthPx || info.height !== size.heightPx) {
    throw new Error(`internal: a view came out as ${info.width} x ${info.height} x ${info.channels}`);
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
