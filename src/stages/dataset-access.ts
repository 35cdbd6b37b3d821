/** Datasets as stages hand them on: where their images lie, and decoded pixels that are checked against the image's id. */
import { join } from 'node:path';
import { StillhouseError } from '../core/failure.ts';
import { type Dataset, placesOf, readDataset } from '../images/dataset-manifest.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { Places } from '../images/locate.ts';
import { loadImage } from '../images/read-image.ts';
import type { RgbImage } from '../images/rgb-image.ts';
import type { Inputs, UpstreamResult } from '../run/stage.ts';

/** The package's own folder: where `npm:` datasets and bundled manifests are found. */
export const PACKAGE_FOLDER = join(import.meta.dirname, '..', '..');

export interface OpenDataset extends Dataset {
  /** Id of the stage it came from. */
  readonly from: string;
  readonly places: Places;
}

/**
 * The dataset that an upstream stage left in its folder.
 * @throws StillhouseError bad-input when that stage leaves none.
 */
export async function openDataset(inputs: Inputs, id: string): Promise<OpenDataset> {
  const upstream = upstreamOf(inputs, id, DATASET_STAGES);
  const dataset = await readDataset(upstream.folder);
  return {
    ...dataset,
    from: id,
    places: placesOf(dataset.header, join(upstream.folder, 'dataset.yaml'), [PACKAGE_FOLDER]),
  };
}

const DATASET_STAGES = ['index', 'curate', 'part'];

/**
 * A finished stage that this one reads.
 * @param wanted names of the stages that leave what is needed; any when absent
 * @throws StillhouseError bad-input when the id belongs to a stage of another kind.
 */
export function upstreamOf(inputs: Inputs, id: string, wanted?: readonly string[]): UpstreamResult {
  const found = inputs.get(id);
  if (found === undefined) throw new Error(`internal: stage ${id} was not declared as an input`);
  if (wanted === undefined || wanted.includes(found.stage)) return found;
  throw new StillhouseError({
    kind: 'bad-input',
    what: 'a stage of the pipeline reads one that does not leave what it needs',
    where: `the parameter that names "${id}"`,
    wanted: `the id of a stage of kind ${wanted.join(' or ')}`,
    got: `"${id}", of kind ${found.stage}`,
    next: 'name another id in the pipeline file',
  });
}

/** Where the images of several datasets lie: each row is looked up in the dataset it belongs to. */
export function placesIn(datasets: readonly OpenDataset[]): (row: ImageRow) => Places {
  const placesOfRow = new Map<ImageRow, Places>();
  for (const dataset of datasets) for (const row of dataset.rows) placesOfRow.set(row, dataset.places);
  return (row) => {
    const places = placesOfRow.get(row);
    if (places === undefined) throw new Error(`internal: image ${row.id} belongs to none of the datasets`);
    return places;
  };
}

/** Decodes images of several datasets. */
export function decoderOf(datasets: readonly OpenDataset[]): (row: ImageRow) => Promise<RgbImage> {
  const placesOfRow = placesIn(datasets);
  return async (row) => loadImage(row, placesOfRow(row));
}
