/** `cache ls` and `cache verify`: what a cache holds, and whether it can be trusted. */
import * as fsp from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { openCatalogue } from '../../cache/catalogue.ts';
import { spaceLabel } from '../../cache/space.ts';
import { VERIFY_LEVELS, type VerifyLevel, verifyCache } from '../../cache/verify.ts';
import type { Json } from '../../core/canonical-json.ts';
import { StillhouseError, systemCodeOf } from '../../core/failure.ts';
import { oneOf } from '../common-options.ts';
import { printJson } from '../session.ts';
import { textTable } from '../table.ts';

interface StoreOptions {
  readonly cache: string;
  readonly json: boolean;
}

export function addCacheCommands(program: Command): void {
  const cache = program.commands.find((command) => command.name() === 'cache');
  if (!cache) throw new Error('internal: the cache verb must be added first');
  withStore(cache.command('ls').description('spaces, rows, bytes')).action(
    async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions>();
      await needCache(options.cache);
      const catalogue = await openCatalogue(resolve(options.cache));
      const spaces = [...catalogue.spaces.values()].map((space) => ({
        space: spaceLabel(space.descriptor),
        id: space.id,
        shape: space.descriptor.shape,
        codec: space.descriptor.codec.id,
        rows: space.rows.size,
        failed: space.parts.reduce(
          (sum, part) => sum + part.index.ok.reduce((bad, ok) => bad + (1 - ok), 0),
          0,
        ),
        parts: space.parts.length,
        bytes: space.parts.reduce((sum, part) => sum + part.entry.sizeBytes, 0),
      }));
      if (options.json)
        printJson({ root: options.cache, spaces, missingParts: catalogue.missingParts.length });
      else
        process.stdout.write(
          `${textTable(
            ['space', 'id', 'shape', 'codec', 'rows', 'failed', 'parts', 'bytes'],
            spaces.map((s) => [
              s.space,
              s.id,
              s.shape.join('x'),
              s.codec,
              s.rows,
              s.failed,
              s.parts,
              s.bytes,
            ]),
          )}\n${catalogue.missingParts.length > 0 ? `${catalogue.missingParts.length} listed parts are gone; the next run computes them again\n` : ''}`,
        );
    },
  );
  withStore(
    cache.command('verify').description('check a cache at rising cost; exit code 4 when something is wrong'),
  )
    .option('--level <level>', VERIFY_LEVELS.join(' | '), oneOf('--level', VERIFY_LEVELS), 'digests')
    .option('--repair', 'set bad parts aside; their rows are computed again by the next run', false)
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<StoreOptions & { level: VerifyLevel; repair: boolean }>();
      await needCache(options.cache);
      const result = await verifyCache({
        root: resolve(options.cache),
        level: options.level,
        repair: options.repair,
      });
      if (options.json) printJson(result as unknown as Json);
      else {
        process.stdout.write(
          `${result.parts} parts, ${result.rows} rows, checked at level ${result.level}\n`,
        );
        if (result.findings.length > 0)
          process.stdout.write(
            `${textTable(
              ['file', 'problem', 'detail'],
              result.findings.map((f) => [f.file, f.problem, f.detail]),
            )}\n`,
          );
      }
      const wrong = result.findings.filter(({ problem }) => problem !== 'unlisted');
      if (wrong.length > 0 && !options.repair)
        throw new StillhouseError({
          kind: 'integrity',
          what: `${wrong.length} findings in the cache`,
          where: options.cache,
          next: 'run `stillhouse cache verify --repair`, then the run that fills it',
        });
    });
}

/** A mistyped path must not look like an empty cache. */
async function needCache(folder: string): Promise<void> {
  const path = join(resolve(folder), 'FORMAT');
  await fsp.access(path).catch((error: unknown) => {
    const code = systemCodeOf(error);
    if (code === undefined) throw error;
    throw new StillhouseError(
      {
        kind: 'bad-input',
        what: 'there is no cache here',
        where: resolve(folder),
        wanted: 'a folder that holds the file FORMAT',
        got: code,
        next: 'name the cache with --cache, or fill one with `stillhouse cache --data ... --teacher ...`',
      },
      error,
    );
  });
}

function withStore(command: Command): Command {
  return command
    .option('--cache <folder>', 'the cache', 'out/cache')
    .option('--json', 'one JSON document on stdout', false);
}
