/** What a cache stage left for later ones: its spaces by label, and the targets of full views as matrices. */
import { z } from 'zod';
import { type CachedSpace, type Catalogue, openCatalogue } from '../cache/catalogue.ts';
import { holdCatalogue } from '../cache/reader-lease.ts';
import { writerNameOf } from '../cache/writer-name.ts';
import { targetShapeOf } from '../cache/codecs/stored-tensor.ts';
import { TargetReader } from '../cache/read.ts';
import { rowKeyOf } from '../cache/row-key.ts';
import { StillhouseError } from '../core/failure.ts';
import { type SpaceId, spaceId } from '../core/ids.ts';
import { rowValuesOf } from '../format/tensor-part.ts';
import type { ImageRow } from '../images/image-row.ts';
import { FULL_VIEW, type ViewFamily, viewIdOf } from '../images/view.ts';
import { upstreamOf } from './dataset-access.ts';
import type { StageContext, UpstreamResult } from '../run/stage.ts';

const viewFamily = z.strictObject({
  count: z.int().min(1),
  area: z.tuple([z.number(), z.number()]),
  aspect: z.tuple([z.number(), z.number()]),
  flip: z.number(),
});

/** The part of a cache stage's facts that other stages read. */
export const cacheFactsSchema = z.looseObject({
  spaces: z.array(
    z.looseObject({
      label: z.string(),
      spaceId: z.string(),
      teacher: z.string(),
      sizePx: z.int(),
      kind: z.enum(['summary', 'spatial', 'pixels']),
      shape: z.array(z.int()),
    }),
  ),
  datasets: z.array(z.looseObject({ from: z.string(), views: viewFamily })),
});

export interface NamedSpace {
  readonly label: string;
  readonly id: SpaceId;
  readonly teacher: string;
  readonly sizePx: number;
  readonly kind: 'summary' | 'spatial';
  readonly shape: readonly number[];
}

/** What teachers said, of a finished cache stage. @throws StillhouseError bad-input when it is a stage of another kind. */
export function cachedSpacesOf(upstream: UpstreamResult): NamedSpace[] {
  upstreamOf(new Map([[upstream.id, upstream]]), upstream.id, ['cache']);
  const facts = cacheFactsSchema.parse(upstream.outcome.facts);
  return facts.spaces.flatMap(({ spaceId: id, kind, ...space }): NamedSpace[] =>
    kind === 'pixels' ? [] : [{ ...space, kind, id: spaceId(id) }],
  );
}

/** How a cache stage drew the views of a dataset. @throws StillhouseError bad-input when it has no targets of that dataset. */
export function viewsIn({ id, outcome }: UpstreamResult, dataset: string): ViewFamily {
  const { datasets } = cacheFactsSchema.parse(outcome.facts);
  const found = datasets.find(({ from }) => from === dataset);
  if (found !== undefined) return found.views;
  throw new StillhouseError({
    kind: 'bad-input',
    what: 'the images have no cached targets',
    where: `stage "${id}"`,
    wanted: `targets of "${dataset}"`,
    got: `targets of ${datasets.map(({ from }) => from).join(', ')}`,
    next: `add { from: ${dataset} } to the datasets of "${id}" in the pipeline file`,
  });
}

/** Where a stage finds the cache, and the time. */
export type CacheAccess = Pick<StageContext, 'cacheRoot' | 'cacheFs' | 'clock'>;

/**
 * Gives `read` the spaces by label, and the catalogue of them alone, which no collector takes away until it is done.
 * @param also spaces that the catalogue has as well where they are there
 * @throws StillhouseError integrity when one is not in the cache.
 */
export async function readSpaces<T>(
  { cacheRoot: root, cacheFs: fs, clock }: CacheAccess,
  spaces: readonly NamedSpace[],
  read: (byLabel: ReadonlyMap<string, CachedSpace>, catalogue: Catalogue) => Promise<T>,
  also: readonly SpaceId[] = [],
): Promise<T> {
  const catalogue = await openCatalogue(root, {
    only: new Set([...spaces.map(({ id }) => id), ...also]),
    fs,
  });
  const lease = await holdCatalogue(catalogue, { clock, fs, writer: writerNameOf('reader', clock) });
  try {
    return await read(spacesByLabel(catalogue, spaces), catalogue);
  } finally {
    await lease.release();
  }
}

function spacesByLabel(
  { root, spaces: cached }: Catalogue,
  spaces: readonly NamedSpace[],
): Map<string, CachedSpace> {
  const byLabel = new Map<string, CachedSpace>();
  for (const { label, id } of spaces) {
    const space = cached.get(id);
    if (space === undefined)
      throw new StillhouseError({
        kind: 'integrity',
        what: 'a space is not in the cache',
        where: `${root}, ${label}`,
        wanted: id,
        got: 'none',
        next: 'run the pipeline again: the cache stage computes what is missing',
      });
    byLabel.set(label, space);
  }
  return byLabel;
}

/** Targets up to this size are kept in memory while they are read; larger caches are read row by row. */
export const RESIDENT_TARGET_BYTES = 2 * 2 ** 30;

/** Full-view targets of some images as one matrix, [n, product of shape]; rows that are absent or failed are zero. */
export async function fullViewMatrix(space: CachedSpace, rows: readonly ImageRow[]): Promise<Float32Array> {
  const width = rowValuesOf(targetShapeOf(space.descriptor));
  const matrix = new Float32Array(rows.length * width);
  const reader = new TargetReader({ residentBytes: RESIDENT_TARGET_BYTES });
  const view = viewIdOf(FULL_VIEW);
  try {
    for (const [i, row] of rows.entries())
      await reader.readInto(
        space,
        rowKeyOf({ image: row.id, view }),
        matrix.subarray(i * width, (i + 1) * width),
      );
  } finally {
    await reader.close();
  }
  return matrix;
}

/** Rows of [n, width] that are all zero: images without a usable target. */
export function zeroRows(data: Float32Array, width: number): number[] {
  const zero: number[] = [];
  for (let start = 0; start < data.length; start += width)
    if (data.subarray(start, start + width).every((value) => value === 0)) zero.push(start / width);
  return zero;
}

/** Spread of rows that are one but for rounding, as share of their energy. */
const ONE_ROW = 1e-10;

/**
 * Subtracts the mean of the usable rows of `reference` from every usable row: cosine of centred features. In place. Where those rows are
 * one, nothing is subtracted: what is left of each would be zero, or the noise of rounding.
 */
export function centre(matrices: readonly Float32Array[], reference: Float32Array, width: number): void {
  const mean = new Float64Array(width);
  let [count, energy] = [0, 0];
  for (let start = 0; start < reference.length; start += width) {
    const row = reference.subarray(start, start + width);
    if (row.every((value) => value === 0)) continue;
    count += 1;
    for (let i = 0; i < width; i++) {
      mean[i]! += row[i]!;
      energy += row[i]! * row[i]!;
    }
  }
  if (count === 0) return;
  const meanEnergy = mean.reduce((sum, value) => sum + (value * value) / count, 0);
  if (energy - meanEnergy <= ONE_ROW * energy) return;
  for (const matrix of matrices)
    for (let start = 0; start < matrix.length; start += width) {
      const row = matrix.subarray(start, start + width);
      if (row.every((value) => value === 0)) continue;
      for (let i = 0; i < width; i++) row[i]! -= mean[i]! / count;
    }
}
