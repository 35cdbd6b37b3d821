/** `index`: what images are there. Reads a dataset header, a folder or a list; leaves a dataset manifest and a ledger. */
import * as fsp from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import type { Json } from '../core/canonical-json.ts';
import { merkleRoot, sha256 } from '../core/digest.ts';
import { StillhouseError, isStillhouseError, systemCodeOf } from '../core/failure.ts';
import {
  type DatasetHeader,
  datasetHeaderSchema,
  placesOf,
  readDatasetHeader,
  relocatedHeader,
} from '../images/dataset-manifest.ts';
import { DECODER, MAX_PIXELS } from '../images/decode.ts';
import { indexImages } from '../images/index-images.ts';
import { type Places, locate } from '../images/locate.ts';
import { recordsOf } from '../images/sources/source.ts';
import type { SourceRecord } from '../images/source-record.ts';
import { type Stage, type StageContext, asAnyStage } from '../run/stage.ts';
import { PACKAGE_FOLDER } from './dataset-access.ts';
import { writeDatasetOutput } from './dataset-output.ts';
import { countReasons, writeLedger } from './ledger-table.ts';

const params = z.strictObject({
  /** A dataset header (.yaml), a folder of images, or a list (.csv, .jsonl); relative to the pipeline file. */
  dataset: z.string().min(1),
  /** Overrides the split that the header names. */
  split: z.string().min(1).optional(),
  maxMegapixels: z
    .number()
    .positive()
    .default(MAX_PIXELS / 1e6),
});
type IndexParams = z.infer<typeof params>;

interface Opened {
  readonly header: DatasetHeader;
  readonly places: Places;
}

interface Collected {
  readonly records: readonly SourceRecord[];
  /** Files of a folder whose ending is not one of an image, such as `3 .txt, 1 .bmp`; empty for none. */
  readonly leftOut: string;
}

interface IndexPlan extends Opened, Collected {
  readonly maxPixels: number;
}

async function open({ dataset, split }: IndexParams, context: StageContext): Promise<Opened> {
  const path = resolve(context.baseFolder, dataset);
  const header = /\.ya?ml$/i.test(path) ? await readDatasetHeader(path) : await bareHeader(path);
  const headerPath =
    header.source.kind === 'folder' && !/\.ya?ml$/i.test(path) ? join(path, 'dataset.yaml') : path;
  const withSplit = split === undefined ? header : { ...header, split };
  return { header: withSplit, places: placesOf(header, headerPath, [PACKAGE_FOLDER]) };
}

/** A header for a folder or a list that has none: unknown licence; labels from the first folder level, or the list's columns. */
async function bareHeader(path: string): Promise<DatasetHeader> {
  const kind = await kindOf(path);
  const name =
    basename(path)
      .toLowerCase()
      .replace(/[^a-z0-9._-]+/g, '-')
      .replace(/^[^a-z0-9]+/, '') || 'images';
  const source =
    kind === 'folder'
      ? { kind: 'folder' as const, label: 'top' as const }
      : { kind: 'list' as const, file: basename(path), columns: await listColumns(path) };
  return datasetHeaderSchema.parse({ version: 1, name, source, licence: 'unknown', split: 'train' });
}

/** The columns of a list that have the names stillhouse knows; `path` is needed. */
async function listColumns(path: string): Promise<Record<string, string>> {
  const first = (await fsp.readFile(path, 'utf8'))
    .split('\n', 1)[0]!
    .replace(/^\ufeff/, '')
    .trim();
  const found = first.startsWith('{')
    ? [...first.matchAll(/"(\w+)"\s*:/g)].map((match) => match[1]!)
    : first.split(',').map((cell) => cell.replace(/^"|"$/g, ''));
  return Object.fromEntries(
    ['path', ...LIST_COLUMNS.filter((column) => found.includes(column))].map((column) => [column, column]),
  );
}

const LIST_COLUMNS = ['label', 'split', 'group', 'name'];

async function kindOf(path: string): Promise<'folder' | 'list'> {
  let stat: Awaited<ReturnType<typeof fsp.stat>>;
  try {
    stat = await fsp.stat(path);
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === undefined) throw error;
    throw new StillhouseError(
      {
        kind: 'bad-input',
        what: 'there is no such dataset',
        where: path,
        wanted: 'a folder, a .csv or .jsonl list, or a dataset .yaml',
        got: code,
        next: 'check the path',
      },
      error,
    );
  }
  if (stat.isDirectory()) return 'folder';
  if (/\.(csv|jsonl|ndjson)$/i.test(path)) return 'list';
  throw new StillhouseError({
    kind: 'bad-input',
    what: 'a file is no dataset',
    where: path,
    wanted: 'a folder, a .csv or .jsonl list, or a dataset .yaml',
    got: basename(path),
    next: 'name the folder of the images, or write a list or a header',
  });
}

