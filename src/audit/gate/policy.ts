/** What a project allows: the policy file of the gate (audit-and-curation.md §5.8). */
import { z } from 'zod';
import { PAIR_TYPES } from '../evidence.ts';

const share = z.number().min(0).max(1);

/**
 * `point`: the rate as counted. `upper95`: the upper end of its Clopper-Pearson interval. `corrected95`: the upper end after the
 * recall and precision of the calibration are taken into account; needs one.
 */
const bound = z.enum(['point', 'upper95', 'corrected95']).default('point');

const level = z
  .string()
  .min(1)
  .default('verified')
  .describe('a level of the audit: verified, phash, copy:<name>, teacher:<name>');

const pairRule = z
  .strictObject({
    level,
    /** Highest share of images with a match; images, never pairs. */
    maxRate: share.optional(),
    bound,
    /** Highest number of images with a byte or pixel copy. */
    maxExact: z.int().min(0).optional(),
  })
  .refine(({ maxRate, maxExact }) => maxRate !== undefined || maxExact !== undefined, {
    message: 'a rule needs maxRate or maxExact',
  });

export const policySchema = z.strictObject({
  version: z.literal(1),
  /** One rule per pair type. */
  pairs: z.partialRecord(z.enum(PAIR_TYPES), pairRule).default({}),
  /** Every class of the evaluation side with at least `minImages` images. */
  classes: z
    .strictObject({
      level,
      maxRate: share,
      bound: z.enum(['point', 'upper95']).default('point'),
      minImages: z.int().min(1).default(20),
    })
    .optional(),
  /** Of the calibration, on the half of the queries that did not choose the cut. */
  calibration: z
    .strictObject({ level, minRecall: share.optional(), minPrecision: share.optional() })
    .optional(),
  /** Relative domain distance, 0 like the training set to itself, 1 like something unrelated: at least, or at most. */
  distances: z
    .array(
      z.strictObject({
        level: z.string().min(1),
        metric: z.string().min(1),
        maxRelative: share.optional(),
        minRelative: share.optional(),
      }),
    )
    .default([]),
  /** Whether every planted copy must have been found. */
  requireCanaries: z.boolean().default(true),
});
export type GatePolicy = z.infer<typeof policySchema>;
