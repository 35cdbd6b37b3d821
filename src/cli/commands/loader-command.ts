/** `loader`: what a loader would do, before a training run pays for it. */
import type { Command } from 'commander';
import { usage, wholeNumber } from '../common-options.ts';
import { byteCount, withPlaceOptions } from '../place-options.ts';
import type { SimulateOptions } from './simulate-answer.ts';

export function addLoaderCommands(program: Command): void {
  const loader = program.command('loader').description('what a loader would do');
  withPlaceOptions(
    loader
      .command('simulate')
      .description('replay the real order over the real parts on a machine that you describe')
      .argument('<spaces...>', 'labels as `cache ls` shows them: ppocr-det@64.summary'),
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
    .option('--world <n>', 'ranks in all; rank 0 is simulated', wholeNumber('--world', 1), 1)
    .option('--spread <n>', 'row groups that the order mixes; 0: everything', wholeNumber('--spread', 0), 32)
    .option('--bandwidth <bytes>', 'what storage delivers in a second', byteCount('--bandwidth'), 1000 ** 3)
    .option('--latency <ms>', 'of one read', milliseconds('--latency'), 0.1)
    .option(
      '--decode <bytes>',
      'what one thread checks and decodes in a second',
      byteCount('--decode'),
      2 * 1000 ** 3,
    )
    .option('--step <ms>', 'what your training step takes', milliseconds('--step'), 0)
    .option('--workers <n>', 'threads that read and decode', wholeNumber('--workers', 1), 2)
    .option('--ahead <n>', 'batches that may be ready or on their way', wholeNumber('--ahead', 1), 3)
    .option(
      '--memory <bytes>',
      'page cache or replica that the order may fill',
      byteCount('--memory'),
      8 * 1000 ** 3,
    )
    .option(
      '--whole-parts',
      'parts are copied whole at first touch (default for a cache that lies elsewhere)',
    )
    .option('--json', 'one JSON document on stdout', false)
    .action(async (spaces: string[], options: SimulateOptions) => {
      const { simulateLoader } = await import('./simulate-answer.ts');
      await simulateLoader(spaces, options);
    });
}

function milliseconds(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= 0 && Number.isFinite(value)) return value;
    throw usage(option, 'milliseconds, 0 or more', text);
  };
}
