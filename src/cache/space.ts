/**
 * A space: one kind of target, described by everything that can change its values (design.md §2). Two runs that would compute
 * the same numbers share a space, whatever the dataset is called and wherever it lies.
 */
import { base32 } from '../core/base32.ts';
import type { Json } from '../core/canonical-json.ts';
import { digestOf } from '../core/digest.ts';
import type { SpaceId } from '../core/ids.ts';
import type { TensorDtype } from '../format/tensor-part.ts';

export type TapKind = 'summary' | 'spatial';

export interface SpaceDescriptor {
  readonly v: 1;
  readonly teacher: { readonly name: string; readonly engine: string; readonly weightsSha256: string };
  /** The runtime class: results of two classes may differ in the last bits and are never mixed silently. */
  readonly runtime: {
    readonly engine: string;
    readonly version: string;
    readonly provider: string;
    readonly precision: string;
  };
  /** Decoder, colour, resize rule, kernel, mean, std, layout, and the version of our own preprocessing code. */
  readonly preprocess: Json;
  /** Side of the teacher's square input in pixels. */
  readonly sizePx: number;
  readonly tap: { readonly kind: TapKind; readonly rule: Json };
  /** Shape of one target: [D], or [h, w, C]. */
  readonly shape: readonly number[];
  readonly codec: { readonly id: 'f16' };
}

export const CODEC_DTYPE: Readonly<Record<SpaceDescriptor['codec']['id'], TensorDtype>> = { f16: 'float16' };

/** base32 of sha256 of the canonical descriptor, 26 characters (130 bits). */
export function spaceIdOf(space: SpaceDescriptor): SpaceId {
  return base32(Buffer.from(digestOf(space as unknown as Json), 'hex')).slice(0, 26) as SpaceId;
}

/** What people and training inputs call a space: `nanodet@224.spatial`. Unique within a run, not across caches. */
export function spaceLabel(space: SpaceDescriptor): string {
  return `${space.teacher.name}@${space.sizePx}.${space.tap.kind}`;
}

/** Folder of a space below `data/`: readable first, unique last. */
export function spaceFolderName(space: SpaceDescriptor): string {
  return `${spaceLabel(space)}.${spaceIdOf(space)}`;
}
