/** Which targets the statistics of a space are measured on: a seeded sample, the same for any order and any number of runs. */
import { sha256 } from '../../core/digest.ts';
import { rowValuesOf } from '../../format/tensor-part.ts';
import type { RowKey } from '../row-key.ts';

/** More views move a covariance of a thousand channels less than later images differ from earlier ones. */
const MOST_VIEWS = 4096;
/** A million tokens of 768 channels take about a minute. */
const MOST_TOKENS = 2 ** 20;
/** Few large maps are alike within themselves. */
const LEAST_VIEWS = 64;

/** Views that are measured by default, for targets [D] or [h, w, C]. */
export function sampleViews(shape: readonly number[]): number {
  const tokens = rowValuesOf(shape) / shape.at(-1)!;
  return Math.min(MOST_VIEWS, Math.max(LEAST_VIEWS, Math.ceil(MOST_TOKENS / tokens)));
}

/** `count` of the keys, or all where there are fewer: those whose digests under the seed are the lowest. */
export function sampleKeys(keys: Iterable<RowKey>, count: number, seed: number): RowKey[] {
  const all = [...keys];
  if (all.length <= count) return all;
  return all
    .map((key) => ({ key, order: sha256(`${seed} ${key}`) }))
    .sort((a, b) => (a.order < b.order ? -1 : 1))
    .slice(0, count)
    .map(({ key }) => key);
}
