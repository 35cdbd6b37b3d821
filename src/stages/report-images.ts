/** Every indexed image of a run, for the pictures of its report. */
import { join } from 'node:path';
import { placesOf, readDataset } from '../images/dataset-manifest.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { Places } from '../images/locate.ts';
import type { RunResult } from '../run/execute.ts';
import { PACKAGE_FOLDER } from './dataset-access.ts';
import { stagesNamed } from './summary.ts';

export interface Located {
  readonly row: ImageRow;
  readonly places: Places;
}

/** By image id. */
export async function imagesOf(result: RunResult): Promise<Map<string, Located>> {
  const images = new Map<string, Located>();
  for (const { folder } of stagesNamed(result, 'index')) {
    const dataset = await readDataset(folder);
    const places = placesOf(dataset.header, join(folder, 'dataset.yaml'), [PACKAGE_FOLDER]);
    for (const row of dataset.rows) images.set(row.id, { row, places });
  }
  return images;
}
