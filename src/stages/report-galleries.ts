/** The report's sections on what was rejected: examples of curation, the ledger. */
import { join } from 'node:path';
import { z } from 'zod';
import { readParquet } from '../format/parquet-table.ts';
import type { CurateFacts, LedgerFacts, RejectedExample } from '../report/input.ts';
import type { RunResult } from '../run/execute.ts';
import { LEDGER_COLUMNS, LEDGER_FILE } from './ledger-table.ts';
import { imagesOf } from './report-images.ts';
import { stagesNamed } from './summary.ts';
import { thumbnailOf } from './thumbnails.ts';

const EXAMPLES_PER_REASON = 8;
const LEDGER_SAMPLE = 60;

export async function curateFacts(result: RunResult): Promise<CurateFacts | null> {
  const [curate] = stagesNamed(result, 'curate');
  if (!curate) return null;
  const facts = z
    .looseObject({ before: z.record(z.string(), z.number()), after: z.record(z.string(), z.number()) })
    .parse(curate.outcome.facts);
  const ledger = await readParquet(join(curate.folder, LEDGER_FILE), { columns: LEDGER_COLUMNS });
  const images = await imagesOf(result);
  const shown = new Map<string, number>();
  const examples: RejectedExample[] = [];
  for (const { imageId, reason, detail } of ledger) {
    const image = imageId === null ? undefined : images.get(imageId);
    if (!image || (shown.get(reason) ?? 0) >= EXAMPLES_PER_REASON) continue;
    shown.set(reason, (shown.get(reason) ?? 0) + 1);
    examples.push({ thumbnail: await thumbnailOf(image.row, image.places), reason, detail });
  }
  return {
    seen: curate.outcome.seen,
    kept: curate.outcome.kept,
    rejected: curate.outcome.rejected,
    classes: Object.entries(facts.before).map(([label, before]) => ({
      label,
      before,
      after: facts.after[label] ?? 0,
    })),
    examples,
    rowsIn: `${curate.id}/${LEDGER_FILE}`,
  };
}

/** Rejections of every stage: bad files first, since they are the ones a person can mend. */
export async function ledgerFacts(result: RunResult): Promise<LedgerFacts | null> {
  const stages = result.results.filter(({ outcome }) =>
    outcome.outputs.some(({ name }) => name === 'ledger'),
  );
  if (stages.length === 0) return null;
  const all = [];
  for (const { folder } of stages)
    all.push(...(await readParquet(join(folder, LEDGER_FILE), { columns: LEDGER_COLUMNS })));
  return {
    rows: all.slice(0, LEDGER_SAMPLE),
    total: all.length,
    rowsIn: stages.map(({ id }) => `${id}/${LEDGER_FILE}`).join(', '),
  };
}
