/**
 * Runs a pipeline: skips what has not changed, runs the rest, checks that every outcome balances, and leaves a folder from which
 * the same command goes on after any interruption.
 */
import { appendFileSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import type { Clock } from '../core/clock.ts';
import type { Json } from '../core/canonical-json.ts';
import { StillhouseError } from '../core/failure.ts';
import { FileDigests } from '../core/file-digests.ts';
import { type CommitFs, asStoreFailure, nodeFs } from '../store/commit-fs.ts';
import { takeLease } from '../store/lease.ts';
import type { RunEvent, StageEvents } from './events.ts';
import {
  fingerprintOf,
  inputDigests,
  outputsPresent,
  readMarker,
  removeMarker,
  writeMarker,
} from './marker.ts';
import type { Pipeline, PipelineNode } from './pipeline.ts';
import type { Outcome, StageContext, UpstreamResult } from './stage.ts';

export interface RunOptions {
  /** Holds one folder per run and, by default, the cache. */
  readonly outRoot: string;
  readonly runName: string;
  readonly cacheRoot: string;
  /** What the cache is read and written with. Default: the file system. */
  readonly cacheFs?: CommitFs;
  readonly weights?: StageContext['weights'];
  readonly seed: number;
  readonly device: string;
  readonly workers: number;
  /** Default: no limit. */
  readonly memoryLimitBytes?: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
}

export interface StageResult extends UpstreamResult {
  readonly reused: boolean;
  readonly seconds: number;
}

export interface RunResult {
  readonly folder: string;
  readonly results: readonly StageResult[];
  readonly seconds: number;
}

/** One line of a dry run. `plan` is null where it depends on a stage that has not run. */
export interface PlannedStage {
  readonly id: string;
  readonly stage: string;
  readonly state: 'reused' | 'planned' | 'waits';
  readonly plan: Json;
}

export async function runPipeline(pipeline: Pipeline, options: RunOptions): Promise<RunResult> {
  const folder = join(options.outRoot, options.runName);
  keepApart(folder, options.cacheRoot);
  await nodeFs.makeFolder(folder).catch((error: unknown) => {
    throw asStoreFailure(error, folder);
  });
  const lease = await takeLease(join(folder, '.lease'));
  const started = options.clock.elapsedMs();
  const record = eventLog(join(folder, 'events.ndjson'), options);
  let current: string | null = null;
  try {
    await nodeFs.remove(join(folder, 'events.ndjson'));
    record({ kind: 'run-started', pipeline: pipeline.name, seed: options.seed });
    const done = new Map<string, StageResult>();
    const digests = new FileDigests();
    for (const node of pipeline.nodes) {
      current = node.id;
      stopIfAborted(options.signal);
      done.set(node.id, await runStage({ node, pipeline, options, folder, done, digests, record }));
    }
    const seconds = secondsSince(started, options.clock);
    record({ kind: 'run-finished', seconds });
    return { folder, results: [...done.values()], seconds };
  } catch (error) {
    const failure = options.signal.aborted ? interrupted(current) : error;
    record({
      kind: 'run-failed',
      stage: current,
      message: failure instanceof Error ? failure.message : String(failure),
    });
    throw failure;
  } finally {
    await lease.release();
  }
}

interface StageRun {
  readonly node: PipelineNode;
  readonly pipeline: Pipeline;
  readonly options: RunOptions;
  readonly folder: string;
  readonly done: ReadonlyMap<string, StageResult>;
  readonly digests: FileDigests;
  readonly record: (event: RunEvent) => void;
}

async function runStage(run: StageRun): Promise<StageResult> {
  const { node, options, done, record } = run;
  const { context, fingerprint, reusable } = await prepare(run);
  if (reusable) {
    record({
      kind: 'stage-reused',
      stage: node.id,
      seen: reusable.outcome.seen,
      kept: reusable.outcome.kept,
    });
    return {
      id: node.id,
      stage: node.stage.name,
      folder: context.folder,
      outcome: reusable.outcome,
      reused: true,
      seconds: 0,
    };
  }
  const started = options.clock.elapsedMs();
  await removeMarker(context.folder);
  await dropOtherWork(context);
  const plan = await node.bound.plan(done, context);
  record({ kind: 'stage-started', stage: node.id, plan: plan.description });
  const outcome = await plan.execute(context);
  assertBalanced(node.id, outcome);
  const seconds = secondsSince(started, options.clock);
  await writeMarker(context.folder, { fingerprint, seconds, outcome });
  await nodeFs.remove(context.workFolder);
  const rejected = Object.values(outcome.rejected).reduce((sum, n) => sum + n, 0);
  record({
    kind: 'stage-finished',
    stage: node.id,
    seen: outcome.seen,
    kept: outcome.kept,
    rejected,
    seconds,
  });
  return { id: node.id, stage: node.stage.name, folder: context.folder, outcome, reused: false, seconds };
}

async function prepare(run: Omit<StageRun, 'record'> & { record?: StageRun['record'] }) {
  const { node, pipeline, options, folder, done, digests } = run;
  const stageFolder = join(folder, node.id);
  const base: Omit<StageContext, 'workFolder'> = {
    folder: stageFolder,
    baseFolder: pipeline.baseFolder,
    cacheRoot: options.cacheRoot,
    cacheFs: options.cacheFs ?? nodeFs,
    weights: options.weights,
    digests,
    seed: options.seed,
    device: options.device,
    workers: options.workers,
    memoryLimitBytes: options.memoryLimitBytes ?? Infinity,
    clock: options.clock,
    events: stageEvents(node.id, run.record ?? (() => undefined)),
    signal: options.signal,
  };
  const fingerprint = fingerprintOf({
    stage: node.stage.name,
    version: node.stage.version,
    params: node.bound.params,
    seed: options.seed,
    inputs: inputDigests(done, node.bound.inputs),
    sources: await node.bound.sources({ ...base, workFolder: stageFolder }),
  });
  const context: StageContext = {
    ...base,
    workFolder: join(stageFolder, `work-${fingerprint.slice(0, 16)}`),
  };
  const marker = await readMarker(stageFolder);
  const reusable =
    marker?.fingerprint === fingerprint &&
    (await outputsPresent(stageFolder, marker.outcome, outputsFs(base)))
      ? marker
      : null;
  return { context, fingerprint, reusable };
}

/** What a run would do, stage by stage; writes nothing. */
export async function planPipeline(pipeline: Pipeline, options: RunOptions): Promise<PlannedStage[]> {
  const folder = join(options.outRoot, options.runName);
  keepApart(folder, options.cacheRoot);
  const done = new Map<string, StageResult>();
  const digests = new FileDigests();
  const planned: PlannedStage[] = [];
  for (const node of pipeline.nodes) {
    const { id, stage } = node;
    if (!node.bound.inputs.every((input) => done.has(input))) {
      planned.push({
        id,
        stage: stage.name,
        state: 'waits',
        plan: { for: node.bound.inputs.filter((input) => !done.has(input)) },
      });
      continue;
    }
    const { context, reusable } = await prepare({ node, pipeline, options, folder, done, digests });
    if (reusable) {
      done.set(id, {
        id,
        stage: stage.name,
        folder: context.folder,
        outcome: reusable.outcome,
        reused: true,
        seconds: 0,
      });
      planned.push({ id, stage: stage.name, state: 'reused', plan: null });
    } else
      planned.push({
        id,
        stage: stage.name,
        state: 'planned',
        plan: (await node.bound.plan(done, context)).description,
      });
  }
  return planned;
}

/** Outputs lie in the stage's folder, or in the cache, which may be elsewhere than on this file system. */
function outputsFs({ cacheRoot, cacheFs }: Pick<StageContext, 'cacheRoot' | 'cacheFs'>): CommitFs {
  const inCache = (path: string): boolean => path.startsWith(cacheRoot + sep);
  return { ...nodeFs, sizeBytes: (path) => (inCache(path) ? cacheFs : nodeFs).sizeBytes(path) };
}

/** A run is thrown away freely, a cache is not: neither may lie inside the other. */
function keepApart(runFolder: string, cacheRoot: string): void {
  const inside = (inner: string, outer: string): boolean =>
    `${resolve(inner)}/`.startsWith(`${resolve(outer)}/`);
  if (!inside(runFolder, cacheRoot) && !inside(cacheRoot, runFolder)) return;
  throw new StillhouseError({
    kind: 'usage',
    what: 'the folder of the run and the cache of targets lie in each other',
    where: runFolder,
    wanted: 'two folders, neither inside the other',
    got: `the cache in ${cacheRoot}`,
    next: 'give the run another name, or choose another --cache',
  });
}

function assertBalanced(id: string, outcome: Outcome): void {
  const rejected = Object.values(outcome.rejected).reduce((sum, n) => sum + n, 0);
  if (outcome.seen !== outcome.kept + rejected)
    throw new Error(
      `internal: stage ${id} saw ${outcome.seen}, kept ${outcome.kept} and rejected ${rejected}: the totals do not balance`,
    );
}

/** Work of another fingerprint is of no use to anyone. */
async function dropOtherWork(context: StageContext): Promise<void> {
  await nodeFs.makeFolder(context.folder);
  for (const name of await nodeFs.list(context.folder)) {
    const path = join(context.folder, name);
    if (name.startsWith('work-') && path !== context.workFolder) await nodeFs.remove(path);
  }
}

function stageEvents(stage: string, record: (event: RunEvent) => void): StageEvents {
  return {
    progress: (done, total, unit, detail) =>
      record({
        kind: 'stage-progress',
        stage,
        done,
        total,
        unit,
        ...(detail === undefined ? {} : { detail }),
      }),
    note: (text, data) =>
      record({ kind: 'stage-note', stage, text, ...(data === undefined ? {} : { data }) }),
  };
}

function eventLog(path: string, options: RunOptions): (event: RunEvent) => void {
  return (event) => {
    options.onEvent(event);
    // progress is for eyes, not for the record
    if (event.kind === 'stage-progress') return;
    try {
      appendFileSync(path, `${JSON.stringify({ at: options.clock.nowIso(), ...event })}\n`);
    } catch (error) {
      // the log must not hide the failure it would have recorded
      if (event.kind !== 'run-failed') throw asStoreFailure(error, path);
    }
  };
}

function stopIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw interrupted(null);
}

function interrupted(stage: string | null): StillhouseError {
  return new StillhouseError({
    kind: 'interrupted',
    what: 'interrupted',
    ...(stage === null ? {} : { where: `stage ${stage}` }),
    next: 'run the same command again: it goes on from what is committed',
  });
}

const secondsSince = (startedMs: number, clock: Clock): number =>
  Math.round((clock.elapsedMs() - startedMs) / 10) / 100;
