/** `loader`: what a loader would do, before a training run pays for it. */
import type { Command } from 'commander';
import { usage, wholeNumber } from '../common-options.ts';
import { byteCount } from '../place-options.ts';
import { withLoaderOptions } from './loader-options.ts';
import type { SimulateOptions } from './simulate-answer.ts';

export function addLoaderCommands(program: Command): void {
  const loader = program.command('loader').description('what a loader would do');
  withLoaderOptions(
    loader
      .command('simulate')
      .description('replay the real order of rank 0 over the real parts on a machine that you describe'),
  )
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
