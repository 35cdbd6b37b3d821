/**
 * Which codecs a target can be derived from without the teacher, such that the bytes are those that the teacher's own answer would
 * have been given. Every codec but f32 is defined on values rounded to binary16 (half-source.ts), so f32 and f16 as they are will do;
 * what was pooled, quantised or cut has lost what another codec would have kept.
 */
import type { SpaceDescriptor } from '../space.ts';
import { type CodecId, type CodecSpec, codecName } from './codec.ts';

/** From what keeps most to what keeps least. */
export const BY_RICHNESS: readonly CodecId[] = ['f32', 'f16', 'i8p', 'i8c', 'i4p', 'u8'];

/** Codecs that `target` can be derived from, the richest first. */
export function sourceCodecs(target: CodecSpec): CodecSpec[] {
  if (target.id === 'u8') return [];
  const ids: CodecId[] = target.id === 'f32' ? ['f32'] : ['f32', 'f16'];
  return ids.map((id): CodecSpec => ({ id })).filter((codec) => codecName(codec) !== codecName(target));
}

export const canDerive = (source: CodecSpec, target: CodecSpec): boolean =>
  sourceCodecs(target).some((codec) => codecName(codec) === codecName(source));

/** The spaces that targets of `space` could be derived from, the richest first. */
export const sourceSpaces = (space: SpaceDescriptor): SpaceDescriptor[] =>
  sourceCodecs(space.codec).map((codec) => ({ ...space, codec }));
