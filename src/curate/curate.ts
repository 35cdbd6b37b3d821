/**
 * Curation of one set: one record per image, only what lists, licences and filters let pass, nothing that matches an evaluation set,
 * one image per group of duplicates, then the chosen share; and a ledger of everything else.
 *
 * Evaluation comes before duplicates: when the best of a group leaks, the next best that does not can still stay. Evidence may
 * change with the set itself (cosines of centred features; lists of neighbours that were cut short), so it is looked for again
 * until a search finds nothing: what a last audit of the result would find is found here. The result does not depend on the order
 * of the inputs, and curating it again rejects nothing.
 */
import type { DuplicateGroup } from '../audit/duplicate-groups.ts';
import type { EvidencePair, Threshold } from '../audit/evidence.ts';
import type { ImageId } from '../core/ids.ts';
import type { ImageRow } from '../images/image-row.ts';
import { checkMix } from './balance.ts';
import {
  type LicencePolicy,
  type ListEntry,
  type ListedImage,
  chooseLicensed,
  chooseListed,
} from './choose-listed.ts';
import { decontaminate } from './decontaminate.ts';
import { type FilterPolicy, filterImages } from './filter-images.ts';
import type { ImageMeasures } from './image-measures.ts';
import { type KeepOrder, byText, keepLargest } from './keep-best.ts';
import {
  type CurateCounts,
  type CurateLedgerRow,
  type StepResult,
  countsOf,
  rejection,
  sortedLedger,
} from './ledger.ts';
import { removeNearDuplicates } from './remove-near-duplicates.ts';
import { removeRepeats } from './remove-repeats.ts';
import { type FeatureAccess, type SelectPolicy, type SelectedImage, selectImages } from './select-images.ts';
import type { EvaluationEvidence } from './thresholds.ts';

export interface CuratePolicy extends SelectPolicy {
  readonly include: readonly ListEntry[];
  readonly exclude: readonly ListEntry[];
  /** Null: any. */
  readonly licences: LicencePolicy | null;
  readonly filters: FilterPolicy;
  /** Evidence against an evaluation image at one of these drops the train image. */
  readonly decontaminate: readonly Threshold[];
  /** Evidence between train images at one of these makes them duplicates. */
  readonly deduplicate: readonly Threshold[];
}

/** What a search found about some images of the set. */
export interface FoundEvidence {
  /** Pairs of type within-train; others are passed over. */
  readonly within: readonly EvidencePair[];
  readonly evaluations: readonly EvaluationEvidence[];
  /** Images that a level could not compare, with that level. */
  readonly unusable: ReadonlyMap<ImageId, string>;
}

export interface CurateInput extends FeatureAccess {
  /** The train side. */
  readonly rows: readonly ImageRow[];
  readonly policy: CuratePolicy;
  /** Images that an earlier curation removed ({@link chooseListed}). */
  readonly removedBefore?: readonly ListedImage[];
  /** Measures the images that are left, where a filter needs it. */
  readonly measure: (rows: readonly ImageRow[]) => Promise<ReadonlyMap<ImageId, ImageMeasures>>;
  /** Evidence about exactly these images, ascending by id. Must be a function of them. */
  readonly findEvidence: (rows: readonly ImageRow[]) => Promise<FoundEvidence>;
  /** Default {@link keepLargest}. */
  readonly keep?: KeepOrder;
}

export interface Curation {
  /** Ascending by id. */
  readonly kept: readonly SelectedImage[];
  /** By reason, image, uri. */
  readonly ledger: readonly CurateLedgerRow[];
  readonly counts: CurateCounts;
  readonly groups: readonly DuplicateGroup[];
  readonly labelConflicts: number;
  /** Searches for evidence, the last of which found nothing. */
  readonly searches: number;
}

export async function curate(input: CurateInput): Promise<Curation> {
  const { policy } = input;
  const ledger: CurateLedgerRow[] = [];
  const after = ({ kept, rejected }: StepResult): ImageRow[] => {
    ledger.push(...rejected);
    return byId(kept);
  };
  checkMix(policy.balance, [...input.rows, ...(input.removedBefore ?? [])]);
  const single = after(removeRepeats(input.rows, input.keep ?? keepLargest));
  const listed = after(chooseListed({ ...input, ...policy, rows: single }));
  const licensed = policy.licences === null ? listed : after(chooseLicensed(listed, policy.licences));
  const measures = await input.measure(licensed);
  let pool = after(filterImages({ rows: licensed, policy: policy.filters, measures }));

  const groups: DuplicateGroup[] = [];
  let labelConflicts = 0;
  let searches = 0;
  const separate = async (rows: readonly ImageRow[]): Promise<StepResult> => {
    searches += 1;
    const step = separateOnce(rows, await input.findEvidence(rows), input);
    groups.push(...step.groups);
    labelConflicts += step.labelConflicts;
    return step;
  };
  for (;;) {
    const step = await separate(pool);
    pool = after(step);
    if (step.rejected.length > 0) continue;
    const selected = await selectImages(pool, policy, input);
    // a smaller set may show what the larger hid; where nothing was taken away it was just searched
    const last = selected.rejected.length === 0 ? null : await separate(selected.kept.map(({ row }) => row));
    if (last !== null && last.rejected.length > 0) {
      const gone = new Set(last.rejected.map(({ imageId }) => imageId));
      ledger.push(...last.rejected);
      pool = pool.filter(({ id }) => !gone.has(id));
      continue;
    }
    ledger.push(...selected.rejected);
    return {
      kept: selected.kept,
      ledger: sortedLedger(ledger),
      counts: countsOf(input.rows.length, selected.kept.length, ledger),
      groups,
      labelConflicts,
      searches,
    };
  }
}

function separateOnce(
  rows: readonly ImageRow[],
  found: FoundEvidence,
  { policy, keep = keepLargest }: CurateInput,
) {
  const compared = removeUnusable(rows, found.unusable);
  const clean = decontaminate({
    rows: compared.kept,
    evaluations: found.evaluations,
    thresholds: policy.decontaminate,
  });
  const distinct = removeNearDuplicates({
    rows: clean.kept,
    evidence: found.within,
    thresholds: policy.deduplicate,
    keep,
  });
  return {
    ...distinct,
    rejected: [...compared.rejected, ...clean.rejected, ...distinct.rejected],
  };
}

/** "Could not be compared" is never "is clean". */
function removeUnusable(rows: readonly ImageRow[], unusable: ReadonlyMap<ImageId, string>): StepResult {
  return {
    kept: rows.filter(({ id }) => !unusable.has(id)),
    rejected: rows
      .filter(({ id }) => unusable.has(id))
      .map((row) =>
        rejection(row, {
          reason: 'no-embedding',
          detail: `${unusable.get(row.id)!} has no usable embedding of it: missing, all zero, or not finite`,
          threshold: unusable.get(row.id)!,
        }),
      ),
  };
}

function byId(rows: readonly ImageRow[]): ImageRow[] {
  return [...rows].sort((x, y) => byText(x.id, y.id));
}
