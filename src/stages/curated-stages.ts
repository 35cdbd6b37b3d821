/** What finished curations left in the folder of a run. */
import * as fsp from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { jsonOrNull } from '../core/json-or-null.ts';
import type { ImageId } from '../core/ids.ts';
import { filterSchema } from '../curate/filter-images.ts';
import { type RowOf, readParquet } from '../format/parquet-table.ts';
import { readMarker } from '../run/marker.ts';
import { type ImageHashes, readHashTable } from './audit-hashes.ts';
import { CURATE_LEDGER_COLUMNS, CURATION_FILE, KEPT_COLUMNS, KEPT_FILE } from './curate-tables.ts';
import { LEDGER_FILE } from './ledger-table.ts';

const recordSchema = z.looseObject({
  parents: z.array(z.object({ role: z.string(), from: z.string(), images: z.number() }).loose()),
  policy: z.looseObject({ filters: filterSchema }),
  steps: z.array(z.object({ step: z.string(), seen: z.number(), removed: z.number() }).loose()),
});

export interface CuratedStage {
  readonly id: string;
  readonly folder: string;
  readonly record: z.infer<typeof recordSchema>;
  readonly ledger: readonly RowOf<typeof CURATE_LEDGER_COLUMNS>[];
  readonly kept: readonly RowOf<typeof KEPT_COLUMNS>[];
  /** Hashes and measures of the images that the stage looked at. */
  readonly hashes: ReadonlyMap<ImageId, ImageHashes>;
  /** Where the images that it chose among came from. */
  readonly source: CuratedSource;
}

export interface CuratedSource {
  /** The curation that left them, or the stage of a dataset that no curation touched. */
  readonly id: string;
  readonly isCurated: boolean;
  /** Only this part of them. */
  readonly split: string | null;
}

/** The curations of a run, each after all those that it reads, as its own set or as another. @throws StillhouseError bad-input when there is none. */
export async function curatedStages(runFolder: string): Promise<CuratedStage[]> {
  const unordered: Omit<CuratedStage, 'source'>[] = [];
  for (const id of await namesIn(runFolder)) {
    const folder = join(runFolder, id);
    const record = await readRecord(join(folder, CURATION_FILE));
    // a stage that was cut off has no marker
    if (record === null || (await readMarker(folder)) === null) continue;
    unordered.push({
      id,
      folder,
      record,
      ledger: await readParquet(join(folder, LEDGER_FILE), { columns: CURATE_LEDGER_COLUMNS }),
      kept: await readParquet(join(folder, KEPT_FILE), { columns: KEPT_COLUMNS }),
      hashes: new Map((await readHashTable(folder)).map((one) => [one.id, one])),
    });
  }
  if (unordered.length === 0)
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'there is no finished curation',
      where: runFolder,
      wanted: `a run folder in which a stage left ${CURATION_FILE}`,
      got: 'none',
      next: 'run `stillhouse curate` first, or name its run with --name and --out',
    });
  const ids = new Set(unordered.map(({ id }) => id));
  const stages: { readonly stage: CuratedStage; readonly reads: readonly string[] }[] = [];
  for (const stage of unordered) {
    const sources = new Map<string, CuratedSource>();
    for (const { from } of stage.record.parents) sources.set(from, await sourceOf(from, runFolder, ids));
    const own = stage.record.parents.find(({ role }) => role === 'train')!.from;
    stages.push({
      stage: { ...stage, source: sources.get(own)! },
      reads: [...sources.values()].filter(({ isCurated }) => isCurated).map(({ id }) => id),
    });
  }
  const ordered: CuratedStage[] = [];
  const done = new Set<string>();
  while (ordered.length < stages.length) {
    const next = stages.find(({ stage, reads }) => !done.has(stage.id) && reads.every((id) => done.has(id)));
    // a pipeline has no circles, but a folder may hold what two of them left
    if (next === undefined) throw circle(runFolder);
    ordered.push(next.stage);
    done.add(next.stage.id);
  }
  return ordered;
}

const partFacts = z.looseObject({ dataset: z.string(), split: z.string() });

/** A part of a split leads to the set that was split, which may be a part again. */
async function sourceOf(id: string, runFolder: string, curated: ReadonlySet<string>): Promise<CuratedSource> {
  if (curated.has(id)) return { id, isCurated: true, split: null };
  const marker = await readMarker(join(runFolder, id));
  const part = partFacts.safeParse(marker?.outcome.facts);
  if (!part.success) return { id, isCurated: false, split: null };
  const whole = await sourceOf(part.data.dataset, runFolder, curated);
  return { ...whole, split: part.data.split };
}

function circle(runFolder: string): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'curations in this folder name each other as parents',
    where: runFolder,
    wanted: 'what one pipeline left',
    got: 'stages of several',
    next: 'run the pipeline again into an empty folder (--out)',
  });
}

/** Null where a stage left none. @throws StillhouseError integrity when the file was changed. */
async function readRecord(path: string): Promise<z.infer<typeof recordSchema> | null> {
  let text: string;
  try {
    text = await fsp.readFile(path, 'utf8');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT' || systemCodeOf(error) === 'ENOTDIR') return null;
    throw error;
  }
  const parsed = recordSchema.safeParse(jsonOrNull(text));
  if (parsed.success) return parsed.data;
  throw new StillhouseError({
    kind: 'integrity',
    what: 'the record of a curation was changed',
    where: path,
    wanted: 'the JSON that the stage wrote',
    got: z.prettifyError(parsed.error),
    next: 'run the curation again',
  });
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await fsp.readdir(folder)).sort();
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
    return [];
  }
}
