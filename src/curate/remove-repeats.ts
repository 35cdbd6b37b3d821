/** One record per image: an id is the digest of the bytes, so records that share it are one image listed several times. */
import type { ImageId } from '../core/ids.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { KeepOrder } from './keep-best.ts';
import { type CurateLedgerRow, type StepResult, rejection } from './ledger.ts';

/** Kept records in the order of `keep`. */
export function removeRepeats(rows: readonly ImageRow[], keep: KeepOrder): StepResult {
  const first = new Map<ImageId, ImageRow>();
  const rejected: CurateLedgerRow[] = [];
  for (const row of [...rows].sort(keep.compare)) {
    const best = first.get(row.id);
    if (best === undefined) first.set(row.id, row);
    else
      rejected.push(
        rejection(row, { reason: 'repeated-image', detail: `same bytes as ${best.uri}`, other: row.id }),
      );
  }
  return { kept: [...first.values()], rejected };
}
