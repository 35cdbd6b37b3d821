/** What a cache holds, and whether it can be trusted. */
import * as fsp from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { openCatalogue } from '../../cache/catalogue.ts';
import { codecName } from '../../cache/codecs/codec.ts';
import { coverageOf, readDatasets } from '../../cache/datasets.ts';
import { spaceError } from '../../cache/space-error.ts';
import { exactLabel } from '../../cache/space.ts';
import { writerNameOf } from '../../cache/writer-name.ts';
import { type VerifyLevel, verifyCache } from '../../cache/verify.ts';
import type { Json } from '../../core/canonical-json.ts';
import { machineClock } from '../../core/clock.ts';
import { StillhouseError, systemCodeOf } from '../../core/failure.ts';
import { nodeFs } from '../../store/commit-fs.ts';
import { errorText } from '../error-text.ts';
import { printJson } from '../print-json.ts';
import { textTable } from '../table.ts';

export interface StoreOptions {
  readonly cache: string;
  readonly json: boolean;
}

export interface VerifyOptions extends StoreOptions {
  readonly level: VerifyLevel;
  readonly repair: boolean;
}

/** @throws StillhouseError bad-input when the folder is no cache. */
export async function listCache(options: StoreOptions): Promise<void> {
  await needCache(options.cache);
  const root = resolve(options.cache);
  const catalogue = await openCatalogue(root);
  const datasets = await readDatasets(root, nodeFs);
  const spaces = [...catalogue.spaces.values()].map((space) => ({
    space: exactLabel(space.descriptor),
    id: space.id,
    shape: space.descriptor.shape,
    codec: codecName(space.descriptor.codec),
    rows: space.rows.size,
    failed: space.parts.reduce((sum, part) => sum + part.index.ok.reduce((bad, ok) => bad + (1 - ok), 0), 0),
    parts: space.parts.length,
    bytes: space.parts.reduce((sum, part) => sum + part.entry.sizeBytes, 0),
    error: spaceError(space),
    coverage: datasets.map((dataset) => {
      const { images, covered, rows } = coverageOf(space, dataset);
      return { dataset: dataset.name, digest: dataset.digest, images, covered, rows };
    }),
  }));
  const missing = catalogue.missingParts.length;
  if (options.json) {
    printJson({ root: options.cache, snapshot: catalogue.snapshot, spaces, missingParts: missing });
    return;
  }
  const rows = spaces.map((s) => [
    s.space,
    s.id,
    s.shape.join('x'),
    s.codec,
    s.rows,
    s.failed,
    s.parts,
    s.bytes,
    ...errorText(s.error),
  ]);
  const sizes = ['space', 'id', 'shape', 'codec', 'rows', 'failed', 'parts', 'bytes'];
  const header = [...sizes, 'cosine', 'worst', 'MSE', 'worst'];
  process.stdout.write(`${textTable(header, rows)}\n`);
  if (datasets.length > 0) {
    const lines = spaces.flatMap(({ space, codec, coverage }) =>
      coverage.map(({ dataset, images, covered, rows }) => [
        `${space}.${codec}`,
        dataset,
        images,
        covered,
        `${((100 * covered) / Math.max(1, images)).toFixed(1)} %`,
        rows,
      ]),
    );
    const columns = ['space', 'dataset', 'images', 'covered', 'share', 'rows'];
    process.stdout.write(`\n${textTable(columns, lines)}\n`);
  }
  if (missing > 0)
    process.stdout.write(`${missing} listed parts are gone; the next run computes them again\n`);
}

/** @throws StillhouseError integrity when something is wrong and was not repaired. */
export async function checkCache(options: VerifyOptions): Promise<void> {
  await needCache(options.cache);
  const { cache, level, repair } = options;
  const writer = writerNameOf('verify', machineClock);
  const result = await verifyCache({
    root: resolve(cache),
    level,
    repair: repair ? { writer, clock: machineClock } : null,
  });
  if (options.json) printJson(result as unknown as Json);
  else {
    process.stdout.write(`${result.parts} parts, ${result.rows} rows, checked at level ${result.level}\n`);
    const rows = result.findings.map((f) => [f.file, f.problem, f.detail]);
    if (rows.length > 0) process.stdout.write(`${textTable(['file', 'problem', 'detail'], rows)}\n`);
    if (result.repaired + result.dropped > 0)
      process.stdout.write(
        `${result.repaired} files set aside, ${result.dropped} parts taken off the list; the next run computes what they held\n`,
      );
  }
  const wrong = result.findings.filter(({ problem }) => problem !== 'unlisted');
  if (wrong.length > 0 && !repair)
    throw new StillhouseError({
      kind: 'integrity',
      what: `the cache has ${wrong.length} ${wrong.length === 1 ? 'finding' : 'findings'}`,
      where: cache,
      next: 'run `stillhouse cache verify --repair`, then the run that fills it',
    });
}

/** A mistyped path must not look like an empty cache. */
export async function needCache(folder: string): Promise<void> {
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
