/** What a curation promises, said once more: no pair that its policy forbids is left. */
import { type EvidencePair, meets } from '../../src/audit/evidence.ts';
import type { CuratePolicy, FoundEvidence } from '../../src/curate/curate.ts';
import type { ImageRow } from '../../src/images/image-row.ts';

/** Pairs that the policy forbids and that are still there: between two kept images, or of a kept one with evaluation. */
export function remainingPairs(
  kept: readonly ImageRow[],
  { within, evaluations }: Pick<FoundEvidence, 'within' | 'evaluations'>,
  policy: Pick<CuratePolicy, 'decontaminate' | 'deduplicate'>,
): EvidencePair[] {
  const ids = new Set(kept.map(({ id }) => id));
  const leaks = evaluations
    .flatMap(({ pairs }) => pairs)
    .filter(
      ({ type, a, evidence }) => type === 'train-eval' && ids.has(a) && meets(evidence, policy.decontaminate),
    );
  const duplicates = within.filter(
    ({ type, a, b, evidence }) =>
      type === 'within-train' && a !== b && ids.has(a) && ids.has(b) && meets(evidence, policy.deduplicate),
  );
  return [...leaks, ...duplicates];
}
