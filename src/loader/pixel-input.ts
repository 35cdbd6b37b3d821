/** From the pixels that were asked for to what the loader and its threads are told. */
import type { CachedSpace } from '../cache/catalogue.ts';
import { storedRowBytes } from '../cache/codecs/stored-tensor.ts';
import { noPictures } from './bad-rows.ts';
import { type PixelInput, type PlacedSize, pixelBytesOf } from './batch-filler.ts';
import { pixelSpaceFor, pixelsNotThere } from './cached-pixels.ts';
import type { PixelCoding } from './job-protocol.ts';
import type { LoadPlan } from './load-plan.ts';
import { PictureTable } from './picture-table.ts';
import type { PixelSetup } from './pixel-job.ts';
import { DEFAULT_KEEP_BYTES, type PixelOptions, type PixelSize, pixelSizeOf } from './pixel-options.ts';

export interface PreparedPixels {
  readonly input: PixelInput;
  readonly setup: PixelSetup;
  /** Of `spaces`, in that order. */
  readonly codings: readonly PixelCoding[];
  readonly largestBytes: number;
  /** Of the largest picture that goes from the cache through the transform. */
  readonly stagedBytes: number;
}

export interface PixelRequest {
  readonly pixels?: PixelOptions;
  readonly seed: number;
}

/**
 * Null when none are asked for.
 * @param spaces of pixels in the snapshot that may be read, behind those of the targets in the plan's tables
 * @throws StillhouseError usage when a dataset does not say where the pictures lie that have to be decoded; bad-input when all are to
 *   come from the cache, and it lacks some.
 */
export function pixelInput(
  { pixels, seed }: PixelRequest,
  plan: LoadPlan,
  spaces: readonly CachedSpace[],
): PreparedPixels | null {
  if (pixels === undefined) return null;
  const { datasets, order } = plan;
  const { as, mean = [0, 0, 0], std = [1, 1, 1], transform = null, from = 'auto' } = pixels;
  const { sizes, sizeOf } = sizesOf(pixels, plan, spaces);
  const missing = missingPixels(plan, sizeOf);
  for (const [d, { name, keys, pictures }] of datasets.entries()) {
    if (missing[d] === 0) continue;
    if (from === 'cache') throw pixelsNotThere(`dataset ${name}`, missing[d]!, keys.length);
    if (pictures?.samples.length !== keys.length)
      throw noPictures(`dataset ${name}`, `${pictures?.samples.length ?? 0} for ${keys.length} keys`);
  }
  const isStaged = transform !== null;
  const keepBytes = missing.every((count) => count === 0) ? 0 : (pixels.keepBytes ?? DEFAULT_KEEP_BYTES);
  return {
    input: {
      as,
      table: new PictureTable(datasets, { sizes, keepBytes, seed }),
      sizeOf,
      firstSpace: plan.spaces.length,
      isStaged,
      seed,
    },
    setup: { places: datasets.map(({ pictures }) => pictures?.places ?? null), as, mean, std, transform },
    codings: spaces.map(({ descriptor }): PixelCoding => {
      const { sizePx } = descriptor;
      const delivered = isStaged ? 'u8' : as;
      return {
        storedBytes: storedRowBytes(descriptor),
        rowBytes: pixelBytesOf({ heightPx: sizePx, widthPx: sizePx }, delivered),
        sizePx,
        normalise: delivered === 'u8' ? null : { mean, std },
      };
    }),
    largestBytes: Math.max(...sizes.map((size) => pixelBytesOf(size, as))),
    stagedBytes: isStaged
      ? Math.max(
          0,
          ...bucketsOf(order).flatMap((bucket) =>
            [...order.spec.resolutions.keys()].map((resolution) => {
              const size = sizeOf(bucket, resolution);
              return size.space < 0 ? 0 : pixelBytesOf(size, 'u8');
            }),
          ),
        )
      : 0,
  };
}

const bucketsOf = ({ spec }: LoadPlan['order']): string[] => [
  ...new Set(spec.sources.flatMap(({ buckets }) => buckets.map(({ key }) => key))),
];

function sizesOf(
  pixels: PixelOptions,
  { order }: LoadPlan,
  spaces: readonly CachedSpace[],
): { readonly sizes: readonly PixelSize[]; readonly sizeOf: PixelInput['sizeOf'] } {
  const sizes: PixelSize[] = [];
  const places = new Map<string, PlacedSize>();
  for (const bucket of bucketsOf(order))
    for (const resolution of order.spec.resolutions.keys()) {
      const size = pixelSizeOf(pixels, bucket, resolution);
      const known = sizes.findIndex((s) => s.heightPx === size.heightPx && s.widthPx === size.widthPx);
      const index = known < 0 ? sizes.push(size) - 1 : known;
      places.set(`${resolution}/${bucket}`, { ...size, index, space: pixelSpaceFor(spaces, size) });
    }
  return { sizes, sizeOf: (bucket, resolution) => places.get(`${resolution}/${bucket}`)! };
}

/** By dataset: samples that are shown and have to be decoded, at one resolution or another. */
function missingPixels(
  { datasets, tables, usable, order, spaces }: LoadPlan,
  sizeOf: PixelInput['sizeOf'],
): number[] {
  const resolutions = [...order.spec.resolutions.keys()];
  return datasets.map(
    ({ buckets }, d) =>
      usable[d]!.filter((sample) =>
        resolutions.some((resolution) => {
          const { space } = sizeOf(buckets?.[sample] ?? '', resolution);
          return space < 0 || tables[d]!.partOf(spaces.length + space, sample) < 0;
        }),
      ).length,
  );
}
