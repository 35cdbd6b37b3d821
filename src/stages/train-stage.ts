/** `train`: distils the cached teachers into one student; leaves the checkpoint and the loss of every step. */
import * as fsp from 'node:fs/promises';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { z } from 'zod';
import type { CachedSpace, Catalogue } from '../cache/catalogue.ts';
import { pixelSpaceOf } from '../cache/pixel-space.ts';
import { spaceIdOf } from '../cache/space.ts';
import { sha256 } from '../core/digest.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { writeParquet } from '../format/parquet-table.ts';
import { openLoader } from '../loader/open-loader.ts';
import type { Outcome, Stage, StageContext } from '../run/stage.ts';
import { asAnyStage } from '../run/stage.ts';
import { writeAtomic } from '../store/atomic.ts';
import { decodeCheckpoint, encodeCheckpoint } from '../student/checkpoint.ts';
import { type StudentConfig, parseStudentConfig } from '../student/student-config.ts';
import { type StepRecord, type TrainState, initialState, train } from '../student/trainer.ts';
import { type NamedSpace, cacheFactsSchema, cachedSpacesOf, readSpaces, viewsIn } from './cached-spaces.ts';
import { copiesOf } from './curate-tables.ts';
import { type OpenDataset, openDataset, upstreamOf } from './dataset-access.ts';
import { writeOutput } from './ledger-table.ts';
import { isHeldOut, loaderDataset, samplesOf, trainBatches } from './student-data.ts';
import { standardisationOf, targetSpecs, teacherWeights } from './student-targets.ts';

const params = z.strictObject({
  /** Stage whose images are trained on, and the cache stage that holds their targets. */
  dataset: z.string(),
  cache: z.string(),
  student: z
    .strictObject({
      imagePx: z.int().min(1).default(64),
      patchPx: z.int().min(1).default(8),
      width: z.int().min(1).default(192),
      depth: z.int().min(1).default(6),
      heads: z.int().min(1).default(3),
      mlpRatio: z.number().positive().default(4),
      registers: z.int().min(0).default(2),
      headHiddenCap: z.int().min(1).default(512),
    })
    .prefault({}),
  /** Loss weights by teacher; default: those of its manifest. */
  weights: z
    .record(z.string(), z.strictObject({ summary: z.number().min(0), spatial: z.number().min(0) }))
    .default({}),
  /** Scales every channel of the targets to mean 0 and deviation 1 over the training set. AM-RADIO itself does not. */
  standardise: z.boolean().default(true),
  /** Share of the images that is not trained on, so that the evaluation can fit the scale of summary heads on it. */
  heldOut: z.number().min(0).max(0.5).default(0.1),
  steps: z.int().min(1).default(600),
  /** Default: 32, or all samples where there are fewer. */
  batchSize: z.int().min(1).optional(),
  learningRate: z.number().positive().default(1e-3),
  warmupSteps: z.int().min(0).default(30),
  weightDecay: z.number().min(0).default(0.02),
  clipNorm: z.number().positive().default(1),
  checkpointEverySteps: z.int().min(1).default(100),
});
type TrainParams = z.infer<typeof params>;

interface TrainPlan {
  readonly params: TrainParams;
  readonly dataset: OpenDataset;
  readonly spaces: readonly NamedSpace[];
  readonly samples: ReturnType<typeof samplesOf>;
  readonly batchSize: number;
  readonly weights: StudentConfig['weights'];
}

const DEFAULT_BATCH = 32;
export const CHECKPOINT_FILE = 'student.safetensors';
const STEP_COLUMNS = { step: 'int32', name: 'string', value: 'double' } as const;

