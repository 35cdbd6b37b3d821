/** Declares a dataset folder (dataset.yaml and images.parquet) as one output whose digest covers every column of its rows. */
import * as fsp from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, sha256OfFile } from '../core/digest.ts';
import { type DatasetHeader, type Derivation, writeDataset } from '../images/dataset-manifest.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { StageOutput } from '../run/stage.ts';

export async function writeDatasetOutput(
  folder: string,
  header: DatasetHeader,
  rows: readonly ImageRow[],
  derivation?: Derivation,
): Promise<StageOutput> {
  await fsp.mkdir(folder, { recursive: true });
  const root = await writeDataset(folder, header, rows, derivation);
  const paths = ['dataset.yaml', 'images.parquet'];
  const files = await Promise.all(
    paths.map(async (path) => ({ path, sizeBytes: (await fsp.stat(join(folder, path))).size })),
  );
  const table = await sha256OfFile(join(folder, 'images.parquet'));
  return { name: 'dataset', path: 'dataset.yaml', digest: digestOf({ root, table }), files };
}
