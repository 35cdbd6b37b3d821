/**
 * `statistics`: figures of the features that a student would be trained on, per space, and how well maps interpolate between the
 * sizes that are cached. Over the views of one dataset alone: what else the cache holds, such as evaluation images, has no part in it.
 */
import { join, relative } from 'node:path';
import { z } from 'zod';
import { wantedRows } from '../cache/plan.ts';
import type { RowKey } from '../cache/row-key.ts';
import { type Interpolation, measureInterpolation, sizePairs } from '../cache/statistics/interpolation.ts';
import { figuresOf, keptStatistics } from '../cache/statistics/kept-statistics.ts';
import { keepsFeatures } from '../cache/statistics/measure-space.ts';
import { statisticsFile } from '../cache/statistics/statistics-files.ts';
import type { Json } from '../core/canonical-json.ts';
import type { Digest } from '../core/ids.ts';
import { viewsOf } from '../images/view.ts';
import { type Outcome, type Stage, type StageContext, type StageOutput, asAnyStage } from '../run/stage.ts';
import { type NamedSpace, cachedSpacesOf, readSpaces, viewsIn } from './cached-spaces.ts';
import { openDataset, upstreamOf } from './dataset-access.ts';
import { writeOutput } from './ledger-table.ts';

const params = z.strictObject({
  /** Stage whose images are measured, and the cache stage that holds their targets. */
  dataset: z.string(),
  cache: z.string(),
  /** Targets of each space to measure at most; a choice by key, always the same. Default: all. */
  rows: z.int().min(1).exactOptional(),
  /** Maps per pair of sizes; 0: none are compared. */
  interpolationRows: z.int().min(0).default(1000),
});
type StatisticsParams = z.infer<typeof params>;

interface StatisticsPlan {
  readonly params: StatisticsParams;
  readonly spaces: readonly NamedSpace[];
  readonly keys: readonly RowKey[];
}

export const STATISTICS_FILE = 'statistics.json';

const stage: Stage<StatisticsParams, StatisticsPlan> = {
  name: 'statistics',
  version: 1,
  params,
  inputs: ({ dataset, cache }) => [dataset, cache],
  sources: () => Promise.resolve({}),
  plan: async (params, inputs, context) => {
    const dataset = await openDataset(inputs, params.dataset);
    const cache = upstreamOf(inputs, params.cache, ['cache']);
    const family = viewsIn(cache, params.dataset);
    const wanted = dataset.rows.map((image) => ({ image, views: viewsOf(family, context.seed, image.id) }));
    return { params, spaces: cachedSpacesOf(cache), keys: wantedRows(wanted).map(({ key }) => key) };
  },
  describe: ({ params, spaces, keys }) => ({
    spaces: spaces.map(({ label }) => label),
    views: Math.min(keys.length, params.rows ?? Infinity),
  }),
  execute: measure,
};

async function measure({ params, spaces, keys }: StatisticsPlan, context: StageContext): Promise<Outcome> {
  const { signal, clock } = context;
  const rejected: Record<string, number> = {};
  const outputs: StageOutput[] = [];
  const figures: Json[] = [];
  const interpolation: Interpolation[] = [];
  const reject = (reason: string): void => void (rejected[reason] = (rejected[reason] ?? 0) + 1);
  await readSpaces(context, spaces, async (byLabel) => {
    for (const [label, space] of byLabel) {
      const onProgress = (done: number, total: number): void =>
        context.events.progress(done, total, `targets of ${label}`);
      if (!keepsFeatures(space.descriptor)) {
        reject('codec-changes-features');
        continue;
      }
      const kept = await keptStatistics({ space, clock, keys, rows: params.rows, signal, onProgress });
      if (kept === null) {
        reject('no-usable-target');
        continue;
      }
      const path = join(context.cacheRoot, statisticsFile(kept.statsSha256));
      outputs.push({
        name: label,
        path: relative(context.folder, path),
        digest: kept.statsSha256 as Digest,
        files: [{ path: relative(context.folder, path), sizeBytes: await space.fs.sizeBytes(path) }],
      });
      figures.push(figuresOf(space, kept));
    }
    if (params.interpolationRows > 0)
      for (const pair of sizePairs(byLabel.values())) {
        const found = await measureInterpolation({ ...pair, keys, rows: params.interpolationRows, signal });
        if (found !== null) interpolation.push(found);
      }
  });
  const facts = { spaces: figures, interpolation: interpolation as unknown as Json };
  const bytes = Buffer.from(`${JSON.stringify(facts, null, 2)}\n`);
  outputs.push(await writeOutput(context.folder, { name: 'figures', path: STATISTICS_FILE, bytes }));
  return { seen: spaces.length, kept: figures.length, rejected, outputs, facts };
}

export const statisticsStage = asAnyStage(stage);
