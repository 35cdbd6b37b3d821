/** One view of a decoded image at one size: crop, resize, mirror. One decode serves every view and resolution. */
import { DECODER } from './decode.ts';
import { type SourceBox, resample } from './resample.ts';
import type { Kernel } from './resample-weights.ts';
import type { RgbImage } from './rgb-image.ts';
import type { View } from './view.ts';

export interface ViewSize {
  readonly heightPx: number;
  readonly widthPx: number;
  /** Default `cubic`. */
  readonly kernel?: Kernel;
}

/** What decides the bytes of {@link renderView} besides image, view and size: part of the space of cached pixels. */
export const RENDER_DESCRIPTION = {
  version: 1,
  decoder: `${DECODER.name} ${DECODER.version}`,
  layout: 'CHW',
  colour: 'RGB',
  resize: { rule: 'squash', kernel: 'cubic' },
} as const;

/**
 * A view's box in pixels of the image, its edges not rounded: the resampler reads fractions of pixels, so a view of another size
 * shows exactly the same place.
 */
export function sourceBoxOf(view: View, image: Pick<RgbImage, 'widthPx' | 'heightPx'>): SourceBox {
  const [left, top, width, height] = view.box;
  const [fromX, toX] = edges(left, width, image.widthPx);
  const [fromY, toY] = edges(top, height, image.heightPx);
  return { left: fromX, top: fromY, right: toX, bottom: toY };
}

/** Boxes are whole millionths, so an edge on a pixel border is exactly a whole number. */
function edges(start: number, length: number, sidePx: number): [from: number, to: number] {
  const from = Math.round(start * 1e6);
  const to = Math.min(1e6, from + Math.round(length * 1e6));
  return [(from * sidePx) / 1e6, (to * sidePx) / 1e6];
}

/**
 * Pure and synchronous.
 * @returns [heightPx, widthPx, 3] uint8, row by row. Aspect ratio is not kept: the view's box is stretched to the size.
 */
export function renderView(image: RgbImage, view: View, size: ViewSize): Uint8Array {
  const { widthPx, heightPx, kernel = 'cubic' } = size;
  const out = new Uint8Array(widthPx * heightPx * 3);
  resample(
    image,
    {
      box: sourceBoxOf(view, image),
      widthPx,
      heightPx,
      kernel,
      mirror: view.flip,
      region: { left: 0, top: 0, widthPx, heightPx },
    },
    out,
  );
  return out;
}