async function collect({ header, places }: Opened): Promise<Collected> {
  const { source } = header;
  const records: SourceRecord[] = [];
  const others = new Map<string, number>();
  const onLeftOut = (ending: string): void => void others.set(ending, (others.get(ending) ?? 0) + 1);
  for await (const record of recordsOf(source, places, onLeftOut)) records.push(record);
  const leftOut = [...others]
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .map(([ending, count]) => `${count} ${ending === '' ? 'without an ending' : `.${ending}`}`)
    .join(', ');
  if (records.length > 0) return { records, leftOut };
  throw new StillhouseError({
    kind: 'bad-input',
    what: 'the dataset is empty',
    where: source.kind === 'list' ? resolve(places.root, source.file) : places.root,
    wanted:
      source.kind === 'folder'
        ? `at least one file that ends in ${source.extensions.join(', ')}`
        : 'at least one image',
    got: leftOut === '' ? 'none' : `other files only: ${leftOut}`,
    next:
      source.kind === 'folder'
        ? 'check the path, convert the images, or set `source.extensions` in a dataset header'
        : 'check the path and the filters of the source',
  });
}

/**
 * One stat per file instead of its bytes: a changed file has another size or time, and an unchanged dataset costs seconds, not a
 * full read. What later stages depend on is the content digest of the result.
 */
async function fileStates(records: readonly SourceRecord[], places: Places): Promise<string> {
  const lines = await Promise.all(
    records.map(async (record) => {
      const state = await stateOf(record, places);
      return JSON.stringify([record.name, record.uri, record.label, record.split, record.group, state]);
    }),
  );
  return sha256(lines.join('\n'));
}

async function stateOf({ uri }: SourceRecord, places: Places): Promise<string> {
  try {
    const { size, mtimeNs } = await fsp.stat(locate(uri, places), { bigint: true });
    return `${size} ${mtimeNs}`;
  } catch (error) {
    // a path that leads out of the dataset is a row of the ledger, as a file that is not there
    if (isStillhouseError(error, 'bad-input')) return 'outside';
    const code = systemCodeOf(error);
    if (code === undefined) throw error;
    return code;
  }
}

const stage: Stage<IndexParams, IndexPlan> = {
  name: 'index',
  version: 1,
  params,
  inputs: () => [],
  sources: async (params, context) => {
    const opened = await open(params, context);
    return {
      header: opened.header as unknown as Json,
      decoder: `${DECODER.name} ${DECODER.version}`,
      files: await fileStates((await collect(opened)).records, opened.places),
    };
  },
  plan: async (params, _inputs, context) => {
    const opened = await open(params, context);
    return { ...opened, ...(await collect(opened)), maxPixels: Math.round(params.maxMegapixels * 1e6) };
  },
  describe: (plan) => ({ dataset: plan.header.name, images: plan.records.length }),
  execute: async (plan, { folder, events, signal, workers }) => {
    const { header, places, leftOut } = plan;
    if (leftOut !== '') events.note(`files with other endings are left out: ${leftOut}`);
    const { rows, ledger, seen } = await indexImages({
      records: plan.records,
      header,
      places,
      signal,
      concurrency: workers,
      maxPixels: plan.maxPixels,
      onProgress: (done, total) => events.progress(done, total, 'images'),
    });
    if (rows.length === 0)
      throw new StillhouseError({
        kind: 'bad-input',
        what: 'no file of the dataset is an image that can be read',
        where: places.root,
        wanted: 'at least one image',
        got: `${JSON.stringify(countReasons(ledger))}; the first: ${ledger[0]!.uri}, ${ledger[0]!.detail}`,
        next: 'check the path; the reasons name what was found',
      });
    const dataset = await writeDatasetOutput(folder, relocatedHeader(header, places, folder), rows);
    return {
      seen,
      kept: rows.length,
      rejected: countReasons(ledger),
      outputs: [dataset, await writeLedger(folder, ledger)],
      facts: {
        name: header.name,
        digest: merkleRoot(rows.map(({ id }) => id)),
        split: header.split,
        licence: header.licence,
        classes: classCounts(rows),
      },
    };
  },
};

/** Images per label, sorted by label; unlabelled images are left out. */
export function classCounts(rows: readonly { readonly label: string | null }[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { label } of rows) if (label !== null) counts.set(label, (counts.get(label) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

export const indexStage = asAnyStage(stage);
