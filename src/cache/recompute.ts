/**
 * Whether cached targets still are what their teacher says: rows are drawn by seed, computed again, taken through the same codec, and
 * compared. What differs shows a driver, an engine or a decoder that computes otherwise than when the cache was filled.
 */
import { Rng } from '../core/rng.ts';
import { rowValuesOf } from '../format/tensor-part.ts';
import type { CachedSpace } from './catalogue.ts';
import { CodecErrorSums } from './codecs/codec-error.ts';
import type { CodecId } from './codecs/codec.ts';
import { newTensorValues, targetShapeOf } from './codecs/stored-tensor.ts';
import type { TargetCodec } from './codecs/target-codec.ts';
import type { RowKey } from './row-key.ts';

/**
 * Most that a target may differ, as |stored - fresh| / |stored| (Euclidean norms of the decoded targets). A teacher's own drift
 * between machines is about 1e-4; where that moves a value over a border of the quantiser, it becomes a whole step, a thirtieth of
 * a deviation with 8 bits and a third with 4. Targets of another image or another model differ by about 1.
 */
export const RECOMPUTE_TOLERANCE: Readonly<Record<CodecId, number>> = {
  f32: 1e-3,
  f16: 1e-3,
  i8c: 1e-2,
  i8p: 1e-2,
  i4p: 3e-2,
  u8: 0,
};

/** Usable rows of a space, drawn by seed and sorted; all of them when there are no more. */
export function sampleRows(
  space: CachedSpace,
  { sample, seed }: { readonly sample: number; readonly seed: number },
  isWanted: (key: RowKey) => boolean,
): RowKey[] {
  const usable: RowKey[] = [];
  for (const key of space.rows.keys()) {
    const place = space.rows.get(key)!;
    if (place.part.index.ok[place.row] === 1 && isWanted(key)) usable.push(key);
  }
  return new Rng(seed, 'recompute', space.id).shuffled(usable.sort()).slice(0, sample).sort();
}

/**
 * How much a stored target differs from a fresh answer, by {@link RECOMPUTE_TOLERANCE}'s measure; Infinity where the answer has a
 * value that cannot be stored.
 * @param stored the payload row. @param fresh what the teacher says now, [product of the space's shape].
 */
export function differenceOf(
  { descriptor }: Pick<CachedSpace, 'descriptor'>,
  codec: TargetCodec,
  { stored, fresh }: { readonly stored: Uint8Array; readonly fresh: Float32Array },
): number {
  const row = newTensorValues(codec.stored.dtype, rowValuesOf(codec.stored.shape));
  if (codec.encode(fresh, row, new CodecErrorSums()) !== null) return Infinity;
  const width = rowValuesOf(targetShapeOf(descriptor));
  const [was, is] = [new Float32Array(width), new Float32Array(width)];
  codec.decode(stored, was, 'teacher');
  codec.decode(new Uint8Array(row.buffer, row.byteOffset, row.byteLength), is, 'teacher');
  let [difference, norm] = [0, 0];
  for (let i = 0; i < width; i++) {
    difference += (was[i]! - is[i]!) ** 2;
    norm += was[i]! ** 2;
  }
  return difference === 0 ? 0 : Math.sqrt(difference / norm);
}
