/**
 * A teacher as data (design.md §2): where its weights come from, how pixels must reach it, and which tensors are its summary and
 * its spatial map. Adding a teacher means adding one of these files; no code knows a teacher by name.
 */
import { z } from 'zod';
import { readCheckedYaml } from '../format/checked-yaml.ts';
import { KERNELS } from '../images/resample-weights.ts';

const sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, '64 lower-case hex digits')
  .nullable()
  .describe('sha256 of the file; null = pinned on first use.');

const uri = z
  .string()
  .regex(
    /^(npm:(@[^/]+\/)?[^/]+\/.+|file:.+|https:\/\/.+|hf:[^/@]+\/[^/@]+@[^/]+\/.+)$/,
    'npm:<package>/<path>, file:<path>, https://... or hf:<owner>/<repo>@<revision>/<path>',
  )
  .describe(
    'npm:<package>/<path>, file:<path> relative to this file, https://..., hf:<owner>/<repo>@<revision>/<path>',
  );

const weightsSchema = z.strictObject({
  uri,
  sha256,
  files: z
    .array(z.strictObject({ uri, sha256 }))
    .default([])
    .describe('Files that the first one names: ONNX external data, TFJS weight shards.'),
});

const licenceSchema = z.strictObject({
  spdx: z.string().min(1).describe('SPDX identifier of the weights, or LicenseRef-<name>.'),
  url: z.url().optional(),
  note: z.string().optional(),
});

const triple = z.tuple([z.number(), z.number(), z.number()]);

const sizesSchema = z.union([
  z.array(z.int().min(1)).min(1).describe('The sides it can take; one for a fixed size.'),
  z
    .strictObject({ multipleOf: z.int().min(1), min: z.int().min(1), max: z.int().min(1) })
    .refine((range) => range.min % range.multipleOf === 0 && range.max % range.multipleOf === 0, {
      message: 'min and max must be multiples of multipleOf',
    })
    .refine((range) => range.min <= range.max, { message: 'min must not exceed max' })
    .describe('Any side in a range.'),
]);

const kernel = z
  .enum(KERNELS)
  .describe("Pillow's NEAREST, BOX, BILINEAR, HAMMING, BICUBIC and LANCZOS, bit for bit.");
const rounding = z.enum(['down', 'half-up']);

const resizeSchema = z.discriminatedUnion('rule', [
  z.strictObject({ rule: z.literal('squash').describe('Stretched, whatever its shape.'), kernel }),
  z
    .strictObject({
      rule: z.literal('shortest-side-crop').describe('Shortest side to a length, then the middle square.'),
      kernel,
      shortestSidePx: z
        .int()
        .min(1)
        .optional()
        .describe(
          'What the shortest side becomes when the input is cropPx; at other sizes in proportion. Default: the input side.',
        ),
      cropPx: z.int().min(1).optional().describe('The input side that shortestSidePx goes with.'),
      rounding: rounding.default('down').describe('Of the longer side, to whole pixels.'),
    })
    .refine((rule) => (rule.shortestSidePx === undefined) === (rule.cropPx === undefined), {
      message: 'shortestSidePx and cropPx go together',
    })
    .refine((rule) => (rule.shortestSidePx ?? 0) >= (rule.cropPx ?? 0), {
      message: 'shortestSidePx must not be below cropPx',
      path: ['shortestSidePx'],
    }),
  z.strictObject({
    rule: z.literal('longest-side-pad').describe('Longest side to the input, padded at the right or below.'),
    kernel,
    rounding: rounding.default('half-up').describe('Of the shorter side, to whole pixels.'),
    pad: triple
      .default([0, 0, 0])
      .describe('What the network sees where there is no image, per channel, after normalisation.'),
  }),
]);

