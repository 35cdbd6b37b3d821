/**
 * Student pixels from image files, each image decoded and cropped by the sample's own view. Rendered views are kept up to a stated
 * number of bytes, oldest use first out, so small datasets are decoded once and large ones stay within memory.
 */
import pLimit from 'p-limit';
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

export interface PreparedPixels extends SamplePixels {
  /** Images decoded so far. */
  readonly counts: { decodes: number };
  /** Renders samples ahead of use, each image decoded once for all its views, until the memory is full. */
  prepare(samples: readonly Sample[], options: PrepareOptions): Promise<void>;
}

export interface PrepareOptions {
  /** Images decoded at once. */
  readonly workers: number;
  readonly signal: AbortSignal;
}

export function samplePixels(options: SamplePixelsOptions): PreparedPixels {
  const { sidePx, memoryBytes } = options;
  const kept = new Map<string, Promise<Uint8Array>>();
  const area = sidePx * sidePx;
  const room = Math.max(1, Math.floor(memoryBytes / (area * 3)));
  const counts = { decodes: 0 };

  const keyOf = (sample: Sample): string => rowKeyOf({ image: sample.image.id, view: viewIdOf(sample.view) });

  const decode = (image: ImageRow): Promise<RgbImage> => {
    counts.decodes += 1;
    return options.decode(image);
  };

  /** Keeps the promise, so that a view that is being rendered is not rendered twice; a failure is forgotten. */
  const keep = (key: string, made: Promise<Uint8Array>): Promise<Uint8Array> => {
    const guarded = made.catch((error: unknown) => {
      kept.delete(key);
      throw error;
    });
    kept.set(key, guarded);
    if (kept.size > room) kept.delete(kept.keys().next().value!);
    return guarded;
  };

  const rendered = (sample: Sample): Promise<Uint8Array> => {
    const key = keyOf(sample);
    const held = kept.get(key);
    if (held) {
      kept.delete(key);
      kept.set(key, held);
      return held;
    }
    return keep(
      key,
      decode(sample.image).then((image) => options.render(image, sample.view, sidePx)),
    );
  };

  const prepare = async (samples: readonly Sample[], { workers, signal }: PrepareOptions): Promise<void> => {
    const byImage = new Map<ImageRow, Sample[]>();
    for (const sample of samples.slice(0, room)) {
      const views = byImage.get(sample.image);
      if (views) views.push(sample);
      else byImage.set(sample.image, [sample]);
    }
    await pLimit(workers).map(byImage, async ([image, views]) => {
      signal.throwIfAborted();
      const missing = views.filter((sample) => !kept.has(keyOf(sample)));
      if (missing.length === 0) return;
      const pixels = await decode(image);
      await Promise.all(
        missing.map((sample) => keep(keyOf(sample), options.render(pixels, sample.view, sidePx))),
      );
    });
  };

  return {
    values: area * 3,
    counts,
    prepare,
    renderInto: async (sample, out, offset) => {
      const pixels = await rendered(sample);
      for (let channel = 0; channel < 3; channel++)
        for (let i = 0; i < area; i++) out[offset + channel * area + i] = pixels[i * 3 + channel]! / 255;
    },
  };
}
