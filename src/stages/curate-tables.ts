/** Columns of what a curation leaves. */
import { join } from 'node:path';
import { type ImageId, imageId } from '../core/ids.ts';
import type { ListedImage } from '../curate/choose-listed.ts';
import type { SelectedImage } from '../curate/select-images.ts';
import { type RowOf, readParquet } from '../format/parquet-table.ts';
import type { UpstreamResult } from '../run/stage.ts';
import { LEDGER_COLUMNS, LEDGER_FILE } from './ledger-table.ts';

/** `value` was held against `threshold`; `other` is the image that speaks against this one, of `otherSet` where that is another set. */
export const CURATE_LEDGER_COLUMNS = {
  ...LEDGER_COLUMNS,
  step: 'string',
  source: 'string',
  label: 'string?',
  licence: 'string',
  value: 'double?',
  threshold: 'string?',
  other: 'string?',
  otherSet: 'string?',
} as const;

export const KEPT_FILE = 'kept.parquet';
export const CURATION_FILE = 'curation.json';

/** One row per kept image: its chance to be kept, how often to show it, and how it was chosen, where it was. */
export const KEPT_COLUMNS = {
  imageId: 'string',
  inclusionProbability: 'double',
  copies: 'int32',
  split: 'string',
  cluster: 'string?',
  seedImage: 'string?',
  seedCosine: 'double?',
} as const;

export function keptRow(image: SelectedImage, split: string): RowOf<typeof KEPT_COLUMNS> {
  return {
    imageId: image.row.id,
    inclusionProbability: image.inclusionProbability,
    copies: image.copies,
    split,
    cluster: image.clusterPath,
    seedImage: image.seedMatch?.seedImage ?? null,
    seedCosine: image.seedMatch?.cosine ?? null,
  };
}

/** `kept.parquet` of a stage that leaves a curated set or a part of one; null for others. */
export async function readKept({
  outcome,
  folder,
}: UpstreamResult): Promise<RowOf<typeof KEPT_COLUMNS>[] | null> {
  if (!outcome.outputs.some(({ name }) => name === 'kept')) return null;
  return readParquet(join(folder, KEPT_FILE), { columns: KEPT_COLUMNS });
}

/** Images that a curated set shows more than once per pass. */
export async function copiesOf(upstream: UpstreamResult): Promise<ReadonlyMap<string, number>> {
  const kept = (await readKept(upstream)) ?? [];
  return new Map(kept.filter(({ copies }) => copies > 1).map(({ imageId, copies }) => [imageId, copies]));
}

/** What an earlier curation took out of a set: its lists may still name it. */
export async function removedBefore({ stage, folder }: UpstreamResult): Promise<ListedImage[]> {
  if (stage !== 'curate') return [];
  const rows = await readParquet(join(folder, LEDGER_FILE), { columns: CURATE_LEDGER_COLUMNS });
  return listedImages(
    rows.map((row) => ({ ...row, imageId: row.imageId === null ? null : imageId(row.imageId) })),
  );
}

export function listedImages(
  rows: readonly (Omit<ListedImage, 'id'> & { readonly imageId: ImageId | null })[],
): ListedImage[] {
  return rows.flatMap(({ imageId: id, uri, source, label, licence }) =>
    id === null ? [] : [{ id, uri, source, label, licence }],
  );
}
