/** The account of a curation: every record is kept or has exactly one row that says why not. */
import type { ImageRow, LedgerRow } from '../images/image-row.ts';
import { byText } from './keep-best.ts';

/** In the order in which the steps look at a record; the first that rejects it is the reason. */
export const CURATE_REASONS = [
  /** Another record of the same bytes was kept. */
  'repeated-image',
  /** Evidence against an evaluation image. */
  'matches-evaluation',
  /** Decodes to the pixels of an image that was kept. */
  'exact-duplicate',
  /** Near an image that was kept. */
  'near-duplicate',
  /** Its class had its share already. */
  'over-class-share',
] as const;

export type CurateReason = (typeof CURATE_REASONS)[number];

export interface CurateLedgerRow extends LedgerRow {
  readonly stage: 'curate';
  readonly reason: CurateReason;
}

export function rejection(row: ImageRow, reason: CurateReason, detail: string): CurateLedgerRow {
  return { imageId: row.id, uri: row.uri, stage: 'curate', reason, detail };
}

/** What each step hands to the next: every record it was given is in one of the two lists. */
export interface StepResult {
  readonly kept: readonly ImageRow[];
  readonly rejected: readonly CurateLedgerRow[];
}

export interface CurateCounts {
  readonly seen: number;
  readonly kept: number;
  /** Every reason is named, also with 0. */
  readonly rejected: Readonly<Record<CurateReason, number>>;
}

/**
 * Counts of a finished curation.
 * @throws Error (a defect) when seen is not kept plus rejected.
 */
export function countsOf(seen: number, kept: number, ledger: readonly CurateLedgerRow[]): CurateCounts {
  if (seen !== kept + ledger.length) {
    throw new Error(`internal: ${seen} seen, but ${kept} kept and ${ledger.length} rejected`);
  }
  const of = (reason: CurateReason): number => ledger.filter((row) => row.reason === reason).length;
  return {
    seen,
    kept,
    rejected: {
      'repeated-image': of('repeated-image'),
      'matches-evaluation': of('matches-evaluation'),
      'exact-duplicate': of('exact-duplicate'),
      'near-duplicate': of('near-duplicate'),
      'over-class-share': of('over-class-share'),
    },
  };
}

/** By reason in the order of the steps, then image, then uri, then detail. */
export function sortedLedger(ledger: readonly CurateLedgerRow[]): CurateLedgerRow[] {
  return [...ledger].sort(
    (x, y) =>
      CURATE_REASONS.indexOf(x.reason) - CURATE_REASONS.indexOf(y.reason) ||
      byText(x.imageId ?? '', y.imageId ?? '') ||
      byText(x.uri, y.uri) ||
      byText(x.detail, y.detail),
  );
}
