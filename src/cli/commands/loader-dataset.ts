/** The samples that a loader shows: all that a cache has targets of, or the views of an indexed dataset. */
import { join, resolve } from 'node:path';
import { placesOf, readDataset } from '../../images/dataset-manifest.ts';
import { RANDOM_VIEWS, viewsOf } from '../../images/view.ts';
import { type LoaderDataset, pictureDataset } from '../../loader/samples.ts';

export interface DatasetOptions {
  readonly dataset?: string;
  readonly views: number;
  readonly viewSeed: number;
}

export async function loaderDataset(
  spaces: Iterable<{ readonly rows: { keys(): Iterable<LoaderDataset['keys'][number]> } }>,
  { dataset, views, viewSeed }: DatasetOptions,
): Promise<LoaderDataset> {
  if (dataset === undefined)
    return { name: 'cache', keys: [...new Set([...spaces].flatMap(({ rows }) => [...rows.keys()]))] };
  const folder = resolve(dataset);
  const { header, rows } = await readDataset(folder);
  const family = { count: views, ...RANDOM_VIEWS };
  return pictureDataset({
    name: header.name,
    places: placesOf(header, join(folder, 'dataset.yaml'), [join(import.meta.dirname, '..', '..', '..')]),
    samples: rows.flatMap((image) => viewsOf(family, viewSeed, image.id).map((view) => ({ image, view }))),
  });
}
