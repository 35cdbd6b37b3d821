/** `--codec`: how targets are stored, for all of them, for a kind, for a teacher, or for a kind of a teacher. */
import { CODEC_IDS, type CodecSpec, codecNamed } from '../cache/codecs/codec.ts';
import { type CodecChoice, choiceForBoth } from '../cache/codecs/codec-choice.ts';
import { usage } from './common-options.ts';

export const CODEC_HELP =
  'how targets are stored: f32, f16, i8c, i8p or i4p, with -pool2 or -c256; also kind=codec, teacher=codec, teacher.kind=codec';

export interface CodecChoices {
  readonly all: CodecChoice | null;
  readonly byTeacher: ReadonlyMap<string, CodecChoice>;
}

/** @throws StillhouseError usage for what is no codec, or a teacher that was not asked for. */
export function codecChoices(texts: readonly string[], teachers: readonly string[]): CodecChoices {
  let all: CodecChoice | undefined;
  const byTeacher = new Map<string, CodecChoice>();
  for (const text of texts) {
    const [, to, name] = /^(?:(.*)=)?([^=]*)$/s.exec(text) ?? [];
    const codec = codecOption(name ?? text);
    const [, teacher, kind] = /^(.*?)\.?(summary|spatial)?$/s.exec(to ?? '') ?? [];
    const choice = kind === undefined ? choiceForBoth(codec) : { [kind]: codec };
    if (teacher === undefined || teacher === '') all = { ...all, ...choice };
    else if (teachers.includes(teacher)) byTeacher.set(teacher, { ...byTeacher.get(teacher), ...choice });
    else throw usage('--codec', `a teacher of this command: ${teachers.join(', ')}`, teacher);
  }
  return { all: all ?? null, byTeacher };
}

/** The codec of that name. @throws StillhouseError usage. */
export function codecOption(name: string): CodecSpec {
  const codec = codecNamed(name);
  if (codec !== null) return codec;
  throw usage('--codec', `${CODEC_IDS.join(', ')}, or such a name with -pool2 or -c256 behind it`, name);
}
