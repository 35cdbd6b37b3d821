/** Targets to and from other programs. */
import { basename, resolve } from 'node:path';
import { openCatalogue } from '../../cache/catalogue.ts';
import { type ExportFormat, type ExportValues, exportTargets } from '../../cache/export.ts';
import { importExport } from '../../cache/import-export.ts';
import { importTheia } from '../../cache/import-theia.ts';
import { holdCatalogue } from '../../cache/reader-lease.ts';
import { spacesNamed } from '../../cache/named-spaces.ts';
import { CacheWriter } from '../../cache/write.ts';
import { writerNameOf } from '../../cache/writer-name.ts';
import type { Json } from '../../core/canonical-json.ts';
import { machineClock } from '../../core/clock.ts';
import type { ImageId } from '../../core/ids.ts';
import { readDataset } from '../../images/dataset-manifest.ts';
import { nodeFs } from '../../store/commit-fs.ts';
import { oneOf } from '../common-options.ts';
import { printJson } from '../print-json.ts';
import { textTable } from '../table.ts';
import { openCachePlace } from '../cache-place.ts';
import { type StoreOptions, openCache } from './cache-answers.ts';

export interface ExportCommandOptions extends StoreOptions {
  readonly to: string;
  readonly format: ExportFormat;
  readonly values: ExportValues;
  readonly shardRows: number;
}

export interface ImportCommandOptions extends StoreOptions {
  readonly dataset?: string;
  readonly px: number;
  readonly codec: readonly string[];
}

/** @throws StillhouseError bad-input when a name means no space. */
export async function exportCache(names: readonly string[], options: ExportCommandOptions): Promise<void> {
  const { root, fs } = await openCache(options);
  const catalogue = await openCatalogue(root, { fs });
  const spaces = spacesNamed(catalogue, names);
  const { format, values, shardRows } = options;
  const writer = writerNameOf('export', machineClock);
  const lease = await holdCatalogue(catalogue, { clock: machineClock, fs, writer });
  const done = await exportTargets({
    spaces,
    folder: resolve(options.to),
    format,
    values,
    shardRows,
    fs: nodeFs,
  }).finally(() => lease.release());
  if (options.json) printJson(done as unknown as Json);
  else {
    process.stdout.write(
      `${textTable(
        ['space', 'rows', 'failed'],
        done.spaces.map((s) => [s.label, s.rows, s.failed]),
      )}\n`,
    );
    process.stdout.write(`${done.files.length} files in ${options.to}\n`);
  }
}

/** @throws StillhouseError bad-input when a path is neither an export nor a tar. */
export async function importIntoCache(
  paths: readonly string[],
  options: ImportCommandOptions,
): Promise<void> {
  const codec = oneOf('--codec', ['f16', 'f32'] as const)(options.codec.at(-1) ?? 'f16');
  const writer = writerNameOf('import', machineClock);
  const into = await openCachePlace(options.cache, options);
  const opened = await CacheWriter.open({ ...into, writer, clock: machineClock });
  const tars = paths.filter((path) => path.endsWith('.tar'));
  const spaces: { label: string; rows: number }[] = [];
  const unknown: string[] = [];
  try {
    for (const path of paths)
      if (!path.endsWith('.tar'))
        spaces.push(
          ...(await importExport({ folder: resolve(path), fs: nodeFs, writer: opened.writer, into })).spaces,
        );
    if (tars.length > 0) {
      const imageOf = options.dataset === undefined ? () => null : await keysOf(options.dataset);
      const { px: sizePx } = options;
      const done = await importTheia({ tars, imageOf, sizePx, codec, writer: opened.writer, fs: nodeFs });
      spaces.push(...done.spaces);
      unknown.push(...done.unknown);
    }
    await opened.writer.close();
  } finally {
    await opened.writer.abandon();
  }
  if (options.json) printJson({ spaces, unknownKeys: unknown });
  else {
    process.stdout.write(
      `${textTable(
        ['space', 'rows'],
        spaces.map((s) => [s.label, s.rows]),
      )}\n`,
    );
    if (unknown.length > 0)
      process.stdout.write(
        `${unknown.length} keys belong to no image of the dataset, such as ${unknown.slice(0, 3).join(', ')}\n`,
      );
  }
}

/** Keys of feature tars are names of image files without their ending. */
async function keysOf(folder: string): Promise<(key: string) => ImageId | null> {
  const ids = new Map<string, ImageId>();
  for (const row of (await readDataset(resolve(folder))).rows)
    for (const name of [row.name, basename(row.uri)]) ids.set(name.replace(/\.[^.]*$/, ''), row.id);
  return (key) => ids.get(key) ?? null;
}
