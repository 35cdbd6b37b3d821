/** What every running verb shares: signals, progress, dry run, the table of stages, and the JSON document. */
import { join, relative, resolve } from 'node:path';
import { machineClock } from '../core/clock.ts';
import type { Json } from '../core/canonical-json.ts';
import { planPipeline, type RunOptions, runPipeline } from '../run/execute.ts';
import { bindPipeline, type PipelineFile } from '../run/pipeline.ts';
import { finishRun } from '../stages/finish.ts';
import { obeyGates } from '../stages/gate-verdict.ts';
import { STAGES } from '../stages/registry.ts';
import { openCachePlace } from './cache-place.ts';
import { type CommonOptions, cacheNameOf } from './common-options.ts';
import { planText } from './plan-text.ts';
import { printJson } from './print-json.ts';
import { progressPrinter } from './progress.ts';
import { standardError } from './status-line.ts';
import { textTable } from './table.ts';
import { weightsPlaces } from './weights-options.ts';

export interface SessionInput {
  readonly file: PipelineFile;
  /** Where the pipeline stands: messages name it and relative paths start there. */
  readonly path: string;
  readonly options: CommonOptions;
  /** What to type to get this run again. */
  readonly command: string;
  readonly signal: AbortSignal;
}

/** Runs a pipeline, or prints its plan, and reports on stdout. */
export async function runSession(input: SessionInput): Promise<void> {
  const { file, path, options, command, signal } = input;
  const pipeline = await bindPipeline(file, STAGES, path);
  const print = progressPrinter(standardError(), machineClock);
  const started = machineClock.nowIso();
  const place = await openCachePlace(cacheNameOf(options, pipeline.cache), options);
  const run: RunOptions = {
    outRoot: resolve(options.out),
    runName: pipeline.name,
    cacheRoot: place.root,
    cacheFs: place.fs,
    weights: weightsPlaces(options),
    seed: options.seed ?? pipeline.seed,
    device: options.device,
    workers: options.workers,
    memoryLimitBytes: options.memoryLimit ?? process.availableMemory(),
    clock: machineClock,
    signal,
    onEvent: print,
  };
  if (options.dryRun) {
    const plan = await planPipeline(pipeline, run);
    if (options.json) printJson({ dryRun: true, stages: plan as unknown as Json });
    else process.stdout.write(`${planText(plan)}\n`);
    return;
  }
  const result = await runPipeline(pipeline, run);
  const finished = await finishRun({ pipeline, file, run, result, started, command });
  if (options.json) {
    printJson(finished.summary);
    obeyGates(result);
    return;
  }
  const rows = result.results.map(({ id, outcome, seconds, reused }) => [
    id,
    outcome.seen,
    outcome.kept,
    Object.values(outcome.rejected).reduce((sum, n) => sum + n, 0),
    reused ? 'reused' : seconds.toFixed(1),
  ]);
  process.stdout.write(`${textTable(['stage', 'seen', 'kept', 'rejected', 'seconds'], rows)}\n`);
  for (const line of finished.headlines) process.stdout.write(`${line}\n`);
  process.stdout.write(`report:  ${relative(process.cwd(), finished.reportPath)}\n`);
  process.stdout.write(`summary: ${relative(process.cwd(), join(result.folder, 'summary.json'))}\n`);
  obeyGates(result);
}
