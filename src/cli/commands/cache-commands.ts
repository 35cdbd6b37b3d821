/** `cache ls` and `cache verify`. What they do is loaded when they run: {@link file://./cache-answers.ts}. */
import type { Command } from 'commander';
import type { VerifyLevel } from '../../cache/verify.ts';
import { oneOf } from '../common-options.ts';
import type { StoreOptions, VerifyOptions } from './cache-answers.ts';

/** From cheap to thorough; the type fails to check when cache/verify.ts has others. */
const LEVELS = Object.keys({
  names: 0,
  footers: 1,
  digests: 2,
  rows: 3,
} satisfies Record<VerifyLevel, number>) as VerifyLevel[];

export function addCacheCommands(program: Command): void {
  const cache = program.commands.find((command) => command.name() === 'cache');
  if (!cache) throw new Error('internal: the cache verb must be added first');
  withStore(
    cache.command('ls').description('list the spaces of a cache: rows, failed rows, parts, bytes'),
  ).action(async (_: unknown, command: Command) => {
    const { listCache } = await import('./cache-answers.ts');
    await listCache(command.optsWithGlobals<StoreOptions>());
  });
  withStore(
    cache.command('verify').description('check a cache at rising cost; exit code 4 when something is wrong'),
  )
    .option('--level <level>', LEVELS.join(' | '), oneOf('--level', LEVELS), 'digests')
    .option('--repair', 'set bad parts aside; their rows are computed again by the next run', false)
    .action(async (_: unknown, command: Command) => {
      const { checkCache } = await import('./cache-answers.ts');
      await checkCache(command.optsWithGlobals<VerifyOptions>());
    });
}

function withStore(command: Command): Command {
  return command
    .option('--cache <folder>', 'the cache', 'out/cache')
    .option('--json', 'one JSON document on stdout', false);
}
