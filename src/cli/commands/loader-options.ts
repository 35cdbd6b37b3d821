/** Options of every command that opens a loader or plans one: which targets of which samples, in which batches. */
import type { Command } from 'commander';
import { wholeNumber } from '../common-options.ts';
import { type PlaceOptions, withPlaceOptions } from '../place-options.ts';
import type { DatasetOptions } from './loader-dataset.ts';

export interface LoaderCommandOptions extends PlaceOptions, DatasetOptions {
  readonly cache: string;
  readonly batch: number;
  readonly seed: number;
  readonly world: number;
}

export function withLoaderOptions(command: Command): Command {
  return withPlaceOptions(
    command.argument('<spaces...>', 'labels as `cache ls` shows them: ppocr-det@64.summary'),
  )
    .option('--cache <place>', 'the target cache: a folder, s3://bucket/prefix or file:/folder', 'out/cache')
    .option('--dataset <folder>', 'only these indexed images, such as out/run/images')
    .option(
      '--views <n>',
      'views per image, as in the run that filled the cache',
      wholeNumber('--views', 1),
      1,
    )
    .option('--view-seed <n>', 'seed of those views', wholeNumber('--view-seed', 0), 0)
    .option('--batch <n>', 'samples of a batch over all ranks', wholeNumber('--batch', 1), 32)
    .option('--seed <n>', 'seed of the order', wholeNumber('--seed', 0), 0)
    .option('--world <n>', 'ranks in all', wholeNumber('--world', 1), 1);
}
