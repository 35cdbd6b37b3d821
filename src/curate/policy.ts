/** What a curation may keep: the fields of `curate.yaml`, and of the `curate` stage in a pipeline file. */
import { z } from 'zod';
import { licenceSchema, listEntrySchema } from './choose-listed.ts';
import { filterSchema } from './filter-images.ts';
import { CAUTIOUS, thresholdSchema } from './thresholds.ts';

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
  balance: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('none') }),
      z.strictObject({ kind: z.literal('cap'), perClass: z.int().min(1) }),
      z.strictObject({ kind: z.literal('equal-share'), total: z.int().min(1) }),
    ])
    .default({ kind: 'none' }),
});
export type CuratePolicyFields = z.infer<typeof curatePolicySchema>;

export const curatePolicyFileSchema = curatePolicySchema.extend({ version: z.literal(1) });
