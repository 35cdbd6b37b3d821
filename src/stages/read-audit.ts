/** Reads a finished audit back from its run folder, for commands that compare audits. */
import * as fsp from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { AuditGate, AuditRecord } from '../audit/diff/audit-record.ts';
import type { EvidenceLevel } from '../audit/evidence.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { readParquet } from '../format/parquet-table.ts';
import { type StageMarker, readMarker } from '../run/marker.ts';
import { auditFactsSchema } from './audit-facts.ts';
import { thresholdsOf } from './audit-params.ts';
import { ITEM_COLUMNS, readPairs } from './audit-tables.ts';

const gateFacts = z.looseObject({
  verdict: z.string(),
  rules: z.array(z.object({ rule: z.string(), verdict: z.string(), measured: z.number().nullable() })),
});

interface DoneStage {
  readonly folder: string;
  readonly marker: StageMarker;
}

/**
 * @param path of a run folder with one audit, or of the folder of an audit stage itself; then its gate is not looked for.
 * @throws StillhouseError bad-input when there is no finished audit, or more than one.
 */
export async function readAudit(path: string): Promise<AuditRecord> {
  const own = await readMarker(path);
  const stages = own === null ? await stagesBelow(path) : [{ folder: path, marker: own }];
  const audits = stages.filter(({ marker }) => has(marker, 'items') && has(marker, 'pairs'));
  if (audits.length !== 1)
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'this is no finished audit',
      where: path,
      wanted: 'a run folder with one audit in it, or the folder of an audit stage',
      got: audits.length === 0 ? 'none' : audits.map(({ folder }) => folder).join(', '),
      next: audits.length === 0 ? 'run `stillhouse audit`, then name out/<name>' : 'name one of them',
    });
  const [audit] = audits;
  const { levels, match, distances } = parsed(auditFactsSchema, audit!, 'audit');
  const names = [...new Set(levels.map(({ level }) => level))] as EvidenceLevel[];
  const gate = stages.find(({ marker }) => has(marker, 'verdict') && has(marker, 'sarif'));
  return {
    items: await readParquet(join(audit!.folder, 'items.parquet'), { columns: ITEM_COLUMNS }),
    pairs: await readPairs(join(audit!.folder, 'pairs.parquet')),
    thresholds: thresholdsOf(names, match),
    rates: levels,
    distances: distances.flatMap(({ level, summary }) => summary.map((one) => ({ level, ...one }))),
    gate: gate === undefined ? null : (parsed(gateFacts, gate, 'gate') satisfies AuditGate),
  };
}

const has = ({ outcome }: StageMarker, output: string): boolean =>
  outcome.outputs.some(({ name }) => name === output);

async function stagesBelow(path: string): Promise<DoneStage[]> {
  let names: string[];
  try {
    names = (await fsp.readdir(path)).sort();
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === undefined) throw error;
    throw new StillhouseError(
      { kind: 'bad-input', what: 'there is no such run', where: path, got: code, next: 'check the path' },
      error,
    );
  }
  const stages: DoneStage[] = [];
  for (const name of names) {
    const folder = join(path, name);
    const marker = await readMarker(folder).catch((error: unknown) => {
      // a file beside the stages, such as summary.json
      if (systemCodeOf(error) === 'ENOTDIR') return null;
      throw error;
    });
    if (marker !== null) stages.push({ folder, marker });
  }
  return stages;
}

function parsed<T>(schema: z.ZodType<T>, { folder, marker }: DoneStage, noun: string): T {
  const facts = schema.safeParse(marker.outcome.facts);
  if (facts.success) return facts.data;
  throw new StillhouseError({
    kind: 'bad-input',
    what: `this ${noun} is of another version of stillhouse`,
    where: folder,
    got: facts.error.issues
      .map(({ path, message }) => `${path.join('/')}: ${message}`)
      .join('; ')
      .slice(0, 200),
    next: 'run the audit again',
  });
}
