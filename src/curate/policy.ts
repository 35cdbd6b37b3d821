/** What a curation may keep: the fields of `curate.yaml`, and of the `curate` stage in a pipeline file. */
import { z } from 'zod';
import { licenceSchema, listEntrySchema } from './choose-listed.ts';
import type { CuratePolicy } from './curate.ts';
import { filterSchema } from './filter-images.ts';
import type { SplitParts } from './split-groups.ts';
import { CAUTIOUS, thresholdSchema } from './thresholds.ts';

const by = z.enum(['class', 'source', 'licence']).default('class');
const level = z.string().regex(/^(teacher|copy):./, 'teacher:<name>@<px> or copy:<name>@<px>');
const cosine = z.number().min(-1).max(1);
const partName = z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'lower-case letters, digits and dashes');

const retrieveSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('neighbours'),
    level,
    perSeed: z.int().min(1).default(4),
    minCosine: cosine.default(-1),
  }),
  z.strictObject({
    kind: z.literal('clusters'),
    level,
    clusters: z.int().min(1),
    minSeeds: z.int().min(1).default(4),
    perCluster: z.int().min(1).default(10_000),
    minCosine: cosine.default(-1),
  }),
]);

const sampleSchema = z.strictObject({
  level,
  total: z.int().min(1),
  levels: z
    .array(
      z.strictObject({
        clusters: z.int().min(1),
        resamples: z.int().min(0).max(1000).default(10),
        perCluster: z.int().min(1).default(5),
      }),
    )
    .min(1)
    .describe('The finest first.')
    .refine((levels) => levels.every(({ clusters }, i) => i === 0 || clusters < levels[i - 1]!.clusters), {
      message: 'each level needs fewer clusters than the one before it',
    }),
  pick: z.enum(['random', 'closest']).default('random'),
});

const balanceSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  z.strictObject({ kind: z.literal('cap'), by, perClass: z.int().min(1) }),
  z.strictObject({ kind: z.literal('equal-share'), by, total: z.int().min(1) }),
  z.strictObject({
    kind: z.literal('weights'),
    by,
    weights: z.record(z.string(), z.number().min(0)),
    total: z.int().min(1).optional(),
    short: z.enum(['cap', 'repeat', 'error']).default('cap'),
  }),
]);

const splitSchema = z
  .strictObject({
    shares: z.record(partName, z.number().min(0)).optional(),
    sizes: z.record(partName, z.int().min(0)).optional(),
    rest: partName.optional(),
    /** Images joined by such evidence, or by a group of the manifest, stay in one part. Default: the cuts of `deduplicate`. */
    keepTogether: z.array(thresholdSchema).optional(),
    byClass: z.boolean().default(true),
  })
  .refine(
    ({ shares, sizes, rest }) => (shares === undefined) !== (sizes === undefined && rest === undefined),
    {
      message: 'a split needs either shares, or sizes (and rest)',
    },
  );

export const curatePolicySchema = z.strictObject({
  /** Only images that match an entry stay; an empty list includes all. */
  include: z.array(listEntrySchema).default([]),
  exclude: z.array(listEntrySchema).default([]),
  licences: licenceSchema.optional(),
  filters: filterSchema.prefault({}),
  /** Evidence against an evaluation image at one of these drops the training image. */
  decontaminate: z.array(thresholdSchema).default([...CAUTIOUS]),
  /** Evidence between training images at one of these makes them duplicates; the best of a group stays. */
  deduplicate: z.array(thresholdSchema).default([...CAUTIOUS]),
  /** Only images like a seed set. */
  retrieve: retrieveSchema.optional(),
  /** Evenly over clusters of what the images show. */
  sample: sampleSchema.optional(),
  balance: balanceSchema.default({ kind: 'none' }),
  split: splitSchema.optional(),
});
export type CuratePolicyFields = z.infer<typeof curatePolicySchema>;

export const curatePolicyFileSchema = curatePolicySchema.extend({ version: z.literal(1) });

export interface SplitPolicy {
  readonly parts: SplitParts;
  readonly keepTogether: CuratePolicy['deduplicate'];
  readonly byClass: boolean;
}

/** The policy as the curation takes it. */
export function curatePolicyOf(fields: CuratePolicyFields, seed: number): CuratePolicy {
  const { include, exclude, filters, decontaminate, deduplicate, balance } = fields;
  return {
    include,
    exclude,
    licences: fields.licences ?? null,
    filters,
    decontaminate,
    deduplicate,
    retrieve: fields.retrieve ?? null,
    sample: fields.sample ?? null,
    balance,
    seed,
  };
}

export function splitPolicyOf({ split, deduplicate }: CuratePolicyFields): SplitPolicy | null {
  if (split === undefined) return null;
  const { shares, sizes, rest } = split;
  return {
    parts:
      shares !== undefined ? { shares } : { sizes: sizes ?? {}, ...(rest === undefined ? {} : { rest }) },
    keepTogether: split.keepTogether ?? deduplicate,
    byClass: split.byClass,
  };
}
