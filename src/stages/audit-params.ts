/** Parameters of the `audit` stage. */
import { z } from 'zod';
import type { EvidenceLevel, Threshold } from '../audit/evidence.ts';
import { DEFAULT_DISTANCE_OPTIONS } from '../audit/distance/domain-distance.ts';
import { DEFAULT_PAIR_BUDGET } from '../audit/hash-pairs.ts';
import { embeddingSetSchema } from './embedding-files.ts';

export const auditParams = z.strictObject({
  /** Ids of the index stages of the sides. */
  train: z.string(),
  eval: z.string(),
  /** A third set that must not overlap with either. */
  val: z.string().optional(),
  /** Id of a cache stage that holds the teachers' summaries of full views; without it and embeddingFiles there are no such levels. */
  embeddings: z.string().optional(),
  /** Teachers of that cache stage (`name` or `name@px`) that were trained to recognise copies. */
  copy: z.array(z.string()).default([]),
  /** Embeddings computed elsewhere; paths start at the pipeline file. */
  embeddingFiles: z.array(embeddingSetSchema).default([]),
  /** Largest Hamming distance at which a pair is listed. */
  phashRadius: z.int().min(0).max(32).default(10),
  dhashRadius: z.int().min(0).max(32).default(10),
  /**
   * Most pairs of a hash level that are listed, and laid over each other, between two sides. Where more lie within the radius, the list
   * ends at a smaller distance, and beyond it holds the nearest of each image only: whether an image matches by hash is still known,
   * how many pairs there are is not, and verified copies are a lower bound (`hashLists`, `bounded`).
   */
  pairBudget: z.int().min(0).default(DEFAULT_PAIR_BUDGET),
  /** Lowest cosine at which a pair is listed, and how many neighbours of an image at most. */
  cosineFloor: z.number().min(-1).max(1).default(0.6),
  maxNeighbours: z.int().min(1).default(16),
  /** Lowest correlation at which a verified pair is listed. */
  nccFloor: z.number().min(-1).max(1).default(0.8),
  /**
   * Of the listed pairs, those that count as a match in rates: hashes within 4 bits (audit-and-curation.md §2.2), cosines of centred
   * features from 0.85, pixels that correlate from 0.95. Pairs beyond are listed so that another cut needs no new search. Cuts
   * belong to a model and a dataset: `calibrate` finds those of yours.
   */
  match: z
    .strictObject({
      phash: z.int().min(0).max(32).default(4),
      dhash: z.int().min(0).max(32).default(4),
      cosine: z.number().min(-1).max(1).default(0.85),
      copy: z.number().min(-1).max(1).default(0.75),
      ncc: z.number().min(-1).max(1).default(0.95),
      ssim: z.number().min(-1).max(1).default(0.75),
    })
    .prefault({}),
  /** Evaluation images that are planted, altered, among the training images and must be found; 0 for none. */
  canaries: z.int().min(0).max(1000).default(16),
  /** The domain distances; `items: 0` leaves them out. */
  distances: z
    .strictObject({
      items: z.int().min(0).default(DEFAULT_DISTANCE_OPTIONS.items),
      seeds: z.int().min(1).max(100).default(DEFAULT_DISTANCE_OPTIONS.seeds),
      permutations: z.int().min(0).max(100_000).default(DEFAULT_DISTANCE_OPTIONS.permutations),
      bootstrap: z.int().min(0).max(100_000).default(DEFAULT_DISTANCE_OPTIONS.bootstrap),
      components: z.int().min(1).max(512).default(DEFAULT_DISTANCE_OPTIONS.components),
    })
    .prefault({}),
  /**
   * Where the truth is in the manifests: `twins` pairs images of the two sides with equal `name`; `variants` pairs images of the
   * train side with equal `group`.
   */
  truth: z
    .strictObject({ twins: z.literal('name').optional(), variants: z.literal('group').optional() })
    .default({}),
});
export type AuditParams = z.infer<typeof auditParams>;

/** The cuts at which listed pairs count as a match. */
export function thresholdsOf(levels: readonly EvidenceLevel[], match: AuditParams['match']): Threshold[] {
  return levels.map((level): Threshold => {
    if (level === 'byte' || level === 'pixel') return { level };
    if (level === 'verified') return { level, minNcc: match.ncc, minSsim: match.ssim };
    if (level === 'phash' || level === 'dhash') return { level, maxDistance: match[level] };
    return { level, minCosine: level.startsWith('copy:') ? match.copy : match.cosine };
  });
}
