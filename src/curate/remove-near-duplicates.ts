/**
 * Keeps one image of each group of duplicates. The groups are led by the best image (audit/duplicate-groups.ts), so what stays
 * is the best, no two that stay are near each other, and what goes is near the one that stays.
 */
import { type DuplicateGroup, duplicateGroups } from '../audit/duplicate-groups.ts';
import {
  type Evidence,
  type EvidencePair,
  type Threshold,
  compareEvidence,
  describeEvidence,
  isExact,
  meets,
} from '../audit/evidence.ts';
import type { ImageId } from '../core/ids.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { KeepOrder } from './keep-best.ts';
import { type CurateLedgerRow, type CurateReason, type StepResult, rejection } from './ledger.ts';
import { describeThreshold, thresholdMet, valueOf } from './thresholds.ts';

export interface NearDuplicateInput {
  /** One row per image. */
  readonly rows: readonly ImageRow[];
  /** Only within-train pairs between these rows count. */
  readonly evidence: readonly EvidencePair[];
  /** One threshold reached is enough. */
  readonly thresholds: readonly Threshold[];
  readonly keep: KeepOrder;
}

export interface NearDuplicateResult extends StepResult {
  readonly groups: readonly DuplicateGroup[];
  /** Removed images whose label differs from that of the image kept for them: worth a look by a person. */
  readonly labelConflicts: number;
}

export function removeNearDuplicates(input: NearDuplicateInput): NearDuplicateResult {
  const rowOf = new Map(input.rows.map((row) => [row.id, row]));
  const strongest = strongestBetween(input, rowOf);
  const exact: [ImageId, ImageId][] = [];
  const near: [ImageId, ImageId][] = [];
  for (const { a, b, evidence } of strongest.values()) (isExact(evidence) ? exact : near).push([a, b]);
  const groups = duplicateGroups({
    ids: [...rowOf.keys()],
    exact,
    near,
    compare: (a, b) => input.keep.compare(rowOf.get(a)!, rowOf.get(b)!),
  });
  const exactlyEqual = linked(exact);
  const rejected: CurateLedgerRow[] = [];
  const gone = new Set<ImageId>();
  let labelConflicts = 0;
  for (const { leader, members } of groups) {
    const copies = reachable(leader, exactlyEqual);
    for (const id of members.slice(1)) {
      const row = rowOf.get(id)!;
      const evidence = strongest.get(keyOf(leader, id))?.evidence;
      const how = evidence ? describeEvidence(evidence) : 'by way of an exact copy';
      const threshold = evidence && thresholdMet(evidence, input.thresholds);
      const value = evidence && valueOf(evidence);
      const conflict = row.label === rowOf.get(leader)!.label ? '' : '; labels differ';
      if (conflict) labelConflicts++;
      rejected.push(
        rejection(row, {
          reason: copies.has(id) ? 'exact-duplicate' : reasonOf(evidence),
          detail: `${how} with ${leader}, which ranks before it${conflict}`,
          ...(value === undefined ? {} : { value }),
          ...(threshold === undefined ? {} : { threshold: describeThreshold(threshold) }),
          other: leader,
        }),
      );
      gone.add(id);
    }
  }
  return { kept: input.rows.filter((row) => !gone.has(row.id)), rejected, groups, labelConflicts };
}

/** Pixels and hashes speak of copies; a teacher, of what a picture shows (SemDeDup, audit-and-curation.md §2.4). */
function reasonOf(evidence: Evidence | undefined): CurateReason {
  return evidence?.level.startsWith('teacher:') === true ? 'semantic-duplicate' : 'near-duplicate';
}

interface LinkedPair {
  readonly a: ImageId;
  readonly b: ImageId;
  readonly evidence: Evidence;
}

/** For each pair that reaches a threshold, its strongest evidence. */
function strongestBetween(
  { evidence, thresholds }: NearDuplicateInput,
  rows: ReadonlyMap<ImageId, ImageRow>,
): Map<string, LinkedPair> {
  const strongest = new Map<string, LinkedPair>();
  for (const { type, a, b, evidence: one } of evidence) {
    if (type !== 'within-train' || a === b || !rows.has(a) || !rows.has(b) || !meets(one, thresholds))
      continue;
    const known = strongest.get(keyOf(a, b));
    if (!known || compareEvidence(one, known.evidence) < 0)
      strongest.set(keyOf(a, b), { a, b, evidence: one });
  }
  return strongest;
}

function keyOf(a: ImageId, b: ImageId): string {
  return a <= b ? `${a} ${b}` : `${b} ${a}`;
}

function linked(pairs: readonly (readonly [ImageId, ImageId])[]): Map<ImageId, ImageId[]> {
  const others = new Map<ImageId, ImageId[]>();
  const add = (from: ImageId, to: ImageId): void => {
    const known = others.get(from);
    if (known) known.push(to);
    else others.set(from, [to]);
  };
  for (const [a, b] of pairs) {
    add(a, b);
    add(b, a);
  }
  return others;
}

function reachable(from: ImageId, links: ReadonlyMap<ImageId, readonly ImageId[]>): Set<ImageId> {
  const seen = new Set([from]);
  for (const id of seen) for (const other of links.get(id) ?? []) seen.add(other);
  return seen;
}
