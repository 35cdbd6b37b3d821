/** What each teacher gives and costs, told from manifests alone: licence, shapes, bytes per image in the cache, weights. */
import { KEY_BYTES, VIEW_BYTES, rowBytesOf } from '../format/tensor-part.ts';
import { isPermissive } from './licences.ts';
import type { LoadedTeacher } from './registry.ts';
import { acceptsSize, cellPxOf } from './input-sizes.ts';
import type { TeacherManifest } from './teacher-manifest.ts';
import { type WeightsPresence, presenceOf } from './weights-presence.ts';

export interface TeacherLine {
  readonly name: string;
  readonly engine: string;
  readonly licence: { readonly spdx: string; readonly url: string | null; readonly permissive: boolean };
  readonly source: string;
  /** The sizes it takes, as the manifest says. */
  readonly sizesPx: TeacherManifest['input']['sizesPx'];
  readonly targets: readonly SizeTargets[];
  readonly weights: WeightsPresence & { readonly uri: string };
}

/** What one teacher gives at one input size. Shapes are null where the manifest does not tell the channels. */
export interface SizeTargets {
  readonly sizePx: number;
  /** [D]; undefined for a teacher without a summary. */
  readonly summary?: readonly number[] | null;
  /** [h, w, C]; undefined for a teacher without a map. */
  readonly spatial?: readonly number[] | null;
  /** Cached as half floats, keys and checksums included; null where a shape is not known. */
  readonly bytesPerImage: number | null;
}

/** @param sizesPx the sizes to tell; sizes that a teacher does not take are left out. Default: {@link usualSizes}. */
export async function teacherLine(teacher: LoadedTeacher, sizesPx?: readonly number[]): Promise<TeacherLine> {
  const { manifest } = teacher;
  const { spdx, url } = manifest.licence;
  const sizes = sizesPx?.filter((sizePx) => acceptsSize(manifest, sizePx)) ?? usualSizes(manifest);
  return {
    name: manifest.name,
    engine: manifest.engine,
    licence: { spdx, url: url ?? null, permissive: isPermissive(spdx) },
    source: manifest.source,
    sizesPx: manifest.input.sizesPx,
    targets: sizes.map((sizePx) => targetsAt(manifest, sizePx)),
    weights: { uri: manifest.weights.uri, ...(await presenceOf(teacher)) },
  };
}

/** All sizes of a list; of a range the two nearest to 224 and 448 px, at which most recipes train. */
export function usualSizes({ input: { sizesPx } }: TeacherManifest): number[] {
  if (!('multipleOf' in sizesPx)) return [...sizesPx];
  const { multipleOf, min, max } = sizesPx;
  const nearest = (px: number): number =>
    Math.min(max, Math.max(min, Math.round(px / multipleOf) * multipleOf));
  return [...new Set([224, 448].map(nearest))];
}

function targetsAt(manifest: TeacherManifest, sizePx: number): SizeTargets {
  const { summary, spatial } = manifest;
  const shapes: (readonly number[] | null)[] = [];
  const shapeOf = (channels: number | undefined, cells: readonly number[]): readonly number[] | null => {
    const shape = channels === undefined ? null : [...cells, channels];
    shapes.push(shape);
    return shape;
  };
  const side = spatial && Math.floor(sizePx / cellPxOf(spatial));
  const told = {
    ...(summary === null ? {} : { summary: shapeOf(summary.channels, []) }),
    ...(spatial === null ? {} : { spatial: shapeOf(spatial.channels, [side!, side!]) }),
  };
  const bytes = shapes.map((shape) => shape && targetBytes(shape));
  return {
    sizePx,
    ...told,
    bytesPerImage: bytes.includes(null) ? null : bytes.reduce<number>((sum, b) => sum + b!, 0),
  };
}

/** Bytes of one target in a part: payload, image and view digest, checksum, and a bit that says whether it is usable. */
function targetBytes(shape: readonly number[]): number {
  return Math.ceil(rowBytesOf(shape, 'float16') + KEY_BYTES + VIEW_BYTES + 4 + 1 / 8);
}
