/** The cuts of a curation as a policy writes them, and as a ledger names them. */
import { z } from 'zod';
import { type Evidence, type EvidencePair, type Threshold, meets } from '../audit/evidence.ts';

export const thresholdSchema = z.union([
  z.strictObject({ level: z.enum(['byte', 'pixel']) }),
  z.strictObject({ level: z.enum(['phash', 'dhash']), maxDistance: z.int().min(0).max(32) }),
  z.strictObject({
    level: z.literal('verified'),
    minNcc: z.number().min(-1).max(1),
    minSsim: z.number().min(-1).max(1).default(0.75),
  }),
  z.strictObject({
    level: z
      .templateLiteral([z.enum(['teacher:', 'copy:']), z.string()])
      .describe('teacher:<name>@<px> or copy:<name>@<px>'),
    minCosine: z.number().min(-1).max(1),
  }),
]);

/** Radius 4 keeps chance pairs rare at scale (audit-and-curation.md §2.2). */
export const CAUTIOUS: readonly Threshold[] = [
  { level: 'byte' },
  { level: 'pixel' },
  { level: 'phash', maxDistance: 4 },
];

/** `phash distance <= 4`. */
export function describeThreshold(threshold: Threshold): string {
  if ('maxDistance' in threshold) return `${threshold.level} distance <= ${threshold.maxDistance}`;
  if ('minNcc' in threshold)
    return `verified correlation >= ${threshold.minNcc}, SSIM >= ${threshold.minSsim}`;
  if ('minCosine' in threshold) return `${threshold.level} cosine >= ${threshold.minCosine}`;
  return threshold.level === 'byte' ? 'same bytes' : 'same pixels';
}

/** The first cut that the evidence reaches. */
export function thresholdMet(evidence: Evidence, thresholds: readonly Threshold[]): Threshold | undefined {
  return thresholds.find((threshold) => meets(evidence, [threshold]));
}

/** The one number of the evidence. */
export function valueOf(evidence: Evidence): number | undefined {
  if ('distance' in evidence) return evidence.distance;
  if ('ncc' in evidence) return evidence.ncc;
  return 'cosine' in evidence ? evidence.cosine : undefined;
}

/** Evidence of the images of a set against one named evaluation set. */
export interface EvaluationEvidence {
  readonly set: string;
  /** Of type train-eval: `a` is the image that is curated. */
  readonly pairs: readonly EvidencePair[];
}
