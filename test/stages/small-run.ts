/** Runs index, cache, audit and curate on a temp folder of real emoji with a tiny teacher: seconds, not minutes. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Json } from '../../src/core/canonical-json.ts';
import { machineClock } from '../../src/core/clock.ts';
import { type RunResult, runPipeline } from '../../src/run/execute.ts';
import type { RunEvent } from '../../src/run/events.ts';
import { type PipelineFile, bindPipeline } from '../../src/run/pipeline.ts';
import { finishRun } from '../../src/stages/finish.ts';
import { STAGES } from '../../src/stages/registry.ts';
import { summarySchema } from '../../src/stages/summary-schema.ts';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';

export interface SmallRun {
  readonly result: RunResult;
  readonly summary: Record<string, Json>;
  readonly events: readonly RunEvent[];
  readonly written: number;
  readonly reused: number;
  readonly report: string;
}

type Stages = PipelineFile['stages'];

/** Training side `train/`, evaluation side `eval/`, teacher `tiny.yaml` at two sizes. */
export const WHOLE: Stages = [
  { id: 'train-images', stage: 'index', with: { dataset: 'train', split: 'train' } },
  { id: 'eval-images', stage: 'index', with: { dataset: 'eval', split: 'eval' } },
  {
    id: 'embed',
    stage: 'cache',
    with: {
      datasets: [{ from: 'train-images', views: 2 }, { from: 'eval-images' }],
      teachers: [{ name: 'tiny.yaml', sizesPx: [16, 32] }],
      unitRows: 8,
    },
  },
  {
    id: 'audit',
    stage: 'audit',
    with: { train: 'train-images', eval: 'eval-images', embeddings: 'embed', truth: { twins: 'name' } },
  },
  { id: 'curate', stage: 'curate', with: { audit: 'audit', train: 'train-images', eval: 'eval-images' } },
];

/** A work folder with `train/` of Twitter's and `eval/` of Google's drawings of the same emoji, in two classes. */
export async function workFolder(options: { train: number; eval: number }): Promise<string> {
  const folder = await tempFolder();
  const names = await emojiNames(Math.max(options.train, options.eval));
  for (const [side, vendor] of [
    ['train', 'twitter'],
    ['eval', 'google'],
  ] as const) {
    await mkdir(join(folder, side));
    await copyEmoji(join(folder, side), { vendor, names: names.slice(0, options[side]), labels: 2 });
  }
  await writeTinyTeacher(folder);
  return folder;
}

/** One run in `<folder>/out`, summary and report included; everything seen must balance and the summary fit its schema. */
export async function smallRun(
  folder: string,
  stages: Stages = WHOLE,
  seed = 3,
  workers = 2,
): Promise<SmallRun> {
  const file: PipelineFile = { version: 1, name: 'small', seed, cache: 'cache', stages };
  const pipeline = await bindPipeline(file, STAGES, join(folder, 'small.yaml'));
  const events: RunEvent[] = [];
  const run = {
    outRoot: join(folder, 'out'),
    runName: 'small',
    cacheRoot: join(folder, 'out', 'cache'),
    seed,
    device: 'cpu',
    workers,
    clock: machineClock,
    signal: new AbortController().signal,
    onEvent: (event: RunEvent) => events.push(event),
  };
  const result = await runPipeline(pipeline, run);
  const started = machineClock.nowIso();
  const { summary, reportPath } = await finishRun({ pipeline, file, run, result, started, command: 'test' });
  summarySchema.parse(summary);
  const targets = summary['targets'] as { written: number; reused: number } | undefined;
  return {
    result,
    summary,
    events,
    written: targets?.written ?? 0,
    reused: targets?.reused ?? 0,
    report: reportPath,
  };
}

/** Seen, kept and rejections by reason of a stage. */
export function countsOf(run: SmallRun, id: string): { seen: number; kept: number; rejected: object } {
  const { outcome } = run.result.results.find((result) => result.id === id)!;
  return { seen: outcome.seen, kept: outcome.kept, rejected: outcome.rejected };
}

/** Ids of the stages that were not reused. */
export const ranIn = ({ result }: SmallRun): string[] =>
  result.results.filter(({ reused }) => !reused).map(({ id }) => id);

export function digestsOf(run: SmallRun): Record<string, string> {
  return Object.fromEntries(
    run.result.results.flatMap(({ id, outcome }) =>
      outcome.outputs.map((output) => [`${id}.${output.name}`, output.digest]),
    ),
  );
}
