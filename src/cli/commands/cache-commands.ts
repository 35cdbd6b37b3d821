/** The verbs below `cache`. What they do is loaded when they run: {@link file://./cache-answers.ts} and its neighbours. */
import type { Command } from 'commander';
import type { ExportFormat } from '../../cache/export.ts';
import type { VerifyLevel } from '../../cache/verify.ts';
import { collected, oneOf, wholeNumber } from '../common-options.ts';
import type { ProgramContext } from '../program-context.ts';
import { withPlaceOptions } from '../place-options.ts';
import type { StoreOptions, VerifyOptions } from './cache-answers.ts';
import type { DeriveOptions } from './cache-derive.ts';
import type { ExportCommandOptions, ImportCommandOptions } from './cache-exchange.ts';
import type { StatsOptions } from './cache-stats.ts';
import type { DropOptions, GcOptions, QuotaOptions, TagOptions } from './cache-upkeep.ts';

/** From cheap to thorough; the type fails to check when cache/verify.ts has others. */
const LEVELS = Object.keys({
  names: 0,
  footers: 1,
  digests: 2,
  rows: 3,
  recompute: 4,
} satisfies Record<VerifyLevel | 'recompute', number>) as (VerifyLevel | 'recompute')[];

const RECOMPUTE_HELP = `
Level recompute runs the teachers again on sampled rows. --views, --seed and, for manifests of your own, --teacher are those of the
run that filled the cache.`;

export function addCacheCommands(program: Command, { signal }: ProgramContext): void {
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
    .option('--sample <n>', 'recompute: rows per space, drawn by --seed', wholeNumber('--sample', 1), 16)
    .option(
      '--dataset <folder...>',
      'recompute: indexed datasets (out/<run>/images), which say where the images lie',
    )
    .addHelpText('after', RECOMPUTE_HELP)
    .action(async (_: unknown, command: Command) => {
      const { checkCache } = await import('./cache-answers.ts');
      await checkCache(command.optsWithGlobals<VerifyOptions>(), signal);
    });
  addStats(cache, signal);
  addDerive(cache, signal);
  addUpkeep(cache);
  addExchange(cache);
}

function addStats(cache: Command, signal: AbortSignal): void {
  withStore(
    cache
      .command('stats')
      .description(
        'mean, covariance, deviation, range, rank, dispersion and position pattern of cached features',
      )
      .argument('[space...]', 'id, label such as nanodet@224.spatial, or teacher (default: all)'),
  )
    .option('--interpolation', 'also how well maps of one size stand for those of another', false)
    .option(
      '--rows <n>',
      'targets to measure, a random choice that is always the same (default: all; of pairs of sizes 1000)',
      wholeNumber('--rows', 1),
    )
    .action(async (names: string[], _: unknown, command: Command) => {
      const { measureCache } = await import('./cache-stats.ts');
      await measureCache(names, command.optsWithGlobals<StatsOptions>(), signal);
    });
}

/** Options that `cache` has too are parsed by it, wherever they stand: here they must be of the same kind. */
function addDerive(cache: Command, signal: AbortSignal): void {
  withStore(
    cache
      .command('derive')
      .description('store targets under another codec, from richer ones of the cache, without the teacher')
      .argument('<space...>', 'id, label such as nanodet@224.spatial, or teacher'),
  )
    .option('--codec <codec>', 'f32, f16, i8c, i8p or i4p, with -pool2 or -c256', collected, [])
    .option('--dry-run', 'say what would be derived, and write nothing', false)
    .option(
      '--statistics-views <n>',
      'targets that i8c, i8p and i4p are measured on where that was not done before (default: a million tokens)',
      wholeNumber('--statistics-views', 1),
    )
    .option('--seed <n>', 'of the choice of those', wholeNumber('--seed', 0))
    .action(async (names: string[], _: unknown, command: Command) => {
      const { deriveSpaces } = await import('./cache-derive.ts');
      await deriveSpaces(names, command.optsWithGlobals<DeriveOptions>(), signal);
    });
}