const stage: Stage<TrainParams, TrainPlan> = {
  name: 'train',
  version: 3,
  params,
  inputs: ({ dataset, cache }) => [dataset, cache],
  sources: () => Promise.resolve({ engine: ort.env.versions.node ?? ort.env.versions.common }),
  plan: async (params, inputs, context) => {
    const dataset = await openDataset(inputs, params.dataset);
    const cache = upstreamOf(inputs, params.cache, ['cache']);
    const facts = cacheFactsSchema.parse(cache.outcome.facts);
    const views = viewsIn(cache, params.dataset);
    const spaces = cachedSpacesOf(cache);
    const trained = dataset.rows.filter((row) => !isHeldOut(row, params.heldOut, context.seed));
    const copies = await copiesOf(inputs.get(params.dataset)!);
    const samples = samplesOf(
      trained.flatMap((row) => Array.from({ length: copies.get(row.id) ?? 1 }, () => row)),
      views,
      context.seed,
    );
    return {
      params,
      dataset,
      spaces,
      samples,
      batchSize: batchSizeFor(samples.length, params),
      weights: teacherWeights(facts, params.weights),
    };
  },
  describe: ({ params, samples, spaces, batchSize }) => ({
    samples: samples.length,
    steps: params.steps,
    epochs: Math.round((100 * params.steps * batchSize) / samples.length) / 100,
    targets: spaces.map(({ label }) => label),
  }),
  execute: (plan, context) =>
    readSpaces(
      context,
      plan.spaces,
      (byLabel, snapshot) => trainOn(plan, context, { byLabel, snapshot }),
      // pixels that the cache has are not decoded again
      [spaceIdOf(pixelSpaceOf(plan.params.student.imagePx))],
    ),
};

async function trainOn(
  plan: TrainPlan,
  context: StageContext,
  { byLabel, snapshot }: { readonly byLabel: ReadonlyMap<string, CachedSpace>; readonly snapshot: Catalogue },
): Promise<Outcome> {
  const { params, samples, batchSize } = plan;
  const config = await configOf(plan, context, byLabel);
  const loader = await openLoader<string, 'f32', 'f32'>({
    snapshot,
    dataset: loaderDataset(plan.dataset, samples),
    spaces: plan.spaces.map(({ label }) => label),
    pixels: { as: 'f32', size: config.vit.imagePx },
    batchSize,
    seed: context.seed,
    shuffle: { kind: 'global' },
    clock: context.clock,
  });
  const work = checkpointIn(context.workFolder);
  const from = (await work.load()) ?? { state: initialState(config), records: [] };
  if (from.state.step > 0) context.events.note(`goes on from step ${from.state.step}`);
  const records = from.records;
  const started = context.clock.elapsedMs();
  let state: TrainState;
  try {
    state = await train({
      from: from.state,
      batches: trainBatches(config, loader.batches(from.state.step, params.steps)),
      onStep: (record) => {
        records.push(record);
        context.events.progress(record.step + 1, params.steps, 'steps');
      },
      checkpointEverySteps: params.checkpointEverySteps,
      save: (saved) => work.save(saved, records),
      signal: context.signal,
    });
  } finally {
    await loader.close();
  }
  const { imagesDecoded, pixelsRead } = loader.counts;
  context.events.note(
    `${((context.clock.elapsedMs() - started) / 1000).toFixed(1)} s of training; pixels of ${pixelsRead} views from the cache, ${imagesDecoded} images decoded`,
  );
  const rows = records.flatMap(({ step, values }) =>
    Object.entries(values).map(([name, value]) => ({ step, name, value })),
  );
  const seen = params.steps * batchSize;
  return {
    seen,
    kept: seen,
    rejected: {},
    outputs: [
      await writeOutput(context.folder, {
        name: 'student',
        path: CHECKPOINT_FILE,
        bytes: encodeCheckpoint(state),
      }),
      await writeOutput(context.folder, {
        name: 'steps',
        path: 'steps.parquet',
        bytes: writeParquet(STEP_COLUMNS, rows),
      }),
    ],
    facts: {
      samples: samples.length,
      heldOut: params.heldOut,
      parameters: [...state.parameters.values()].reduce((sum, values) => sum + values.length, 0),
      loss: lossFacts(config, records),
      curves: lossCurves(config, records),
      student: params.student,
      steps: params.steps,
      batchSize,
      learningRate: params.learningRate,
      standardise: params.standardise,
    },
  };
}

/** @throws StillhouseError bad-input when there are fewer samples than the batch size that was asked for, or none. */
function batchSizeFor(samples: number, { batchSize, dataset }: TrainParams): number {
  const wanted = batchSize ?? Math.max(1, Math.min(DEFAULT_BATCH, samples));
  if (wanted <= samples) return wanted;
  throw new StillhouseError({
    kind: 'bad-input',
    what: 'there are too few images left to train on',
    where: `stage train, images of "${dataset}"`,
    wanted: `${wanted} samples or more, one batch`,
    got: `${samples}`,
    next: 'curate less strictly, add images or views, or lower batchSize of the train stage in a pipeline file',
  });
}

