/** What summary.json holds, key by key; published as manifests/schema/summary.schema.json. Shares lie in [0, 1]. */
import { z } from 'zod';
import { BOUNDS } from '../audit/overlap.ts';
import { DISTANCE_METRICS } from '../audit/distance/compare-samples.ts';

/** Names the form of the document. Its last part is raised when a key changes its meaning or goes. */
export const SUMMARY_SCHEMA = 'urn:stillhouse:summary:1';

const share = z.number().min(0).max(1);
const count = z.int().min(0);
const interval = z.object({ low: z.number(), high: z.number() });
const valued = interval.extend({ value: z.number() });

const overlap = z.strictObject({
  images: count.describe(
    'Images that were compared, of the side that the rate speaks of: the second one of the pair type.',
  ),
  matched: count.describe('Of these, images with at least one match.'),
  pairs: count,
  rate: share.nullable().describe('matched / images; null without images.'),
  low: share.describe('Clopper-Pearson, 95 %.'),
  high: share.describe('As if every open image matched.'),
  uncompared: count.describe('Images of that side that the level could not compare, in no rate.'),
  bounded: z
    .enum(BOUNDS)
    .describe(
      'What is a lower bound, since not every pair was listed: nothing, `pairs`, or `matched` as well (images).',
    ),
  open: count.describe('Images without a match so far that have pairs nobody looked at.'),
  degenerate: z
    .strictObject({ images: count, pairs: count })
    .describe('Images too flat to compare, in no rate, and the pairs that they are in.'),
});

const distance = z.strictObject({
  value: z.number(),
  trainNull: z.number().nullable().describe('The same metric between two halves of the training set.'),
  anchor: z.number().nullable().describe('The same metric to something unrelated.'),
  relative: share.nullable().describe('0 like the training set to itself, 1 like the anchor.'),
  pValue: share.nullable(),
});

const detection = z.record(
  z.string(),
  z.strictObject({
    threshold: z.number().nullable(),
    precision: share.nullable(),
    recall: share.nullable(),
    f1: share.nullable(),
  }),
);

const audit = z.strictObject({
  levels: z
    .record(z.string(), z.record(z.string(), overlap))
    .describe('By level of evidence, then by pair type.'),
  degenerate: count,
  hashLists: z
    .record(
      z.string(),
      z.record(
        z.string(),
        z.strictObject({
          radius: count.describe('Largest distance that was asked for.'),
          listedTo: z
            .int()
            .min(-1)
            .describe('All pairs up to here are listed; beyond, the nearest of each image.'),
          hubs: count.describe('Images with more pairs than one may list.'),
          open: count.describe('Images with pairs that are not listed.'),
        }),
      ),
    )
    .describe('How far pairs were listed, by hash level, then by pair type.'),
  labelConflicts: count.describe('Pairs of verified copies whose labels differ.'),
  canaries: z.strictObject({ planted: count, found: count }),
  nulls: z
    .record(z.string(), z.record(z.enum(['train-train', 'eval-eval']), share.nullable()))
    .describe('By level: the rate of each side against itself, on samples as large as the evaluation side.'),
  distances: z
    .record(
      z.string(),
      z.strictObject({
        images: count.describe('Images a side in each sample.'),
        leftOut: z.record(z.string(), z.string()).describe('Metrics that could not be measured, and why.'),
        ...Object.fromEntries(DISTANCE_METRICS.map((metric) => [metric, distance.optional()])),
      }),
    )
    .describe('By embedding level.'),
  twins: detection.optional(),
  variants: detection.optional(),
});

const verdict = z.enum(['pass', 'violated', 'invalid']);
const gate = z.strictObject({
  verdict: verdict.describe('invalid: at least one rule could not be measured, which is no pass.'),
  rules: z.array(
    z.strictObject({
      rule: z.string(),
      verdict,
      measured: z.number().nullable(),
      limit: z.number().nullable(),
      detail: z.string(),
    }),
  ),
  waived: z.record(z.string(), count).describe('Matching pairs that a waiver lets pass, by pair type.'),
  offending: count.describe('Pairs that break a rule.'),
});

const mean = z.strictObject({ items: count, value: z.number().nullable() });
const impact = z.strictObject({
  cut: z.number().describe('Correlation of pixels from which an item counts as overlap.'),
  models: z.array(
    z.strictObject({
      model: z.string(),
      all: mean,
      clean: mean,
      overlap: mean,
      inflation: z.strictObject({ value: z.number(), interval }).nullable().describe('All minus clean.'),
      binomialP: share.nullable(),
      bonferroniP: share.nullable(),
      overlapInterval: interval.nullable(),
      matched: z.strictObject({ difference: z.number(), items: count, pValue: share }).nullable(),
      leftOut: z.array(z.string()),
    }),
  ),
  ranks: z.array(z.strictObject({ model: z.string(), rankAll: z.int(), rankClean: z.int() })),
});

const calibration = z.strictObject({
  queries: count,
  distractors: count,
  minPrecision: share,
  assumedRate: share,
  levels: z.array(
    z.strictObject({
      level: z.string(),
      chosen: z.number().nullable().describe('The cut; null where none is precise enough.'),
      validation: z
        .strictObject({
          threshold: z.number(),
          planted: count,
          found: count,
          recall: valued,
          comparisons: count,
          falseMatches: count,
          perMillion: valued,
          precision: share,
          precisionLow: share,
        })
        .nullable()
        .describe('The cut on the half of the queries that did not choose it.'),
      alterations: z.array(
        z.strictObject({ alteration: z.string(), planted: count, found: count, recall: valued }),
      ),
      reason: z.string().nullable(),
    }),
  ),
});

const measures = z.looseObject({ teachers: z.record(z.string(), z.number().nullable()) });
const work = z.strictObject({ written: count, reused: count });

export const summarySchema = z.strictObject({
  $schema: z.literal(SUMMARY_SCHEMA),
  run: z.string(),
  seed: z.int(),
  images: z.record(z.string(), count).describe('By split, and `curated`.'),
  stages: z.array(
    z.strictObject({
      id: z.string(),
      stage: z.string(),
      seen: count,
      kept: count,
      rejected: z.record(z.string(), count).describe('By reason. seen = kept + all of these.'),
      seconds: z.number().min(0),
      reused: z.boolean(),
    }),
  ),
  seconds: z.record(z.string(), z.number().min(0)).describe('By stage id, and `total`.'),
  targets: work
    .extend({ perTeacher: z.record(z.string(), z.record(z.string(), work)) })
    .optional()
    .describe('Targets of teachers; perTeacher is by name, then by input size in pixels.'),
  audit: audit.optional(),
  calibration: calibration.optional(),
  impact: impact.optional(),
  gate: gate.optional(),
  curate: z.looseObject({ seen: count, kept: count, rejected: z.record(z.string(), count) }).optional(),
  statistics: z.looseObject({}).optional(),
  loss: z.record(z.string(), z.looseObject({ start: z.number(), end: z.number() })).optional(),
  knn: measures.optional(),
  twin: measures.optional(),
  fidelity: z.record(z.string(), z.number()).optional().describe('By teacher: that of its worst head.'),
  fidelityHeads: z.record(z.string(), z.number()).optional(),
});
export type Summary = z.infer<typeof summarySchema>;
