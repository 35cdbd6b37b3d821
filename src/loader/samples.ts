/** What is loaded, by dataset: the keys of targets. */
import type { RowKey } from '../cache/row-key.ts';

export interface LoaderDataset {
  /** Labels this dataset's randomness and its rows in messages. */
  readonly name: string;
  /** Image and view of every sample. */
  readonly keys: readonly RowKey[];
  /** Proportion among several datasets; default 1 each. */
  readonly weight?: number;
}
