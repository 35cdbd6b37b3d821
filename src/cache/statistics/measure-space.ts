/**
 * One pass over the cached targets of a space. Rows are read in the order of their keys, whatever parts they lie in, so the same
 * rows give the same statistics bit for bit; memory does not grow with their number. Summaries, which are small, are read a second
 * time for their angular dispersion.
 */
import { merkleRoot } from '../../core/digest.ts';
import { rowValuesOf } from '../../format/tensor-part.ts';
import type { CachedSpace } from '../catalogue.ts';
import { halfSource } from '../codecs/half-source.ts';
import type { RowKey } from '../row-key.ts';
import { type SpaceDescriptor, exactSpaceIdOf, spaceLabel } from '../space.ts';
import { TargetReader } from '../read.ts';
import { AngularDispersion } from './angular-dispersion.ts';
import { FeatureMoments } from './feature-moments.ts';
import { type FeatureStatistics, statisticsFrom } from './feature-statistics.ts';
import { PositionMeans } from './position-means.ts';

export interface MeasureOptions {
  /** A space whose codec keeps what the teacher said: f32 or f16, not pooled. */
  readonly space: CachedSpace;
  /** Rows to measure; those that are not usable are left out. Default: all. */
  readonly keys?: Iterable<RowKey>;
  /** Side of the blocks of cells to average first. Default 1: none. */
  readonly pool?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Whether a codec keeps what the teacher said, cell by cell, up to rounding to binary16. */
export const keepsFeatures = ({ codec }: SpaceDescriptor): boolean =>
  (codec.id === 'f32' || codec.id === 'f16') && codec.pool === undefined;

/** Null when no row is usable. */
export async function measureSpace(options: MeasureOptions): Promise<FeatureStatistics | null> {
  const { space, pool = 1, signal } = options;
  const { descriptor } = space;
  const { codec, shape } = descriptor;
  if (!keepsFeatures(descriptor))
    throw new Error(`internal: statistics are measured on f32 or f16, not on ${codec.id}`);
  const keys = [...(options.keys ?? space.rows.keys())]
    .filter((key) => {
      const place = space.rows.get(key);
      return place !== undefined && place.part.index.ok[place.row] === 1;
    })
    .sort();
  if (keys.length === 0) return null;
  // what the lossy codecs take as their source
  const source = halfSource({ shape, codec: { id: 'f16', ...(pool === 1 ? {} : { pool }) } });
  const channels = shape.at(-1)!;
  const moments = new FeatureMoments(channels);
  const positions = shape.length === 3 ? new PositionMeans(source.values.length) : null;
  const usable: RowKey[] = [];
  const reader = new TargetReader();
  const each = async (visit: (values: Float32Array, key: RowKey) => void): Promise<void> => {
    const row = new Float32Array(rowValuesOf(shape));
    for (const [done, key] of keys.entries()) {
      signal?.throwIfAborted();
      await reader.readInto(space, key, row);
      // an f32 space may hold values that binary16, and so every codec built from these statistics, has no room for
      if (source.load(row) === null) visit(source.values, key);
      options.onProgress?.(done + 1, keys.length);
    }
  };
  try {
    await each((values, key) => {
      moments.add(values);
      positions?.add(values);
      usable.push(key);
    });
    if (usable.length === 0) return null;
    const found = moments.result();
    const angles = shape.length === 1 ? new AngularDispersion(found.mean) : null;
    if (angles) await each((values) => angles.add(values));
    const variance = found.mean.reduce((sum, _, c) => sum + found.covariance[c * channels + c]!, 0);
    return statisticsFrom(
      found,
      {
        exactSpaceId: exactSpaceIdOf(descriptor),
        sourceSpaceId: space.id,
        label: spaceLabel(descriptor),
        pool,
        rows: usable.length,
        rowsDigest: merkleRoot(usable),
        angularDispersion: angles?.result() ?? null,
        position: positions?.share(found.mean, variance) ?? null,
      },
      positions && { shape: gridOf(shape, pool), values: positions.mean() },
    );
  } finally {
    await reader.close();
  }
}

const gridOf = (shape: readonly number[], pool: number): number[] => [
  shape[0]! / pool,
  shape[1]! / pool,
  shape[2]!,
];
