/**
 * `evaluate`: what the student learned. k-NN accuracy of labels with the twin left out, twins at rank 1, for every teacher, raw
 * pixels, the student, and the same student untrained; and the fidelity of every head on evaluation images.
 */
import * as fsp from 'node:fs/promises';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { z } from 'zod';
import type { Json } from '../core/canonical-json.ts';
import type { Clock } from '../core/clock.ts';
import { writeParquet } from '../format/parquet-table.ts';
import { pixelSpaceOf } from '../cache/pixel-space.ts';
import { rowKeyOf } from '../cache/row-key.ts';
import { spaceIdOf } from '../cache/space.ts';
import { FULL_VIEW, viewIdOf } from '../images/view.ts';
import { openLoader } from '../loader/open-loader.ts';
import type { ImageRow } from '../images/image-row.ts';
import { type Stage, type StageContext, asAnyStage } from '../run/stage.ts';
import { decodeCheckpoint } from '../student/checkpoint.ts';
import { evaluateFidelity } from '../student/evaluate.ts';
import { type TrainState, initialState } from '../student/trainer.ts';
import { type CachedSpace, type Catalogue, openCatalogue } from '../cache/catalogue.ts';
import { type NamedSpace, cachedSpacesOf, fullViewMatrix, readSpaces } from './cached-spaces.ts';
import { type OpenDataset, openDataset, upstreamOf } from './dataset-access.ts';
import {
  type PixelLoader,
  type RetrievalScore,
  type Subject,
  pixelFeatures,
  scoreFeatures,
  studentFeatures,
} from './evaluate-features.ts';
import { writeOutput } from './ledger-table.ts';
import { fullViewSamples, isHeldOut, loaderDataset, trainBatches } from './student-data.ts';
import { CHECKPOINT_FILE } from './train-stage.ts';

const params = z.strictObject({
  train: z.string(),
  /** Cache stage with the targets of the evaluation set, at every size the student was trained on. */
  cache: z.string(),
  /** Stage whose images the student was trained on. */
  trained: z.string(),
  /** Cache stage with full-view summaries of both sets. */
  embeddings: z.string(),
  /** Index stages: neighbours are looked up among the reference images. */
  reference: z.string(),
  eval: z.string(),
  neighbours: z.int().min(1).default(20),
});
type EvaluateParams = z.infer<typeof params>;

const heldOutSchema = z.looseObject({ heldOut: z.number() });

interface EvaluatePlan {
  readonly params: EvaluateParams;
  readonly reference: OpenDataset;
  readonly evaluation: OpenDataset;
  readonly trained: OpenDataset;
  readonly heldOut: number;
  readonly summaries: readonly NamedSpace[];
  readonly targets: readonly NamedSpace[];
  readonly checkpoint: string;
}

const SCORE_COLUMNS = {
  subject: 'string',
  name: 'string',
  measure: 'string',
  value: 'double?',
  low: 'double',
  high: 'double',
  images: 'int32',
} as const;

const stage: Stage<EvaluateParams, EvaluatePlan> = {
  name: 'evaluate',
  version: 2,
  params,
  inputs: (params) => [
    params.train,
    params.trained,
    params.cache,
    params.embeddings,
    params.reference,
    params.eval,
  ],
  sources: () => Promise.resolve({ engine: ort.env.versions.node ?? ort.env.versions.common }),
  plan: async (params, inputs) => ({
    params,
    reference: await openDataset(inputs, params.reference),
    evaluation: await openDataset(inputs, params.eval),
    trained: await openDataset(inputs, params.trained),
    heldOut: heldOutSchema.parse(upstreamOf(inputs, params.train, ['train']).outcome.facts).heldOut,
    summaries: cachedSpacesOf(upstreamOf(inputs, params.embeddings, ['cache'])).filter(
      ({ kind }) => kind === 'summary',
    ),
    targets: cachedSpacesOf(upstreamOf(inputs, params.cache, ['cache'])),
    checkpoint: join(upstreamOf(inputs, params.train, ['train']).folder, CHECKPOINT_FILE),
  }),
  describe: ({ reference, evaluation, summaries }) => ({
    reference: reference.rows.length,
    eval: evaluation.rows.length,
    teachers: summaries.map(({ label }) => label),
  }),
  execute: async (plan, context) => {
    const { reference, evaluation, params } = plan;
    const state = decodeCheckpoint(await fsp.readFile(plan.checkpoint), plan.checkpoint);
    const scores: RetrievalScore[] = [];
    const score = async (
      subject: Subject,
      features: { reference: Float32Array; evaluation: Float32Array; dim: number },
    ): Promise<void> => {
      context.signal.throwIfAborted();
      scores.push(
        await scoreFeatures({
          subject,
          ...features,
          referenceRows: reference.rows,
          evaluationRows: evaluation.rows,
          k: params.neighbours,
        }),
      );
      context.events.progress(scores.length, plan.summaries.length + 3, 'feature sets');
    };
    await readSpaces(context, plan.summaries, async (byLabel) => {
      for (const { label, teacher, shape } of plan.summaries) {
        const space = byLabel.get(label)!;
        const features = {
          reference: await fullViewMatrix(space, reference.rows),
          evaluation: await fullViewMatrix(space, evaluation.rows),
          dim: shape[0]!,
        };
        await score({ subject: 'teacher', name: teacher }, features);
      }
    });
    // one set of rendered images serves the pixels and both students
    const sets = {
      reference: await pixelLoader(context, reference, state),
      evaluation: await pixelLoader(context, evaluation, state),
    };
    try {
      await score(
        { subject: 'pixels', name: 'pixels 16x16' },
        await pixelFeatures({ ...sets, sidePx: state.config.vit.imagePx }),
      );
      const student = (from: TrainState) => studentFeatures({ ...sets, state: from, signal: context.signal });
      await score({ subject: 'student', name: 'student' }, await student(state));
      await score({ subject: 'untrained', name: 'untrained' }, await student(initialState(state.config)));
    } finally {
      await sets.reference.close();
      await sets.evaluation.close();
    }
    const fidelity = await readSpaces(context, plan.targets, (byLabel, snapshot) =>
      fidelityOf(plan, state, { byLabel, snapshot, seed: context.seed, clock: context.clock }),
    );
    const rows = scores.flatMap(({ subject, name, measures }) =>
      measures.map((measure) => ({ subject, name, ...measure })),
    );
    return {
      seen: evaluation.rows.length,
      kept: evaluation.rows.length,
      rejected: {},
      outputs: [
        await writeOutput(context.folder, {
          name: 'scores',
          path: 'scores.parquet',
          bytes: writeParquet(SCORE_COLUMNS, rows),
        }),
      ],
      facts: { scores: scores as unknown as Json, fidelity },
    };
  },
};

