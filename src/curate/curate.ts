/**
 * Curation of one train side as a pure function: one record per image, nothing that matches the evaluation side, one image per
 * group of duplicates, balanced classes; and a ledger of everything else.
 *
 * Evaluation comes before duplicates: when the best of a group leaks, the next best that does not can still stay. The result
 * does not depend on the order of the inputs, and curating it again rejects nothing.
 */
import type { DuplicateGroup } from '../audit/duplicate-groups.ts';
import { type EvidencePair, type Threshold, meets } from '../audit/evidence.ts';
import type { ImageRow } from '../images/image-row.ts';
import { type BalancePolicy, type KeptImage, balance } from './balance.ts';
import { decontaminate } from './decontaminate.ts';
import { type KeepOrder, keepLargest } from './keep-best.ts';
import { type CurateCounts, type CurateLedgerRow, countsOf, sortedLedger } from './ledger.ts';
import { removeNearDuplicates } from './remove-near-duplicates.ts';
import { removeRepeats } from './remove-repeats.ts';

export interface CuratePolicy {
  /** Evidence against an evaluation image at one of these drops the train image. */
  readonly decontaminate: readonly Threshold[];
  /** Evidence between train images at one of these makes them duplicates. */
  readonly deduplicate: readonly Threshold[];
  readonly balance: BalancePolicy;
  readonly seed: number;
}

export interface CurateInput {
  /** The train side. */
  readonly rows: readonly ImageRow[];
  /** Pairs below the thresholds and of other types are passed over. */
  readonly evidence: readonly EvidencePair[];
  readonly policy: CuratePolicy;
  /** Default {@link keepLargest}. */
  readonly keep?: KeepOrder;
}

export interface Curation {
  /** Ascending by id. */
  readonly kept: readonly KeptImage[];
  /** By reason, image, uri. */
  readonly ledger: readonly CurateLedgerRow[];
  readonly counts: CurateCounts;
  readonly groups: readonly DuplicateGroup[];
  readonly labelConflicts: number;
}

/** @throws Error (a defect) when the totals do not balance or a pair that should have been broken up is still whole. */
export function curate({ rows, evidence, policy, keep = keepLargest }: CurateInput): Curation {
  const single = removeRepeats(rows, keep);
  const clean = decontaminate({ rows: single.kept, evidence, thresholds: policy.decontaminate });
  const distinct = removeNearDuplicates({
    rows: clean.kept,
    evidence,
    thresholds: policy.deduplicate,
    keep,
  });
  const balanced = balance({ rows: distinct.kept, policy: policy.balance, seed: policy.seed });
  const ledger = sortedLedger([
    ...single.rejected,
    ...clean.rejected,
    ...distinct.rejected,
    ...balanced.rejected,
  ]);
  const remaining = remainingPairs(balanced.kept, evidence, policy);
  if (remaining.length > 0) throw new Error(`internal: ${remaining.length} pairs remain after curation`);
  return {
    kept: balanced.kept,
    ledger,
    counts: countsOf(rows.length, balanced.kept.length, ledger),
    groups: distinct.groups,
    labelConflicts: distinct.labelConflicts,
  };
}

/** Pairs that the policy forbids and that are still there: between two kept images, or of a kept one with evaluation. */
export function remainingPairs(
  kept: readonly KeptImage[],
  evidence: readonly EvidencePair[],
  policy: CuratePolicy,
): EvidencePair[] {
  const ids = new Set(kept.map(({ row }) => row.id));
  return evidence.filter(({ type, a, b, evidence: one }) => {
    switch (type) {
      case 'train-eval':
        return ids.has(a) && meets(one, policy.decontaminate);
      case 'within-train':
        return a !== b && ids.has(a) && ids.has(b) && meets(one, policy.deduplicate);
      // other sets are not what is curated
      case 'train-val':
      case 'val-eval':
      case 'within-val':
      case 'within-eval':
        return false;
    }
  });
}
