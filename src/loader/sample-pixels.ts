/**
 * Student pixels from image files, each image decoded and cropped by the sample's own view. Rendered views are kept up to a stated
 * number of bytes, oldest use first out, so small datasets are decoded once and large ones stay within memory.
 */
import type { RgbImage } from '../images/rgb-image.ts';
import type { ImageRow } from '../images/image-row.ts';
import { type View, viewIdOf } from '../images/view.ts';
import { rowKeyOf } from '../cache/row-key.ts';
import type { Sample, SamplePixels } from './batches.ts';

export interface SamplePixelsOptions {
  readonly sidePx: number;
  readonly decode: (image: ImageRow) => Promise<RgbImage>;
  /** HWC uint8 RGB at side x side. */
  readonly render: (image: RgbImage, view: View, sidePx: number) => Promise<Uint8Array>;
  readonly memoryBytes: number;
}

export function samplePixels(
  options: SamplePixelsOptions,
): SamplePixels & { readonly counts: { decodes: number } } {
  const { sidePx, memoryBytes } = options;
  const kept = new Map<string, Promise<Uint8Array>>();
  const area = sidePx * sidePx;
  const room = Math.max(1, Math.floor(memoryBytes / (area * 3)));
  const counts = { decodes: 0 };

  const rendered = (sample: Sample): Promise<Uint8Array> => {
    const key = rowKeyOf({ image: sample.image.id, view: viewIdOf(sample.view) });
    const held = kept.get(key);
    if (held) {
      kept.delete(key);
      kept.set(key, held);
      return held;
    }
    counts.decodes += 1;
    const made = options
      .decode(sample.image)
      .then((image) => options.render(image, sample.view, sidePx))
      .catch((error: unknown) => {
        kept.delete(key);
        throw error;
      });
    kept.set(key, made);
    if (kept.size > room) kept.delete(kept.keys().next().value!);
    return made;
  };

  return {
    values: area * 3,
    counts,
    renderInto: async (sample, out, offset) => {
      const pixels = await rendered(sample);
      for (let channel = 0; channel < 3; channel++)
        for (let i = 0; i < area; i++) out[offset + channel * area + i] = pixels[i * 3 + channel]! / 255;
    },
  };
}