/** Whole images of a dataset, in its order. */
async function pixelLoader(
  { cacheRoot, cacheFs: fs, clock, seed }: StageContext,
  dataset: OpenDataset,
  { config }: TrainState,
): Promise<PixelLoader> {
  return openLoader<never, 'f32', 'f32'>({
    snapshot: await openCatalogue(cacheRoot, {
      only: new Set([spaceIdOf(pixelSpaceOf(config.vit.imagePx))]),
      fs,
    }),
    dataset: loaderDataset(dataset, fullViewSamples(dataset.rows)),
    spaces: [],
    pixels: { as: 'f32', size: config.vit.imagePx },
    batchSize: Math.min(config.batchSize, dataset.rows.length),
    seed,
    ...IN_ORDER,
    clock,
  });
}

const IN_ORDER = { shuffle: { kind: 'none' }, last: 'keep' } as const;

interface FidelityOptions {
  readonly byLabel: ReadonlyMap<string, CachedSpace>;
  readonly snapshot: Catalogue;
  readonly seed: number;
  readonly clock: Clock;
}

async function fidelityOf(
  plan: EvaluatePlan,
  state: TrainState,
  { byLabel, ...options }: FidelityOptions,
): Promise<Record<string, number>> {
  const { config, parameters } = state;
  const measure = async (dataset: OpenDataset, rows: readonly ImageRow[], scales: Record<string, number>) => {
    const samples = fullViewSamples(rows);
    const loader = await openLoader<string, 'f32', 'f32'>({
      ...options,
      dataset: loaderDataset(dataset, samples),
      spaces: plan.targets.map(({ label }) => label),
      pixels: { as: 'f32', size: config.vit.imagePx, keepBytes: 0 },
      batchSize: Math.min(config.batchSize, samples.length),
      ...IN_ORDER,
    });
    try {
      return await evaluateFidelity({ config, parameters, scales, batches: trainBatches(config, loader) });
    } finally {
      await loader.close();
    }
  };
  // a cosine loss leaves the norm of a summary head free: its scale is fitted on images of the training side that were held out
  const hasAll = ({ id }: ImageRow): boolean =>
    [...byLabel.values()].every(({ rows }) => {
      const place = rows.get(rowKeyOf({ image: id, view: viewIdOf(FULL_VIEW) }));
      return place?.part.index.ok[place.row] === 1;
    });
  const heldOut = plan.trained.rows.filter(
    (row) => isHeldOut(row, plan.heldOut, options.seed) && hasAll(row),
  );
  const fitted = heldOut.length === 0 ? {} : await measure(plan.trained, heldOut, {});
  const scales = Object.fromEntries(
    Object.entries(fitted).flatMap(([head, { bestScale }]) =>
      head.endsWith('.summary') ? [[head, bestScale]] : [],
    ),
  );
  const found = await measure(plan.evaluation, plan.evaluation.rows, scales);
  return Object.fromEntries(Object.entries(found).map(([head, { fidelity }]) => [head, fidelity]));
}

export const evaluateStage = asAnyStage(stage);
