/** What decides the sequence of batches, as data: see BatchOrder. */
import type { Shuffle } from './block-spread.ts';

/** Raised whenever the same spec would give another sequence; states of another version are refused. */
export const ORDER_VERSION = 1;

/** Samples of one dataset that share a shape, in the order they are stored. */
export interface BucketSpec {
  readonly key: string;
  /** Indices into the dataset's samples, block by block. */
  readonly samples: Int32Array;
  /** [0, ..., samples.length], see EpochSpec. */
  readonly blockStarts: Int32Array;
}

export interface SourceSpec {
  readonly name: string;
  /** Proportion of this dataset among all samples; the unit does not matter. */
  readonly weight: number;
  readonly buckets: readonly BucketSpec[];
}

export interface OrderSpec {
  readonly seed: number;
  /** Samples of a global batch, over all ranks. */
  readonly batchSize: number;
  readonly shuffle: Shuffle;
  /** What becomes of the samples that do not fill the last batch of an epoch. A mix has no such batch: it is endless. */
  readonly last: 'drop' | 'keep';
  readonly sources: readonly SourceSpec[];
  /** Shares of the resolutions among all batches; [1] when there is one. */
  readonly resolutions: readonly number[];
}
