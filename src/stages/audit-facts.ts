/** What an audit stage says of itself in its outcome, for those who read it back: gate, summary, report, and the diff of two audits. */
import { z } from 'zod';
import { BOUNDS } from '../audit/overlap.ts';
import { auditParams } from './audit-params.ts';

const count = z.int();
const numberOrNull = z.number().nullable();

const level = z.looseObject({
  level: z.string(),
  type: z.string(),
  images: count,
  matched: count,
  pairs: count,
  rate: numberOrNull,
  low: z.number(),
  high: z.number(),
  degenerateImages: count,
  degeneratePairs: count,
  uncompared: count,
  bounded: z.enum(BOUNDS),
  open: count,
});

const hashList = z.object({
  level: z.string(),
  type: z.string(),
  radius: count,
  listedTo: count,
  hubs: count,
  open: count,
});

const metric = z.object({
  metric: z.string(),
  value: z.number(),
  low: numberOrNull,
  high: numberOrNull,
  pValue: numberOrNull,
  expected: numberOrNull,
  trainNull: numberOrNull,
  evalNull: numberOrNull,
  anchor: numberOrNull,
  relative: numberOrNull,
  warning: z.string().nullable(),
});

export const auditFactsSchema = z.looseObject({
  levels: z.array(level),
  match: auditParams.shape.match,
  degenerate: count,
  pairs: count,
  /** How far pairs of hashes were listed (audit/hash-pairs.ts). */
  hashLists: z.array(hashList),
  /** By level of embeddings, by side: images that could not be compared there. */
  unusable: z.record(z.string(), z.record(z.string(), count)),
  canaries: z.looseObject({ planted: count, found: count, missed: z.array(z.string()) }),
  labelConflicts: count,
  nulls: z.array(z.looseObject({ level: z.string(), side: z.string(), mean: numberOrNull })),
  distances: z.array(
    z.looseObject({
      level: z.string(),
      images: count,
      anchorKind: z.enum(['given', 'shuffled']),
      summary: z.array(metric),
      leftOut: z.array(z.object({ metric: z.string(), reason: z.string() })),
    }),
  ),
  detection: z.array(
    z.looseObject({
      task: z.string(),
      level: z.string(),
      threshold: numberOrNull,
      precision: numberOrNull,
      recall: numberOrNull,
      f1: numberOrNull,
      truePairs: count,
      predictedPairs: count,
    }),
  ),
  curves: z.array(
    z.object({
      task: z.string(),
      level: z.string(),
      thresholds: z.array(z.number()),
      precision: z.array(z.number()),
      recall: z.array(z.number()),
    }),
  ),
  histograms: z.array(
    z.object({
      level: z.string(),
      edges: z.array(z.number()),
      truePairs: z.array(z.number()),
      otherPairs: z.array(z.number()),
    }),
  ),
});
