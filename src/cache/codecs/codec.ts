/**
 * A codec: how the values of a target are stored. It is part of a space's identity, chosen per space, and decoded by the reader.
 *
 *     f32   the values as the teacher gave them
 *     f16   rounded to binary16 (the default)
 *     i8c   8 bits per value, each channel with a scale and a zero of its own
 *     i8p   centred, rotated by PHI-S, then 8 bits per value and one half-precision scale per token
 *     i4p   the same with 4 bits per value at the Lloyd-Max levels of a Gaussian
 *
 * `pool` averages square blocks of cells first. `channels` keeps the strongest principal directions only (i8p and i4p).
 * i8c, i8p and i4p are defined on values rounded to binary16, so deriving them from an f16 space gives the same bytes as the
 * teacher itself would.
 */
import { z } from 'zod';

export const CODEC_IDS = ['f32', 'f16', 'i8c', 'i8p', 'i4p'] as const;
/** `u8` is of pixels alone, which are bytes: nobody chooses it. */
export type CodecId = (typeof CODEC_IDS)[number] | 'u8';

/** Part of a space's description: fields that would say nothing are absent, so one codec has one description. */
export interface CodecDescriptor {
  readonly id: CodecId;
  /** Side, in cells, of the square blocks that are averaged. */
  readonly pool?: number;
  /** Principal directions kept; absent: all. */
  readonly channels?: number;
  /** The statistics that scales and rotation come from (`statistics/<sha256>.safetensors`); always there for i8c, i8p and i4p. */
  readonly statsSha256?: string;
}

/** A codec as a person asks for it: the statistics may still have to be found or computed. */
export type CodecSpec = CodecDescriptor;

const ROTATED: ReadonlySet<CodecId> = new Set(['i8p', 'i4p']);
const MEASURED: ReadonlySet<CodecId> = new Set(['i8c', 'i8p', 'i4p']);

/** Whether values are centred, rotated and scaled by PHI-S. */
export const isRotated = (codec: CodecSpec): boolean => ROTATED.has(codec.id);
/** Whether the codec is built from statistics of its source. */
export const needsStatistics = (codec: CodecSpec): boolean => MEASURED.has(codec.id);

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, '64 lower-case hex digits');

const parametersSchema = z
  .strictObject({
    id: z.enum(CODEC_IDS),
    pool: z.int().min(2).exactOptional(),
    channels: z.int().min(1).exactOptional(),
    statsSha256: sha256.exactOptional(),
  })
  .refine((codec) => codec.channels === undefined || ROTATED.has(codec.id), {
    message: 'only i8p and i4p can drop channels: the others keep them as they are',
    path: ['channels'],
  })
  .refine((codec) => codec.statsSha256 === undefined || MEASURED.has(codec.id), {
    message: 'f32 and f16 need no statistics',
    path: ['statsSha256'],
  });

const nameSchema = z.string().transform((name, context): CodecSpec => {
  const codec = codecNamed(name);
  if (codec !== null) return codec;
  context.issues.push({
    code: 'custom',
    message: `a codec is one of ${CODEC_IDS.join(', ')}, or such a name with -pool2 or -c256 behind it`,
    input: name,
  });
  return z.NEVER;
});

/** Accepts a codec's name alone, as `codec: i8p` or `codec: i8p-pool2` in a pipeline file. */
export const codecSpecSchema = z.union([nameSchema, parametersSchema]);

/** `i8p-pool2-c256`: what people and folder names call a codec. The statistics are left to the space id. */
export function codecName(codec: CodecSpec): string {
  const pool = codec.pool === undefined ? '' : `-pool${codec.pool}`;
  const channels = codec.channels === undefined ? '' : `-c${codec.channels}`;
  return `${codec.id}${pool}${channels}`;
}

/** The inverse of {@link codecName}, or null. */
export function codecNamed(text: string): CodecSpec | null {
  const match = /^(f32|f16|i8c|i8p|i4p)(?:-pool(\d+))?(?:-c(\d+))?$/.exec(text);
  if (match === null) return null;
  const parsed = parametersSchema.safeParse({
    id: match[1],
    ...(match[2] === undefined ? {} : { pool: Number(match[2]) }),
    ...(match[3] === undefined ? {} : { channels: Number(match[3]) }),
  });
  return parsed.success ? parsed.data : null;
}
