/** The account of a curation: every record is kept or has exactly one row that says why not, by what evidence and which cut. */
import type { ImageId } from '../core/ids.ts';
import type { ImageRow, LedgerRow } from '../images/image-row.ts';
import { byText } from './keep-best.ts';

/** In the order in which they look at a record; the first that rejects it has the row. */
export const CURATE_STEPS = [
  'repeats',
  'lists',
  'licences',
  'filters',
  'embeddings',
  'decontaminate',
  'deduplicate',
  'retrieve',
  'sample',
  'balance',
] as const;
export type CurateStep = (typeof CURATE_STEPS)[number];

/** Every reason with the step that gives it, in the order of the steps. */
export const STEP_OF_REASON = {
  /** Another record of the same bytes was kept. */
  'repeated-image': 'repeats',
  /** There is a list of what to include, and it is not on it. */
  'not-included': 'lists',
  excluded: 'lists',
  'licence-not-allowed': 'licences',
  'too-small': 'filters',
  'too-large': 'filters',
  'odd-aspect': 'filters',
  'uniform-colour': 'filters',
  'too-dark': 'filters',
  'too-light': 'filters',
  'low-entropy': 'filters',
  blurred: 'filters',
  /** A level that the policy compares has no usable embedding of it, so nothing can be said. */
  'no-embedding': 'embeddings',
  /** Evidence against an evaluation image. */
  'matches-evaluation': 'decontaminate',
  /** Decodes to the pixels of an image that was kept. */
  'exact-duplicate': 'deduplicate',
  /** Near an image that was kept. */
  'near-duplicate': 'deduplicate',
  /** Near an image that was kept, by what a teacher says of both. */
  'semantic-duplicate': 'deduplicate',
  /** Nothing in the seed set is near it. */
  'unlike-seeds': 'retrieve',
  /** Near the seed set, in a cluster that had given its share already. */
  'over-retrieved-share': 'retrieve',
  /** Its cluster had its share already. */
  'over-cluster-share': 'sample',
  /** Its class has no weight in the mix. */
  'outside-mix': 'balance',
  /** Its class had its share already. */
  'over-class-share': 'balance',
} as const satisfies Readonly<Record<string, CurateStep>>;

export type CurateReason = keyof typeof STEP_OF_REASON;
export const CURATE_REASONS = Object.keys(STEP_OF_REASON) as CurateReason[];

export interface CurateLedgerRow extends LedgerRow {
  readonly stage: 'curate';
  readonly step: CurateStep;
  readonly reason: CurateReason;
  readonly source: string;
  readonly label: string | null;
  readonly licence: string;
  /** What was measured, where it is one number: a distance, a cosine, a size. */
  readonly value: number | null;
  /** The cut that it was held against: `phash distance <= 4`. */
  readonly threshold: string | null;
  /** The image that speaks against it. */
  readonly other: ImageId | null;
  /** Set of that image, where it is another one. */
  readonly otherSet: string | null;
}

export interface Rejection {
  readonly reason: CurateReason;
  readonly detail: string;
  readonly value?: number;
  readonly threshold?: string;
  readonly other?: ImageId;
  readonly otherSet?: string;
}

export function rejection(row: ImageRow, why: Rejection): CurateLedgerRow {
  return {
    imageId: row.id,
    uri: row.uri,
    stage: 'curate',
    step: STEP_OF_REASON[why.reason],
    reason: why.reason,
    detail: why.detail,
    source: row.source,
    label: row.label,
    licence: row.licence,
    value: why.value ?? null,
    threshold: why.threshold ?? null,
    other: why.other ?? null,
    otherSet: why.otherSet ?? null,
  };
}

/** What each step hands to the next: every record it was given is in one of the two lists. */
export interface StepResult {
  readonly kept: readonly ImageRow[];
  readonly rejected: readonly CurateLedgerRow[];
}

export interface StepCounts {
  readonly step: CurateStep;
  readonly seen: number;
  readonly kept: number;
  readonly removed: number;
}

export interface CurateCounts {
  readonly seen: number;
  readonly kept: number;
  /** Every step, also one that removed nothing; each sees what the one before it kept. */
  readonly steps: readonly StepCounts[];
  /** Reasons that occurred, in the order of the steps. */
  readonly rejected: Readonly<Partial<Record<CurateReason, number>>>;
}

/**
 * Counts of a finished curation.
 * @throws Error (a defect) when seen is not kept plus rejected.
 */
export function countsOf(seen: number, kept: number, ledger: readonly CurateLedgerRow[]): CurateCounts {
  if (seen !== kept + ledger.length) {
    throw new Error(`internal: ${seen} seen, but ${kept} kept and ${ledger.length} rejected`);
  }
  let left = seen;
  const steps = CURATE_STEPS.map((step): StepCounts => {
    const removed = ledger.filter((row) => row.step === step).length;
    const before = left;
    left -= removed;
    return { step, seen: before, kept: left, removed };
  });
  const rejected: Partial<Record<CurateReason, number>> = {};
  for (const reason of CURATE_REASONS) {
    const count = ledger.filter((row) => row.reason === reason).length;
    if (count > 0) rejected[reason] = count;
  }
  return { seen, kept, steps, rejected };
}

/** By reason in the order of the steps, then image, then uri, then detail. */
export function sortedLedger(ledger: readonly CurateLedgerRow[]): CurateLedgerRow[] {
  const place = new Map(CURATE_REASONS.map((reason, i) => [reason, i]));
  return [...ledger].sort(
    (x, y) =>
      place.get(x.reason)! - place.get(y.reason)! ||
      byText(x.imageId ?? '', y.imageId ?? '') ||
      byText(x.uri, y.uri) ||
      byText(x.detail, y.detail),
  );
}
