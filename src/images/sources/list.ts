/** Images named by a CSV or JSONL file: one record per row, columns by name. */
import { readFile } from 'node:fs/promises';
import { extname, isAbsolute, relative, resolve } from 'node:path';
import { z } from 'zod';
import { StillhouseError, systemCodeOf } from '../../core/failure.ts';
import { uriOfBytes } from '../locate.ts';
import type { SourceRecord } from '../source-record.ts';
import { parseCsv } from './csv.ts';

export const listSourceSchema = z.strictObject({
  kind: z.literal('list'),
  file: z.string().min(1).describe('The list, relative to the root.'),
  format: z
    .enum(['csv', 'jsonl'])
    .optional()
    .describe('Default: by the ending, .jsonl and .ndjson are JSONL.'),
  delimiter: z.string().length(1).default(',').describe('CSV only.'),
  columns: z
    .strictObject({
      path: z
        .string()
        .describe('Path of the image, relative to the root or absolute below it, or npm:<package>/<path>.'),
      label: z.string().optional(),
      split: z.string().optional().describe("Default: the header's split."),
      group: z.string().optional(),
      name: z.string().optional().describe('Default: the path.'),
    })
    .default({ path: 'path' }),
});

export type ListSource = z.infer<typeof listSourceSchema>;

type Line = { readonly line: number; readonly values: ReadonlyMap<string, string> };

/**
 * Records in the order of the list.
 * @throws StillhouseError `bad-input` for a list that is missing, malformed or lacks a named column.
 */
export async function* listRecords(source: ListSource, root: string): AsyncGenerator<SourceRecord> {
  const where = resolve(root, source.file);
  const text = await readFile(where, 'utf8').catch((cause: unknown) => {
    throw new StillhouseError(
      {
        kind: 'bad-input',
        what: 'a list of images cannot be read',
        where,
        got: systemCodeOf(cause) ?? 'an error of the system',
        next: 'Check `root` and `source.file` of the dataset header.',
      },
      cause,
    );
  });
  const isJsonl =
    (source.format ?? (/^\.(jsonl|ndjson)$/.test(extname(where)) ? 'jsonl' : 'csv')) === 'jsonl';
  const lines = isJsonl ? jsonLines(text, where) : csvLines(text, where, source);
  const { columns } = source;
  for (const { values } of lines) {
    const path = values.get(columns.path) ?? '';
    const cell = (column: string | undefined) =>
      (column === undefined ? undefined : values.get(column)) ?? null;
    const uri = path.startsWith('npm:') ? path : uriOfBytes(Buffer.from(belowRoot(path, root)));
    yield {
      uri,
      name: cell(columns.name) ?? uri,
      label: cell(columns.label),
      split: cell(columns.split),
      group: cell(columns.group),
    };
  }
}

/** An absolute path below the root becomes relative to it; one elsewhere stays, and ends in the ledger. */
function belowRoot(path: string, root: string): string {
  if (!isAbsolute(path)) return path;
  const below = relative(root, path);
  return below === '' || below.startsWith('..') ? path : below;
}

/** Empty cells are absent values. */
function csvLines(text: string, where: string, source: ListSource): Line[] {
  const [header, ...rows] = parseCsv(text, { where, delimiter: source.delimiter });
  const names = header?.fields ?? [];
  const wanted = Object.values(source.columns).filter((column) => column !== undefined);
  const lacking = wanted.filter((column) => !names.includes(column));
  if (lacking.length > 0) {
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'a list lacks a column',
      where: `${where}, line 1`,
      wanted: lacking.join(', '),
      got: names.length === 0 ? 'an empty file' : names.join(', '),
      next: 'Name the columns of the list in `source.columns` of the dataset header.',
    });
  }
  return rows.map(({ line, fields }) => {
    if (fields.length !== names.length) {
      throw new StillhouseError({
        kind: 'bad-input',
        what: 'a row of another length',
        where: `${where}, line ${line}`,
        wanted: `${names.length} fields`,
        got: `${fields.length}`,
        next: 'Quote fields that hold delimiters, or set `source.delimiter`.',
      });
    }
    return {
      line,
      values: new Map(names.map((name, i) => [name, fields[i]!] as const).filter(([, v]) => v !== '')),
    };
  });
}

function jsonLines(text: string, where: string): Line[] {
  return text.split('\n').flatMap((raw, index) => {
    if (raw.trim() === '') return [];
    const line = index + 1;
    const value = parsedObject(raw, `${where}, line ${line}`);
    const values = Object.entries(value)
      .filter(([, cell]) => ['string', 'number', 'boolean'].includes(typeof cell) && cell !== '')
      .map(([key, cell]) => [key, String(cell)] as const);
    return [{ line, values: new Map(values) }];
  });
}

function parsedObject(raw: string, where: string): object {
  const refused = (cause?: unknown) =>
    new StillhouseError(
      {
        kind: 'bad-input',
        what: 'a line that is not a JSON object',
        where,
        got: raw.length > 80 ? `${raw.slice(0, 80)}...` : raw,
        next: 'Write one JSON object per line.',
      },
      cause,
    );
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch (cause) {
    throw refused(cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused();
  return value;
}
