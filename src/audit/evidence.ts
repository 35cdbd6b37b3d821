/**
 * What speaks for two images being the same, near the same, or of one scene (audit-and-curation.md §5.2). Each level stands
 * alone: a cosine of one teacher says nothing about a cosine of another.
 */
import type { ImageId } from '../core/ids.ts';
import type { Dihedral } from './dihedral.ts';

export type TeacherLevel = `teacher:${string}`;
export type ExactLevel = 'byte' | 'pixel';
export type HashLevel = 'phash' | 'dhash';
export type EvidenceLevel = ExactLevel | HashLevel | TeacherLevel;

/** Kept apart everywhere: a leak is train-eval; duplicates within one side are another matter. */
export const PAIR_TYPES = ['train-eval', 'within-train', 'within-eval'] as const;
export type PairType = (typeof PAIR_TYPES)[number];

export interface ExactEvidence {
  readonly level: ExactLevel;
}

export interface HashEvidence {
  readonly level: HashLevel;
  /** Hamming distance of the 64-bit hashes. */
  readonly distance: number;
  /** Applied to image `b` to come this near; `identity` wins ties. */
  readonly transform: Dihedral;
}

export interface TeacherEvidence {
  readonly level: TeacherLevel;
  readonly cosine: number;
  /** Place of the match among all neighbours of the side that asked, from 1; the better place when both sides did. */
  readonly rank: number;
}

export type Evidence = ExactEvidence | HashEvidence | TeacherEvidence;

/**
 * `train-eval`: `a` is the train image, `b` the evaluation image; equal at level byte, since an id is the digest of the bytes.
 * Within one side: `a < b`, or `a` equal to `b` for an image that is listed more than once.
 */
export interface EvidencePair {
  readonly type: PairType;
  readonly a: ImageId;
  readonly b: ImageId;
  readonly evidence: Evidence;
}

/** A cut for one level. Every published cut belongs to one model and one preprocessing; none is a default here. */
export type Threshold =
  | { readonly level: ExactLevel }
  | { readonly level: HashLevel; readonly maxDistance: number }
  | { readonly level: TeacherLevel; readonly minCosine: number };

/** Whether the evidence reaches the threshold of its level; evidence of a level without a threshold never does. */
export function meets(evidence: Evidence, thresholds: readonly Threshold[]): boolean {
  return thresholds.some((threshold) => {
    if (threshold.level !== evidence.level) return false;
    if ('maxDistance' in threshold)
      return 'distance' in evidence && evidence.distance <= threshold.maxDistance;
    if ('minCosine' in threshold) return 'cosine' in evidence && evidence.cosine >= threshold.minCosine;
    return true;
  });
}

export function isExact(evidence: Evidence): evidence is ExactEvidence {
  return evidence.level === 'byte' || evidence.level === 'pixel';
}

/** One clause for a ledger: `phash distance 3 (mirror)`. */
export function describeEvidence(evidence: Evidence): string {
  if ('distance' in evidence) {
    const turned = evidence.transform === 'identity' ? '' : ` (${evidence.transform})`;
    return `${evidence.level} distance ${evidence.distance}${turned}`;
  }
  if ('cosine' in evidence) {
    return `${evidence.level} cosine ${evidence.cosine.toFixed(4)}, rank ${evidence.rank}`;
  }
  return evidence.level === 'byte' ? 'same bytes' : 'same pixels';
}

/** The ends of a pair within one side in their fixed order. */
export function sortedEnds(x: ImageId, y: ImageId): readonly [a: ImageId, b: ImageId] {
  return x <= y ? [x, y] : [y, x];
}

/** Exact before hash before teacher; then by level name, then by how close, then by wording, so that order is total. */
export function compareEvidence(x: Evidence, y: Evidence): number {
  const byKind = kindOf(x) - kindOf(y);
  if (byKind !== 0) return byKind;
  if (x.level !== y.level) return x.level < y.level ? -1 : 1;
  const byCloseness =
    'distance' in x && 'distance' in y
      ? x.distance - y.distance
      : 'cosine' in x && 'cosine' in y
        ? y.cosine - x.cosine
        : 0;
  if (byCloseness !== 0) return byCloseness;
  const [left, right] = [describeEvidence(x), describeEvidence(y)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function kindOf(evidence: Evidence): number {
  if (evidence.level === 'byte') return 0;
  if (evidence.level === 'pixel') return 1;
  return 'distance' in evidence ? 2 : 3;
}
