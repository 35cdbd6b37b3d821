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

const KINDS = ['summary', 'spatial'] as const;

/** @throws StillhouseError usage for what is no codec, or a teacher that was not asked for. */
export function codecChoices(texts: readonly string[], teachers: readonly string[]): CodecChoices {
  let all: CodecChoice | undefined;
  const byTeacher = new Map<string, CodecChoice>();
  for (const text of texts) {
    const equals = text.lastIndexOf('=');
    const codec = codecOption(text.slice(equals + 1));
    const { teacher, kind } = equals < 0 ? EVERYTHING : targetsNamed(text.slice(0, equals), teachers);
    const choice = kind === null ? choiceForBoth(codec) : { [kind]: codec };
    if (teacher === null) all = { ...all, ...choice };
    else byTeacher.set(teacher, { ...byTeacher.get(teacher), ...choice });
  }
  return { all: all ?? null, byTeacher };
}

interface NamedTargets {
  /** Null: every one. */
  readonly teacher: string | null;
  readonly kind: (typeof KINDS)[number] | null;
}

const EVERYTHING: NamedTargets = { teacher: null, kind: null };

/** A teacher by its whole name comes first: names may have dots, and end like a kind. */
function targetsNamed(name: string, teachers: readonly string[]): NamedTargets {
  if (teachers.includes(name)) return { teacher: name, kind: null };
  const kindOf = (text: string) => KINDS.find((kind) => kind === text) ?? null;
  const bare = kindOf(name);
  if (bare !== null) return { teacher: null, kind: bare };
  const dot = name.lastIndexOf('.');
  const [teacher, kind] = [name.slice(0, Math.max(0, dot)), kindOf(name.slice(dot + 1))];
  if (kind !== null && teachers.includes(teacher)) return { teacher, kind };
  const wanted = `${KINDS.join(', ')}, or a teacher of this command: ${teachers.join(', ')}`;
  throw usage('--codec', wanted, name === '' ? 'nothing before =' : kind === null ? name : teacher);
}

/** The codec of that name. @throws StillhouseError usage. */
export function codecOption(name: string): CodecSpec {
  const codec = codecNamed(name);
  if (codec !== null) return codec;
  throw usage('--codec', `${CODEC_IDS.join(', ')}, or such a name with -pool2 or -c256 behind it`, name);
}
