/** From the pixels that were asked for to what the loader and its threads are told. */
import { noPictures } from './bad-rows.ts';
import { type PixelInput, pixelBytesOf } from './batch-filler.ts';
import type { BatchOrder } from './batch-order.ts';
import { PictureTable } from './picture-table.ts';
import type { PixelSetup } from './pixel-job.ts';
import { DEFAULT_KEEP_BYTES, type PixelOptions, type PixelSize, pixelSizeOf } from './pixel-options.ts';
import type { LoaderDataset } from './samples.ts';

export interface PreparedPixels {
  readonly input: PixelInput;
  readonly setup: PixelSetup;
  readonly largestBytes: number;
}

/** Null when none are asked for. @throws StillhouseError usage when a dataset does not say where its pictures lie. */
export function pixelInput(
  { pixels, seed }: { readonly pixels?: PixelOptions; readonly seed: number },
  datasets: readonly LoaderDataset[],
  { spec }: BatchOrder,
): PreparedPixels | null {
  if (pixels === undefined) return null;
  for (const { name, keys, pictures } of datasets)
    if (pictures?.samples.length !== keys.length)
      throw noPictures(`dataset ${name}`, `${pictures?.samples.length ?? 0} for ${keys.length} keys`);
  const buckets = [...new Set(spec.sources.flatMap(({ buckets }) => buckets.map(({ key }) => key)))];
  const sizes: PixelSize[] = [];
  const places = new Map<string, PixelSize & { readonly index: number }>();
  for (const bucket of buckets)
    for (const resolution of spec.resolutions.keys()) {
      const size = pixelSizeOf(pixels, bucket, resolution);
      const known = sizes.findIndex((s) => s.heightPx === size.heightPx && s.widthPx === size.widthPx);
      const index = known < 0 ? sizes.push(size) - 1 : known;
      places.set(`${resolution}/${bucket}`, { ...size, index });
    }
  const { as, mean = [0, 0, 0], std = [1, 1, 1], transform = null } = pixels;
  return {
    input: {
      as,
      table: new PictureTable(datasets, { sizes, keepBytes: pixels.keepBytes ?? DEFAULT_KEEP_BYTES, seed }),
      sizeOf: (bucket, resolution) => places.get(`${resolution}/${bucket}`)!,
    },
    setup: { places: datasets.map(({ pictures }) => pictures?.places ?? null), as, mean, std, transform },
    largestBytes: Math.max(...sizes.map((size) => pixelBytesOf(size, as))),
  };
}
