/** Columns of what a curation leaves. */
import { join } from 'node:path';
import { imageId } from '../core/ids.ts';
import type { ListedImage } from '../curate/choose-listed.ts';
import { readParquet } from '../format/parquet-table.ts';
import type { UpstreamResult } from '../run/stage.ts';
import { LEDGER_COLUMNS, LEDGER_FILE } from './ledger-table.ts';

/** `value` was held against `threshold`; `other` is the image that speaks against this one, of `otherSet` where that is another set. */
export const CURATE_LEDGER_COLUMNS = {
  ...LEDGER_COLUMNS,
  step: 'string',
  source: 'string',
  value: 'double?',
  threshold: 'string?',
  other: 'string?',
  otherSet: 'string?',
} as const;

export const KEPT_COLUMNS = { imageId: 'string', inclusionProbability: 'double' } as const;

/** What an earlier curation took out of a set: its lists may still name it. */
export async function removedBefore({ stage, folder }: UpstreamResult): Promise<ListedImage[]> {
  if (stage !== 'curate') return [];
  const rows = await readParquet(join(folder, LEDGER_FILE), { columns: CURATE_LEDGER_COLUMNS });
  return rows.flatMap(({ imageId: id, uri, source }) =>
    id === null ? [] : [{ id: imageId(id), uri, source }],
  );
}
