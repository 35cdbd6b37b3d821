/**
 * What speaks for two images being the same, near the same, or of one scene (audit-and-curation.md §5.2). Each level stands
 * alone: a cosine of one teacher says nothing about a cosine of another.
 */
import type { ImageId } from '../core/ids.ts';
import type { Dihedral } from './dihedral.ts';

export type TeacherLevel = `teacher:${string}`;
/** An embedding trained to recognise edited copies (SSCD, ISC): its cosines are not centred and speak for copies. */
export type CopyLevel = `copy:${string}`;
export type EmbeddingLevel = TeacherLevel | CopyLevel;
export type ExactLevel = 'byte' | 'pixel';
export type HashLevel = 'phash' | 'dhash';
export type EvidenceLevel = ExactLevel | HashLevel | 'verified' | EmbeddingLevel;

export const SIDES = ['train', 'val', 'eval'] as const;
export type Side = (typeof SIDES)[number];

/** Kept apart everywhere: a leak is train-eval; duplicates within one side are another matter. */
export const PAIR_TYPES = [
  'train-eval',
  'train-val',
  'val-eval',
  'within-train',
  'within-val',
  'within-eval',
] as const;
export type PairType = (typeof PAIR_TYPES)[number];
export type WithinType = Extract<PairType, `within-${string}`>;

/** The sides of end `a` and end `b`. Rates of a type speak of the side of `b`. */
export const SIDES_OF: Readonly<Record<PairType, readonly [a: Side, b: Side]>> = {
  'train-eval': ['train', 'eval'],
  'train-val': ['train', 'val'],
  'val-eval': ['val', 'eval'],
  'within-train': ['train', 'train'],
  'within-val': ['val', 'val'],
  'within-eval': ['eval', 'eval'],
};

export function isWithin(type: PairType): type is WithinType {
  return SIDES_OF[type][0] === SIDES_OF[type][1];
}

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

/** The pixels themselves, laid over each other (audit/pixel-verification.ts). */
export interface VerifiedEvidence {
  readonly level: 'verified';
  /** Normalised cross-correlation at the best alignment, -1..1. */
  readonly ncc: number;
  /** Structural similarity at the same alignment, -1..1. */
  readonly ssim: number;
  readonly transform: Dihedral;
}

export interface TeacherEvidence {
  readonly level: EmbeddingLevel;
  readonly cosine: number;
  /** Place of the match among all neighbours of the side that asked, from 1; the better place when both sides did. */
  readonly rank: number;
}

export type Evidence = ExactEvidence | HashEvidence | VerifiedEvidence | TeacherEvidence;

/**
 * Across two sides: `a` is the image of the side named first; equal to `b` at level byte, since an id is the digest of the bytes.
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
  | { readonly level: 'verified'; readonly minNcc: number; readonly minSsim: number }
  | { readonly level: EmbeddingLevel; readonly minCosine: number };

/** Whether the evidence reaches the threshold of its level; evidence of a level without a threshold never does. */
export function meets(evidence: Evidence, thresholds: readonly Threshold[]): boolean {
  return thresholds.some((threshold) => {
    if (threshold.level !== evidence.level) return false;
    if ('maxDistance' in threshold)
      return 'distance' in evidence && evidence.distance <= threshold.maxDistance;
    if ('minNcc' in threshold)
      return 'ncc' in evidence && evidence.ncc >= threshold.minNcc && evidence.ssim >= threshold.minSsim;
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
  if ('ncc' in evidence) {
    const turned = evidence.transform === 'identity' ? '' : ` (${evidence.transform})`;
    return `pixels verified, correlation ${evidence.ncc.toFixed(3)}, SSIM ${evidence.ssim.toFixed(3)}${turned}`;
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

/** Exact before verified before hash before copy before teacher; then by level name, then by how close, then by wording, so that order is total. */
export function compareEvidence(x: Evidence, y: Evidence): number {
  const byKind = kindOf(x) - kindOf(y);
  if (byKind !== 0) return byKind;
  if (x.level !== y.level) return x.level < y.level ? -1 : 1;
  const byCloseness =
    'distance' in x && 'distance' in y
      ? x.distance - y.distance
      : 'cosine' in x && 'cosine' in y
        ? y.cosine - x.cosine
        : 'ncc' in x && 'ncc' in y
          ? y.ncc - x.ncc || y.ssim - x.ssim
          : 0;
  if (byCloseness !== 0) return byCloseness;
  const [left, right] = [describeEvidence(x), describeEvidence(y)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function kindOf(evidence: Evidence): number {
  if (evidence.level === 'byte') return 0;
  if (evidence.level === 'pixel') return 1;
  if (evidence.level === 'verified') return 2;
  if ('distance' in evidence) return 3;
  return evidence.level.startsWith('copy:') ? 4 : 5;
}
