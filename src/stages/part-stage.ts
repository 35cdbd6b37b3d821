/** `part`: the images of one split of a dataset, as a dataset of its own: what a curation calls `train` is trained on, `val` is not. */
import { z } from 'zod';
import { StillhouseError } from '../core/failure.ts';
import { nearestNames } from '../core/nearest-names.ts';
import { writeParquet } from '../format/parquet-table.ts';
import { relocatedHeader } from '../images/dataset-manifest.ts';
import { type Stage, asAnyStage } from '../run/stage.ts';
import { KEPT_COLUMNS, KEPT_FILE, readKept } from './curate-tables.ts';
import { type OpenDataset, openDataset } from './dataset-access.ts';
import { writeDatasetOutput } from './dataset-output.ts';
import { classCounts } from './index-stage.ts';
import { writeOutput } from './ledger-table.ts';

const params = z.strictObject({
  /** Id of the stage whose images are split. */
  dataset: z.string(),
  /** Name of the split. */
  split: z.string().min(1),
});
type PartParams = z.infer<typeof params>;

interface PartPlan {
  /** Of the stage of the dataset. */
  readonly id: string;
  readonly dataset: OpenDataset;
  readonly split: string;
  /** Of a curated set, how each image is kept. */
  readonly kept: Awaited<ReturnType<typeof readKept>>;
}

const stage: Stage<PartParams, PartPlan> = {
  name: 'part',
  version: 2,
  params,
  inputs: ({ dataset }) => [dataset],
  sources: () => Promise.resolve({}),
  plan: async ({ dataset: id, split }, inputs) => {
    const dataset = await openDataset(inputs, id);
    const splits = new Set(dataset.rows.map((row) => row.split));
    if (!splits.has(split))
      throw new StillhouseError({
        kind: 'bad-input',
        what: 'a dataset has no image of a split',
        where: id,
        wanted: `one of ${nearestNames(split, splits).join(', ')}`,
        got: split,
        next: 'correct `split`, or set `split` in the policy of the curation',
      });
    return { id, dataset, split, kept: await readKept(inputs.get(id)!) };
  },
  describe: ({ dataset, split }) => ({
    images: dataset.rows.filter((row) => row.split === split).length,
    of: dataset.rows.length,
  }),
  execute: async ({ id, dataset, split, kept }, { folder }) => {
    const rows = dataset.rows.filter((row) => row.split === split);
    const ids = new Set<string>(rows.map(({ id }) => id));
    const header = { ...relocatedHeader(dataset.header, dataset.places, folder), split };
    const others = dataset.rows.length - rows.length;
    return {
      seen: dataset.rows.length,
      kept: rows.length,
      rejected: others === 0 ? {} : { 'other-split': others },
      outputs: [
        await writeDatasetOutput(folder, header, rows),
        ...(kept === null
          ? []
          : [
              await writeOutput(folder, {
                name: 'kept',
                path: KEPT_FILE,
                bytes: writeParquet(
                  KEPT_COLUMNS,
                  kept.filter(({ imageId }) => ids.has(imageId)),
                ),
              }),
            ]),
      ],
      facts: { parent: dataset.digest, dataset: id, split, classes: classCounts(rows) },
    };
  },
};

export const partStage = asAnyStage(stage);
