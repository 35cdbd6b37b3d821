/**
 * A space: one kind of target, described by everything that can change its values (design.md §2). Two runs that would compute
 * the same numbers share a space, whatever the dataset is called and wherever it lies.
 *
 * Identity has two levels. The exact space is what the teacher says; the space is that under a codec. Spaces of one exact space
 * stand in for each other, and a narrower one can be derived from a richer one without the teacher.
 */
import { base32 } from '../core/base32.ts';
import type { Json } from '../core/canonical-json.ts';
import { digestOf } from '../core/digest.ts';
import type { SpaceId } from '../core/ids.ts';
import type { Mosaic } from '../teachers/mosaic/neighbours.ts';
import { type CodecDescriptor, codecName } from './codecs/codec.ts';

/** What a teacher says of a view. */
export type TeacherTap = 'summary' | 'spatial';
/** `pixels`: what a student sees of a view; no teacher has a part in it, see {@link file://./pixel-space.ts}. */
export type TapKind = TeacherTap | 'pixels';

/** What a teacher says, before any codec. */
export interface ExactSpace {
  readonly v: 1;
  readonly teacher: { readonly name: string; readonly engine: string; readonly weightsSha256: string };
  /** The runtime class: results of two classes may differ in the last bits and are never mixed silently. */
  readonly runtime: {
    readonly engine: string;
    readonly version: string;
    readonly device: string;
    readonly provider: string;
    readonly precision: string;
  };
  /** Decoder, colour, resize rule, kernel, mean, std, layout, and the version of our own preprocessing code. */
  readonly preprocess: Json;
  /** Side of the teacher's square input in pixels. */
  readonly sizePx: number;
  /** Absent where each picture is the whole input; else `sizePx` is the side of a tile. */
  readonly mosaic?: Mosaic;
  readonly tap: { readonly kind: TapKind; readonly rule: Json };
  /** Shape of one target before its codec: [D], or [h, w, C]. */
  readonly shape: readonly number[];
}

export interface SpaceDescriptor extends ExactSpace {
  readonly codec: CodecDescriptor;
}

/** Of what students see, not of what a teacher says. */
export const isPixelSpace = ({ tap }: SpaceDescriptor): boolean => tap.kind === 'pixels';

/** base32 of sha256 of the canonical descriptor, 26 characters (130 bits). */
export function spaceIdOf(space: SpaceDescriptor): SpaceId {
  return shortDigest(space as unknown as Json);
}

/** The id of the exact space: the same for all codecs. */
export function exactSpaceIdOf(space: SpaceDescriptor): SpaceId {
  const exact: Record<string, unknown> = { ...space };
  delete exact['codec'];
  return shortDigest(exact as Json);
}

const shortDigest = (value: Json): SpaceId =>
  base32(Buffer.from(digestOf(value), 'hex')).slice(0, 26) as SpaceId;

/** What people and training inputs call a space, whatever its codec: `nanodet@224.spatial`, `pixels@224`. Unique within a run. */
export function spaceLabel(space: SpaceDescriptor): string {
  if (space.tap.kind === 'pixels') return `${space.teacher.name}@${space.sizePx}`;
  return `${space.teacher.name}@${space.sizePx}.${space.tap.kind}`;
}

/** The same, or `sam@256.spatial.mosaic4` where pictures were shown on mosaics. */
export function exactLabel(space: SpaceDescriptor): string {
  return `${spaceLabel(space)}${space.mosaic === undefined ? '' : `.mosaic${space.mosaic.tilesPerSide}`}`;
}

/** `nanodet@224.spatial.i8p`: tells the codecs of one teacher apart. */
export function codedLabel(space: SpaceDescriptor): string {
  return `${exactLabel(space)}.${codecName(space.codec)}`;
}

/** A name for each space, none twice: its coded label, or where others have the same (other weights or statistics), label and id. */
export function distinctLabels(spaces: readonly SpaceDescriptor[]): string[] {
  const labels = spaces.map(codedLabel);
  return spaces.map((space, i) =>
    labels.indexOf(labels[i]!) === labels.lastIndexOf(labels[i]!) ? labels[i]! : spaceFolderName(space),
  );
}

/** Folder of a space below `data/`: readable first, unique last. */
export function spaceFolderName(space: SpaceDescriptor): string {
  return `${codedLabel(space)}.${spaceIdOf(space)}`;
}

/** All that a person may call a space: its id, its labels, its teacher. */
export const namesOf = (space: SpaceDescriptor): string[] => [
  spaceIdOf(space),
  spaceLabel(space),
  exactLabel(space),
  codedLabel(space),
  space.teacher.name,
];
