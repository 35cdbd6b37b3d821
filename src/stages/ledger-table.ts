/** The ledger: one row for every image that was seen and not kept, with its reason. */
import { join } from 'node:path';
import { sha256 } from '../core/digest.ts';
import { writeParquet } from '../format/parquet-table.ts';
import type { LedgerRow } from '../images/image-row.ts';
import type { StageOutput } from '../run/stage.ts';
import { writeAtomic } from '../store/atomic.ts';

export const LEDGER_COLUMNS = {
  imageId: 'string?',
  uri: 'string',
  stage: 'string',
  reason: 'string',
  detail: 'string',
} as const;
export const LEDGER_FILE = 'ledger.parquet';

export async function writeLedger(folder: string, rows: readonly LedgerRow[]): Promise<StageOutput> {
  return writeOutput(folder, {
    name: 'ledger',
    path: LEDGER_FILE,
    bytes: writeParquet(LEDGER_COLUMNS, rows),
  });
}

/** Writes one file of a stage and declares it; its content is its digest. */
export async function writeOutput(
  folder: string,
  file: { readonly name: string; readonly path: string; readonly bytes: Uint8Array },
): Promise<StageOutput> {
  await writeAtomic(join(folder, file.path), file.bytes);
  return {
    name: file.name,
    path: file.path,
    digest: sha256(file.bytes),
    files: [{ path: file.path, sizeBytes: file.bytes.length }],
  };
}

/** Reasons with their counts, sorted, for an outcome. */
export function countReasons(rows: readonly { readonly reason: string }[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { reason } of rows) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
