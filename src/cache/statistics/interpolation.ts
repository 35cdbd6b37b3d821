/**
 * How well a teacher's map interpolates between resolutions: the cosine of the low-resolution map, resized as the recipe resizes it
 * (bilinear, align_corners=false), with the map that the teacher gives at the high resolution. AM-RADIO runs DINOv2 at 224 px and
 * upsamples (§4: "doesn't degrade results"); this measures it on one's own images.
 */
import { digestOf } from '../../core/digest.ts';
import type { Json } from '../../core/canonical-json.ts';
import { rowValuesOf } from '../../format/tensor-part.ts';
import type { CachedSpace } from '../catalogue.ts';
import { codecName } from '../codecs/codec.ts';
import { targetShapeOf } from '../codecs/stored-tensor.ts';
import { TargetReader } from '../read.ts';
import type { RowKey } from '../row-key.ts';
import { type SpaceDescriptor, codedLabel } from '../space.ts';
import { mapResizer } from './resize-map.ts';

/** Two spaces that differ in the input size only; the grid of `low` is the coarser one. */
export interface SizePair {
  readonly low: CachedSpace;
  readonly high: CachedSpace;
}

export interface Interpolation {
  readonly low: string;
  readonly high: string;
  readonly teacher: string;
  readonly lowPx: number;
  readonly highPx: number;
  readonly codec: string;
  /** Rows that both spaces have usable, and how many of them were measured: the first by key, which is a random choice. */
  readonly rows: number;
  readonly measured: number;
  /** Of one map: the mean over its cells of the cosine over channels. Over the maps that were measured: */
  readonly mean: number;
  readonly p05: number;
  readonly worst: number;
  /**
   * The mean with the low-resolution map of another image instead: what maps share whatever they show. Null with one row.
   */
  readonly otherImage: number | null;
}

/** Every pair of sizes of maps of one teacher (weights, runtime, preprocessing, tap) in one codec, finer grids second. Pure. */
export function sizePairs(spaces: Iterable<CachedSpace>): SizePair[] {
  const families = new Map<string, CachedSpace[]>();
  for (const space of spaces) {
    if (space.descriptor.tap.kind !== 'spatial') continue;
    const family = familyOf(space.descriptor);
    families.set(family, [...(families.get(family) ?? []), space]);
  }
  return [...families.values()].flatMap((family) => {
    const bySize = family.sort((a, b) => a.descriptor.sizePx - b.descriptor.sizePx);
    return bySize.flatMap((low, i) => bySize.slice(i + 1).map((high) => ({ low, high })));
  });
}

/** All that two sizes of one teacher's maps share. */
function familyOf(space: SpaceDescriptor): string {
  const shared: Record<string, unknown> = { ...space, codec: codecName(space.codec) };
  delete shared['sizePx'];
  delete shared['shape'];
  return digestOf(shared as Json);
}

export interface InterpolationOptions extends SizePair {
  /** Rows to choose from. Default: all. */
  readonly keys?: Iterable<RowKey>;
  /** Rows to measure at most. */
  readonly rows: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Null when no row is usable in both. @throws StillhouseError integrity when a part is damaged */
export async function measureInterpolation(options: InterpolationOptions): Promise<Interpolation | null> {
  const { low, high, signal } = options;
  const keys = [...new Set(options.keys ?? low.rows.keys())]
    .filter((key) => isUsable(low, key) && isUsable(high, key))
    .sort();
  if (keys.length === 0) return null;
  const chosen = keys.slice(0, options.rows);
  const [lowShape, highShape] = [low, high].map(({ descriptor }) => targetShapeOf(descriptor)) as [
    Shape,
    Shape,
  ];
  const resize = mapResizer(lowShape, [highShape[0], highShape[1]]);
  const [coarse, fine, before] = [lowShape, highShape, highShape].map(
    (shape) => new Float32Array(rowValuesOf(shape)),
  );
  const cosines: number[] = [];
  let others = 0;
  const reader = new TargetReader();
  try {
    for (const [done, key] of chosen.entries()) {
      signal?.throwIfAborted();
      await reader.readInto(low, key, coarse!);
      await reader.readInto(high, key, fine!);
      const resized = resize(coarse!);
      cosines.push(meanCosine(resized, fine!, highShape[2]));
      // `before` is what the row before was resized to
      if (done > 0) others += meanCosine(before!, fine!, highShape[2]);
      before!.set(resized);
      options.onProgress?.(done + 1, chosen.length);
    }
  } finally {
    await reader.close();
  }
  const sorted = [...cosines].sort((a, b) => a - b);
  return {
    low: codedLabel(low.descriptor),
    high: codedLabel(high.descriptor),
    teacher: low.descriptor.teacher.name,
    lowPx: low.descriptor.sizePx,
    highPx: high.descriptor.sizePx,
    codec: codecName(low.descriptor.codec),
    rows: keys.length,
    measured: chosen.length,
    mean: cosines.reduce((sum, cosine) => sum + cosine, 0) / cosines.length,
    p05: quantile(sorted, 0.05),
    worst: sorted[0]!,
    otherImage: chosen.length > 1 ? others / (chosen.length - 1) : null,
  };
}

type Shape = readonly [rows: number, columns: number, channels: number];

function isUsable({ rows }: CachedSpace, key: RowKey): boolean {
  const place = rows.get(key);
  return place !== undefined && place.part.index.ok[place.row] === 1;
}

/** a, b [cells, C]: mean over cells of the cosine over channels, in float64. Two cells without direction agree; one with and one without do not. */
export function meanCosine(a: Float32Array, b: Float32Array, channels: number): number {
  let sum = 0;
  for (let at = 0; at < a.length; at += channels) {
    let [dot, left, right] = [0, 0, 0];
    for (let c = at; c < at + channels; c++) {
      dot += a[c]! * b[c]!;
      left += a[c]! * a[c]!;
      right += b[c]! * b[c]!;
    }
    sum += left === 0 || right === 0 ? Number(left === right) : dot / Math.sqrt(left * right);
  }
  return (sum * channels) / a.length;
}

/** Linear between the order statistics (type 7, as numpy and R). `sorted` ascending, not empty. */
function quantile(sorted: readonly number[], q: number): number {
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low]! + (at - low) * ((sorted[low + 1] ?? sorted[low]!) - sorted[low]!);
}
