/** `impact`: what overlap does to a benchmark's figures, from a table of per-item scores of one or more models. */
import * as fsp from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { meets } from '../audit/evidence.ts';
import { type ScoredItem, impactOf, rankChanges, sensitivity } from '../audit/impact/impact.ts';
import type { Json } from '../core/canonical-json.ts';
import { sha256 } from '../core/digest.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { Rng } from '../core/rng.ts';
import { readParquet, writeParquet } from '../format/parquet-table.ts';
import { type Stage, type StageContext, asAnyStage } from '../run/stage.ts';
import { auditParams, thresholdsOf } from './audit-params.ts';
import { ITEM_COLUMNS, readPairs } from './audit-tables.ts';
import { upstreamOf } from './dataset-access.ts';
import { writeOutput } from './ledger-table.ts';

const params = z.strictObject({
  audit: z.string(),
  /** Parquet with columns `item` (image id or name), `model`, `score` in [0, 1]; relative to the pipeline file. */
  scores: z.string().min(1),
});
type ImpactParams = z.infer<typeof params>;

const SCORE_COLUMNS = { item: 'string?', model: 'string?', score: 'double?' } as const;

interface ImpactPlan {
  readonly models: ReadonlyMap<string, readonly ScoredItem[]>;
  readonly cut: number;
  readonly unknown: number;
}

/** Correlations at which the impact is shown; the match threshold of the audit is the one that tests use. */
const CUTS = [0.8, 0.85, 0.9, 0.95, 0.975, 0.99, 1];

const IMPACT_COLUMNS = {
  model: 'string',
  cut: 'double',
  overlapItems: 'int32',
  inflation: 'double?',
} as const;

const stage: Stage<ImpactParams, ImpactPlan> = {
  name: 'impact',
  version: 1,
  params,
  inputs: ({ audit }) => [audit],
  sources: async ({ scores }, context) => ({ scores: sha256(await bytesOf(scores, context)) }),
  plan: async ({ audit: id, scores }, inputs, context) => {
    const audit = upstreamOf(inputs, id, ['audit']);
    const { match } = z.looseObject({ match: auditParams.shape.match }).parse(audit.outcome.facts);
    const closeness = new Map<string, number>();
    for (const { type, b, evidence } of await readPairs(join(audit.folder, 'pairs.parquet'))) {
      if (type !== 'train-eval' || !('ncc' in evidence)) continue;
      // pairs whose structure differs are no copies, however well they correlate
      if (!meets(evidence, thresholdsOf(['verified'], { ...match, ncc: -1 }))) continue;
      closeness.set(b, Math.max(closeness.get(b) ?? -1, evidence.ncc));
    }
    const items = await readParquet(join(audit.folder, 'items.parquet'), { columns: ITEM_COLUMNS });
    const byKey = new Map(
      items
        .filter(({ side, degenerate }) => side === 'eval' && !degenerate)
        .flatMap((item) => [[item.imageId, item] as const, [item.name, item] as const]),
    );
    const models = new Map<string, Map<string, ScoredItem>>();
    let unknown = 0;
    const rows = await readParquet(resolve(context.baseFolder, scores), { columns: SCORE_COLUMNS });
    rows.forEach(({ item: key, model, score }, i) => {
      if (key === null || model === null || score === null || !(score >= 0 && score <= 1))
        throw refused(
          `${scores}, row ${i}`,
          'item, model and a score from 0 to 1',
          `${key}, ${model}, ${score}`,
        );
      const item = byKey.get(key);
      if (item === undefined) {
        unknown += 1;
        return;
      }
      const own = models.get(model) ?? new Map<string, ScoredItem>();
      models.set(model, own);
      if (own.has(item.imageId))
        throw refused(`${scores}, row ${i}`, 'one score per item and model', `${key} twice`);
      own.set(item.imageId, {
        id: item.imageId,
        label: item.label,
        score,
        closeness: closeness.get(item.imageId) ?? null,
      });
    });
    if (models.size === 0) throw refused(scores, 'scores of evaluation images', `${unknown} rows of others`);
    return {
      models: new Map(
        [...models].sort(([x], [y]) => (x < y ? -1 : 1)).map(([name, own]) => [name, [...own.values()]]),
      ),
      cut: match.ncc,
      unknown,
    };
  },
  describe: ({ models, unknown }) => ({
    models: [...models.keys()],
    items: Math.max(...[...models.values()].map((items) => items.length)),
    unknown,
  }),
  execute: async ({ models, cut, unknown }, context) => {
    const impacts = impactOf({ models, cut, rng: new Rng(context.seed, 'impact') });
    const curve = sensitivity(models, CUTS);
    const seen = [...models.values()].reduce((sum, items) => sum + items.length, unknown);
    return {
      seen,
      kept: seen - unknown,
      rejected: { 'not-an-evaluation-image': unknown },
      outputs: [
        await writeOutput(context.folder, {
          name: 'impact',
          path: 'impact.parquet',
          bytes: writeParquet(IMPACT_COLUMNS, curve),
        }),
      ],
      facts: { cut, models: impacts, ranks: rankChanges(impacts) } as unknown as Json,
    };
  },
};

async function bytesOf(path: string, { baseFolder }: StageContext): Promise<Buffer> {
  try {
    return await fsp.readFile(resolve(baseFolder, path));
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === undefined) throw error;
    throw refused(path, 'a readable file', code, error);
  }
}

function refused(where: string, wanted: string, got: string, cause?: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'bad-input',
      what: 'a table of scores cannot be used',
      where,
      wanted,
      got,
      next: 'write the table again: one row per item and model',
    },
    cause,
  );
}

export const impactStage = asAnyStage(stage);
