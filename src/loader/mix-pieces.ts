/** A dataset's buckets as streams of their own, each with the whole-number weight it has in a mix. */
import type { BucketSpec, SourceSpec } from './order-spec.ts';

export interface Piece {
  /** Index of the dataset. */
  readonly source: number;
  readonly bucket: BucketSpec;
  /** Labels the randomness of this stream. */
  readonly label: string;
  readonly weight: number;
}

/** Parts that a dataset's weight is cut into when it has several buckets. */
const UNITS = 10_000;

/**
 * Empty buckets are left out. Proportions between datasets stay exact; a bucket's share of its own dataset is rounded to one
 * ten-thousandth, never to nothing.
 */
export function piecesOf(sources: readonly SourceSpec[]): Piece[] {
  const filled = sources.map(({ buckets }) => buckets.filter(({ samples }) => samples.length > 0));
  const most = Math.max(...filled.map((buckets) => buckets.length));
  const units = sources.length > 1 && most > 1 ? Math.max(UNITS, most) : most;
  return sources.flatMap(({ name, weight }, source) => {
    const buckets = filled[source]!;
    const shares = apportion(
      buckets.map(({ samples }) => samples.length),
      units,
    );
    return buckets.map((bucket, b) => ({
      source,
      bucket,
      label: `${name}/${bucket.key}`,
      weight: sources.length > 1 ? weight * shares[b]! : 1,
    }));
  });
}

/** `units` given out in proportion to `sizes`, at least 1 each, by largest remainder (Hamilton). Sums to `units`. */
export function apportion(sizes: readonly number[], units: number): number[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const spare = units - sizes.length;
  const exact = sizes.map((size) => (spare * size) / total);
  const shares = exact.map((share) => 1 + Math.floor(share));
  const rest = units - shares.reduce((sum, share) => sum + share, 0);
  const byRemainder = exact
    .map((share, i) => ({ i, remainder: share - Math.floor(share) }))
    .sort((a, b) => b.remainder - a.remainder || a.i - b.i);
  for (const { i } of byRemainder.slice(0, rest)) shares[i]! += 1;
  return shares;
}
