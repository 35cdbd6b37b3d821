/**
 * What every codec but f32 takes as its source: the target rounded to binary16, then pooled. So what is derived from an f16 space,
 * or from an f32 one, has the bytes that encoding the teacher's own answer would have had.
 */
import { decodeHalf, encodeHalfMost } from '../../core/half.ts';
import { rowValuesOf } from '../../format/tensor-part.ts';
import { poolGrid } from './pool-grid.ts';
import { type CodedShape, targetShapeOf } from './stored-tensor.ts';
import type { EncodeTrouble } from './target-codec.ts';

export interface HalfSource {
  /** Of the last target that was loaded, [product of the target's shape]. */
  readonly values: Float32Array;
  /** The same before pooling, as bits, [product of the space's shape]. */
  readonly halves: Uint16Array;
  /** Null, or why there is nothing to store. */
  load(target: Float32Array): EncodeTrouble | null;
}

export function halfSource(coded: CodedShape): HalfSource {
  const halves = new Uint16Array(rowValuesOf(coded.shape));
  const whole = new Float32Array(halves.length);
  const pooled = coded.codec.pool === undefined ? null : new Float32Array(rowValuesOf(targetShapeOf(coded)));
  return {
    values: pooled ?? whole,
    halves,
    load: (target) => {
      const most = encodeHalfMost(target, halves);
      if (!(most < Infinity)) return 'non-finite';
      if (most > HALF_MAX) return 'beyond-f16';
      decodeHalf(halves, whole);
      if (pooled !== null) poolGrid(whole, coded, pooled);
      return null;
    },
  };
}

/** Largest finite binary16 value: anything beyond would silently become infinity. */
const HALF_MAX = 65504;

export function isFinite(values: Float32Array): boolean {
  // anything but a number below infinity turns the difference into NaN
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! - values[i]!;
  return sum === 0;
}
