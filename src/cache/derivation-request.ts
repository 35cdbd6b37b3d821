/** From what a person names, and the codec that is wanted, to sources and the spaces that are derived from them. Pure. */
import type { CachedSpace, Catalogue } from './catalogue.ts';
import { assertCodecFits } from './codec-fit.ts';
import { type CodecSpec, codecName } from './codecs/codec.ts';
import { choiceForBoth } from './codecs/codec-choice.ts';
import { sourceCodecs } from './codecs/richness.ts';
import { sourceTooPoor } from './derivation.ts';
import { spacesNamed } from './named-spaces.ts';
import { type SpaceDescriptor, codedLabel, exactSpaceIdOf } from './space.ts';

export interface DerivationRequest {
  /** Statistics may still be lacking. */
  readonly space: SpaceDescriptor;
  /** The richest first: what one lacks another may have. */
  readonly sources: readonly CachedSpace[];
}

/**
 * A name is an id, a label with or without codec, or a teacher. For a teacher, pooling is of its maps alone.
 * @throws StillhouseError bad-input when a name means nothing, what it means is poorer than the codec, or the codec does not fit.
 */
export function requestedDerivations(
  catalogue: Catalogue,
  names: readonly string[],
  codec: CodecSpec,
): DerivationRequest[] {
  const requests = new Map<string, DerivationRequest>();
  for (const name of names) {
    const meant = spacesNamed(catalogue, [name]).filter(({ rows }) => rows.size > 0);
    for (const candidates of byExactSpace(meant)) {
      const { descriptor } = candidates[0]!;
      const byTeacher = name === descriptor.teacher.name;
      const { kind } = descriptor.tap;
      const wanted = byTeacher && kind !== 'pixels' ? choiceForBoth(codec)[kind]! : codec;
      const space: SpaceDescriptor = { ...descriptor, codec: wanted };
      assertCodecFits(space);
      const sources = sourceCodecs(wanted).flatMap((source) => withCodec(candidates, source));
      // where only the maps of a teacher are pooled, its summaries are as they should be
      if (sources.length === 0 && byTeacher && withCodec(candidates, wanted).length > 0) continue;
      if (sources.length === 0) throw sourceTooPoor(candidates[0]!, space);
      requests.set(exactSpaceIdOf(space), { space, sources });
    }
  }
  // not by id, which says nothing to a reader
  return [...requests.values()].sort((a, b) => (codedLabel(a.space) < codedLabel(b.space) ? -1 : 1));
}

function byExactSpace(spaces: readonly CachedSpace[]): CachedSpace[][] {
  const groups = new Map<string, CachedSpace[]>();
  for (const space of spaces) {
    const exact = exactSpaceIdOf(space.descriptor);
    groups.set(exact, [...(groups.get(exact) ?? []), space]);
  }
  return [...groups.values()];
}

const withCodec = (spaces: readonly CachedSpace[], codec: CodecSpec): CachedSpace[] =>
  spaces.filter(({ descriptor }) => codecName(descriptor.codec) === codecName(codec));
