/**
 * Which codec a teacher's targets get, as a person writes it: one for both kinds, or one for each.
 *
 *     codec: i8p                            codec: { summary: f16, spatial: i4p-pool2 }
 */
import { z } from 'zod';
import type { TeacherTap } from '../space.ts';
import { type CodecSpec, codecSpecSchema } from './codec.ts';

/** By kind; what is not said is left to a more general choice, and in the end to f16. */
export interface CodecChoice {
  readonly summary?: CodecSpec;
  readonly spatial?: CodecSpec;
}

export const codecChoiceSchema = z.union([
  codecSpecSchema.transform((codec): CodecChoice => choiceForBoth(codec)),
  z.strictObject({ summary: codecSpecSchema.exactOptional(), spatial: codecSpecSchema.exactOptional() }),
]);

/** One codec for summaries and maps. A summary has no grid, so pooling is of the maps alone. */
export function choiceForBoth(codec: CodecSpec): CodecChoice {
  const summary: { -readonly [K in keyof CodecSpec]: CodecSpec[K] } = { ...codec };
  delete summary.pool;
  return { summary, spatial: codec };
}

/** The first of the choices, from the most special to the most general, that says something about the kind; else f16. */
export function codecFor(kind: TeacherTap, choices: readonly (CodecChoice | undefined)[]): CodecSpec {
  for (const choice of choices) {
    const codec = choice?.[kind];
    if (codec !== undefined) return codec;
  }
  return { id: 'f16' };
}
