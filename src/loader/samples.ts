/** What is loaded, by dataset: the keys of targets, and where the pictures lie. */
import { type RowKey, rowKeyOf } from '../cache/row-key.ts';
import type { Places } from '../images/locate.ts';
import type { ImageRef } from '../images/read-image.ts';
import { type View, viewIdOf } from '../images/view.ts';

/** One view of one image: the unit of training. */
export interface Sample {
  readonly image: ImageRef;
  readonly view: View;
}

export interface LoaderDataset {
  /** Labels this dataset's randomness and its rows in messages. */
  readonly name: string;
  /** Image and view of every sample. */
  readonly keys: readonly RowKey[];
  /** Proportion among several datasets; default 1 each. */
  readonly weight?: number;
  /** Needed for pixels. */
  readonly pictures?: Pictures;
  /** By sample: a batch is of one bucket, see {@link PixelOptions.size}. Default: one bucket. */
  readonly buckets?: readonly string[];
}

/** Where a dataset's images lie, and what is seen of each. */
export interface Pictures {
  /** In the order of the keys. */
  readonly samples: readonly Sample[];
  readonly places: Places;
}

export interface PictureDataset extends Pictures {
  readonly name: string;
  readonly weight?: number;
  readonly buckets?: readonly string[];
}

/** A dataset of images and views: their targets, and their pixels by the very views of the targets. */
export function pictureDataset({ name, samples, places, ...rest }: PictureDataset): LoaderDataset {
  const keys = samples.map(({ image, view }) => rowKeyOf({ image: image.id, view: viewIdOf(view) }));
  return { name, keys, pictures: { samples, places }, ...rest };
}