function addUpkeep(cache: Command): void {
  withStore(
    cache.command('du').description('bytes per space, teacher and dataset, and what is not targets'),
  ).action(async (_: unknown, command: Command) => {
    const { weighCache } = await import('./cache-upkeep.ts');
    await weighCache(command.optsWithGlobals<StoreOptions>());
  });
  withStore(
    cache
      .command('tag')
      .description('name a snapshot so that it is never collected; without a name, list the tags')
      .argument('[name]', 'lower-case letters, digits, dots, dashes and underscores'),
  )
    .option(
      '--snapshot <n>',
      'the snapshot (default: one of what is committed now)',
      wholeNumber('--snapshot', 1),
    )
    .option('--from <n>', 'move the tag, which names this snapshot now', wholeNumber('--from', 1))
    .option('--delete', 'remove the tag', false)
    .option('--note <text>', 'why', '')
    .action(async (name: string | undefined, _: unknown, command: Command) => {
      const { tagCache } = await import('./cache-upkeep.ts');
      await tagCache(name ?? null, command.optsWithGlobals<TagOptions>());
    });
  withStore(
    cache
      .command('drop')
      .description('take spaces off the list; `gc` removes them later')
      .argument('<space...>', 'id, label such as nanodet@224.spatial, or teacher'),
  ).action(async (names: string[], _: unknown, command: Command) => {
    const { dropFromCache } = await import('./cache-upkeep.ts');
    await dropFromCache(names, command.optsWithGlobals<DropOptions>());
  });
  withStore(
    cache
      .command('gc')
      .description('move what nothing needs to trash, and delete trash whose grace has ended'),
  )
    .option('--keep <n>', 'newest snapshots that are kept', wholeNumber('--keep', 1), 3)
    .option('--grace <span>', 'how long trash can be brought back, such as 24h or 7d', '24h')
    .option('--dry-run', 'say what would be moved', false)
    .option('--restore', 'bring trash back and list it again', false)
    .action(async (_: unknown, command: Command) => {
      const { collectCache } = await import('./cache-upkeep.ts');
      await collectCache(command.optsWithGlobals<GcOptions>());
    });
  const bytes = (option: string) => wholeNumber(option, 0);
  withStore(
    cache
      .command('quota')
      .description('bytes the cache may take: soft limits warn, hard ones refuse; 0 lifts a limit'),
  )
    .option('--soft <bytes>', 'of the whole cache', bytes('--soft'))
    .option('--hard <bytes>', 'of the whole cache', bytes('--hard'))
    .option('--space-soft <bytes>', 'of each space', bytes('--space-soft'))
    .option('--space-hard <bytes>', 'of each space', bytes('--space-hard'))
    .action(async (_: unknown, command: Command) => {
      const { limitCache } = await import('./cache-upkeep.ts');
      await limitCache(command.optsWithGlobals<QuotaOptions>());
    });
}

/** The type fails to check when cache/export.ts has others. */
const FORMATS = Object.keys({
  parquet: 0,
  webdataset: 0,
  safetensors: 0,
} satisfies Record<ExportFormat, number>) as ExportFormat[];

function addExchange(cache: Command): void {
  withStore(
    cache
      .command('export')
      .description('write targets for other programs: Parquet, WebDataset tar, safetensors')
      .argument('[space...]', 'id, label or teacher (default: all)'),
  )
    .requiredOption('--to <folder>', 'where the files go')
    .option('--format <name>', FORMATS.join(' | '), oneOf('--format', FORMATS), 'parquet')
    .option(
      '--values <form>',
      'decoded (floats in the space of the teacher) | stored (bytes of the codec)',
      oneOf('--values', ['decoded', 'stored'] as const),
      'decoded',
    )
    .option('--shard-rows <n>', 'rows per file', wholeNumber('--shard-rows', 1), 1000)
    .action(async (names: string[], _: unknown, command: Command) => {
      const { exportCache } = await import('./cache-exchange.ts');
      await exportCache(names, command.optsWithGlobals<ExportCommandOptions>());
    });
  withStore(
    cache
      .command('import')
      .description('read an export back, or feature tars in the layout of Theia')
      .argument('<path...>', 'a folder that `cache export` wrote, or .tar files'),
  )
    .option('--dataset <folder>', 'an indexed dataset (out/<run>/images): finds the image of a key in a tar')
    .option('--px <n>', 'input size that the features in a tar were computed at', wholeNumber('--px', 1), 224)
    .option('--codec <name>', 'f16 | f32, of features in a tar', collected, [])
    .action(async (paths: string[], _: unknown, command: Command) => {
      const { importIntoCache } = await import('./cache-exchange.ts');
      await importIntoCache(paths, command.optsWithGlobals<ImportCommandOptions>());
    });
}

function withStore(command: Command): Command {
  return withPlaceOptions(
    command.option('--cache <place>', 'the cache: a folder, s3://bucket/prefix or file:/folder', 'out/cache'),
  ).option('--json', 'one JSON document on stdout', false);
}
