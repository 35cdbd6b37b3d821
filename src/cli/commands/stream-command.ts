/** `stream`: shuffled batches of targets and pixels for a trainer in another language. */
import type { Command } from 'commander';
import { wholeNumber } from '../common-options.ts';
import type { ProgramContext } from '../program-context.ts';
import { withLoaderOptions } from './loader-options.ts';
import type { StreamOptions } from './stream-answer.ts';

export function addStreamCommand(program: Command, { signal }: ProgramContext): void {
  withLoaderOptions(
    program
      .command('stream')
      .description('write shuffled batches as an Arrow IPC stream to stdout or a socket'),
  )
    .option('--epochs <n>', 'how often everything is shown', wholeNumber('--epochs', 1), 1)
    .option(
      '--from <step>',
      'the first batch; the same step always gives the same batch',
      wholeNumber('--from', 0),
    )
    .option('--state <file>', 'go on where this file says, and keep it up to date at the end')
    .option('--rank <n>', 'which share of each batch', wholeNumber('--rank', 0), 0)
    .option('--as <type>', 'f16 | f32', 'f16')
    .option(
      '--pixels <px>',
      'add pixels of this side, uint8, by the very views of the targets',
      wholeNumber('--pixels', 1),
    )
    .option(
      '--pixels-from <where>',
      'auto: what the cache has (`cache --pixels`) is read, the rest decoded, which needs --dataset; cache | images: from there alone',
      'auto',
    )
    .option('--policy <what>', 'targets that are absent or damaged: error | skip | mask-teacher')
    .option('--last <what>', 'the samples that do not fill the last batch: drop | keep', 'drop')
    .option('--workers <n>', 'threads that read, decode and render', wholeNumber('--workers', 0), 2)
    .option('--listen <place>', 'serve one reader on a Unix socket or a port of this machine, not stdout')
    .action(async (spaces: string[], options: StreamOptions) => {
      const { streamBatches } = await import('./stream-answer.ts');
      await streamBatches(spaces, options, signal);
    });
}