async function configOf(
  plan: TrainPlan,
  context: StageContext,
  byLabel: ReadonlyMap<string, CachedSpace>,
): Promise<StudentConfig> {
  const { params, spaces, samples, weights } = plan;
  const { imagePx, patchPx, width, depth, heads, mlpRatio, registers, headHiddenCap } = params.student;
  const standardisation = params.standardise
    ? await standardisationOf({ spaces, byLabel, samples, weights })
    : {};
  return parseStudentConfig(
    {
      vit: {
        imagePx,
        patchPx,
        width,
        depth,
        heads,
        mlpRatio,
        registers,
        teachers: [...new Set(spaces.map(({ teacher }) => teacher))],
      },
      headHiddenCap,
      targets: targetSpecs(spaces),
      weights,
      standardisation,
      optimiser: {
        learningRate: params.learningRate,
        finalLearningRate: params.learningRate * 0.02,
        warmupSteps: Math.min(params.warmupSteps, params.steps - 1),
        totalSteps: params.steps,
        beta1: 0.9,
        beta2: 0.98,
        epsilon: 1e-8,
        weightDecay: params.weightDecay,
        clipNorm: params.clipNorm,
      },
      batchSize: plan.batchSize,
      seed: context.seed,
    },
    'stage train',
  );
}

/** A checkpoint and the records up to it, in one folder that only this fingerprint uses. */
function checkpointIn(folder: string) {
  const path = join(folder, CHECKPOINT_FILE);
  const recordsPath = join(folder, 'records.json');
  return {
    async load(): Promise<{ state: TrainState; records: StepRecord[] } | null> {
      try {
        const state = decodeCheckpoint(await fsp.readFile(path), path);
        const { step, checkpoint, records } = JSON.parse(await fsp.readFile(recordsPath, 'utf8')) as {
          step: number;
          checkpoint: string;
          records: StepRecord[];
        };
        // killed between the two writes: the records are older than the state; start again rather than guess
        return step === state.step && checkpoint === sha256(encodeCheckpoint(state))
          ? { state, records }
          : null;
      } catch (error) {
        if (systemCodeOf(error) === 'ENOENT') return null;
        throw error;
      }
    },
    async save(state: TrainState, records: readonly StepRecord[]): Promise<void> {
      const bytes = encodeCheckpoint(state);
      await writeAtomic(path, bytes);
      await writeAtomic(
        recordsPath,
        JSON.stringify({ step: state.step, checkpoint: sha256(bytes), records }),
      );
    },
  };
}

/** Mean loss of the first and of the last tenth of the steps, per teacher: single steps are noisy. */
function lossFacts(
  config: StudentConfig,
  records: readonly StepRecord[],
): Record<string, { start: number; end: number }> {
  const tenth = Math.max(1, Math.floor(records.length / 10));
  const mean = (part: readonly StepRecord[], name: string): number =>
    part.reduce((sum, { values }) => sum + values[name]!, 0) / part.length;
  return Object.fromEntries(
    config.vit.teachers.map((teacher) => [
      teacher,
      { start: records[0]!.values[`loss.${teacher}`]!, end: mean(records.slice(-tenth), `loss.${teacher}`) },
    ]),
  );
}

/** At most 200 points per teacher for the report, each the mean of its stretch of steps. */
function lossCurves(
  config: StudentConfig,
  records: readonly StepRecord[],
): { teacher: string; steps: number[]; values: number[] }[] {
  const stretch = Math.max(1, Math.ceil(records.length / 200));
  const starts = Array.from({ length: Math.ceil(records.length / stretch) }, (_, i) => i * stretch);
  return config.vit.teachers.map((teacher) => ({
    teacher,
    steps: starts.map((start) => records[start]!.step),
    values: starts.map((start) => {
      const part = records.slice(start, start + stretch);
      return part.reduce((sum, { values }) => sum + values[`loss.${teacher}`]!, 0) / part.length;
    }),
  }));
}

export const trainStage = asAnyStage(stage);