const inputSchema = z.strictObject({
  name: z.string().min(1),
  layout: z.enum(['NCHW', 'NHWC']),
  batch: z
    .enum(['any', 'one', 'none'])
    .default('any')
    .describe('`one`: the batch axis must be 1. `none`: there is no batch axis, one image per call.'),
  colour: z.enum(['RGB', 'BGR']),
  sizesPx: sizesSchema.describe('Side of the square input.'),
  scale: z
    .number()
    .gt(0)
    .default(1 / 255)
    .describe('What a byte is multiplied by first.'),
  mean: triple.describe('Per channel, in the order of `colour`, after scaling.'),
  std: z
    .tuple([z.number().gt(0), z.number().gt(0), z.number().gt(0)])
    .describe('Per channel: the network sees (byte * scale - mean) / std.'),
  resize: resizeSchema.describe(
    'How an image that is not square was brought to the input when the teacher was trained.',
  ),
});

const layout = z.enum(['NCHW', 'NHWC', 'tokens']).describe('tokens: [batch, tokens, channels], row by row.');
const prefixTokens = z.int().min(0).default(0).describe('Tokens before the first patch: CLS and registers.');

const channels = z
  .int()
  .min(1)
  .optional()
  .describe(
    'Width of the tap: tells the cost before the weights are here, and is checked against the model.',
  );

const summarySchema = z.discriminatedUnion('from', [
  z.strictObject({
    tensor: z.string().min(1),
    from: z.literal('vector').describe('[batch, channels]'),
    channels,
  }),
  z.strictObject({
    tensor: z.string().min(1),
    from: z.literal('cls').describe('Token 0 of [batch, tokens, channels].'),
    channels,
  }),
  z.strictObject({
    tensor: z.string().min(1),
    from: z.literal('mean-pool').describe('Mean over the positions of a map.'),
    layout,
    prefixTokens,
    channels,
  }),
]);

const spatialSchema = z
  .strictObject({
    tensor: z.string().min(1),
    layout,
    prefixTokens,
    channels,
    stridePx: z.int().min(1).optional().describe('Input pixels per cell of a convolutional map.'),
    patchPx: z.int().min(1).optional().describe('Patch side of a vision transformer.'),
  })
  .refine((tap) => (tap.stridePx === undefined) !== (tap.patchPx === undefined), {
    message: 'exactly one of stridePx and patchPx',
  })
  .refine((tap) => tap.layout === 'tokens' || tap.prefixTokens === 0, {
    message: 'prefixTokens needs layout: tokens',
    path: ['prefixTokens'],
  });

const weight = z.number().min(0);

export const teacherManifestSchema = z
  .strictObject({
    version: z.literal(1),
    name: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/, 'lower-case letters, digits, dots and dashes'),
    engine: z.enum(['onnx', 'tfjs']),
    weights: weightsSchema,
    licence: licenceSchema,
    source: z.string().min(1).describe('Who trained it, on what, and the paper.'),
    input: inputSchema,
    summary: summarySchema.nullable().describe('One vector per view; null for a teacher that has none.'),
    spatial: spatialSchema.nullable().describe('One map per view; null for a teacher that has none.'),
    lossWeights: z
      .strictObject({ summary: weight, spatial: weight })
      .describe('Weights of its losses in the student; 0 for a target that it lacks.'),
    note: z.string().optional().describe('What is not verified, or what a user must know.'),
  })
  .refine((teacher) => teacher.summary !== null || teacher.spatial !== null, {
    message: 'a teacher needs a summary or a spatial tap',
    path: ['spatial'],
  })
  .refine((teacher) => teacher.summary !== null || teacher.lossWeights.summary === 0, {
    message: 'must be 0 for a teacher without a summary',
    path: ['lossWeights', 'summary'],
  })
  .refine((teacher) => teacher.spatial !== null || teacher.lossWeights.spatial === 0, {
    message: 'must be 0 for a teacher without a spatial map',
    path: ['lossWeights', 'spatial'],
  });

export type TeacherManifest = z.infer<typeof teacherManifestSchema>;
export type ResizeRule = TeacherManifest['input']['resize'];
export type SummaryTap = NonNullable<TeacherManifest['summary']>;
export type SpatialTap = NonNullable<TeacherManifest['spatial']>;

/** @throws StillhouseError `bad-input` naming every finding with its JSON pointer, line and nearest key. */
export function readTeacherManifest(path: string): Promise<TeacherManifest> {
  return readCheckedYaml(path, { schema: teacherManifestSchema, noun: 'teacher manifest' });
}
