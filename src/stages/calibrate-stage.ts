/**
 * `calibrate`: how well does each level of an audit find altered copies of this evaluation set's own images among this training
 * set's own images, and at which cut. Published cuts belong to other models on other data.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { ALTERATIONS } from '../audit/calibration/alterations.ts';
import { type LevelCalibration, calibrateLevel } from '../audit/calibration/threshold-choice.ts';
import { DEFAULT_AC_ENERGY_FLOOR } from '../audit/perceptual-hash.ts';
import type { Json } from '../core/canonical-json.ts';
import { Rng } from '../core/rng.ts';
import { writeParquet } from '../format/parquet-table.ts';
import { DECODER } from '../images/decode.ts';
import type { ImageRow } from '../images/image-row.ts';
import { type Stage, asAnyStage } from '../run/stage.ts';
import { identifyTeacher } from '../teachers/open-teacher.ts';
import { loadTeacher } from '../teachers/registry.ts';
import { hashImages } from './audit-hashes.ts';
import { readPairs } from './audit-tables.ts';
import { openEmbedder } from './calibrate-embedders.ts';
import { detectorScores } from './calibrate-scores.ts';
import { type OpenDataset, decoderOf, openDataset, upstreamOf } from './dataset-access.ts';
import { writeOutput } from './ledger-table.ts';

const params = z.strictObject({
  /** Ids of the audit and of the two index stages that it compared. */
  audit: z.string(),
  train: z.string(),
  eval: z.string(),
  /** Teachers to calibrate besides the hashes; `copy` for those trained to recognise copies. */
  teachers: z
    .array(z.strictObject({ name: z.string(), sizePx: z.int().min(1), copy: z.boolean().default(false) }))
    .default([]),
  /** Evaluation images that are altered, and training images that they are compared with: at most. */
  queries: z.int().min(2).default(2000),
  distractors: z.int().min(1).default(8000),
  /** The cut with the most recall whose precision is at least this, at the lower bound. */
  minPrecision: z.number().min(0).max(1).default(0.9),
  /** Share of evaluation images that is assumed to have a copy: precision depends on it. */
  assumedRate: z.number().gt(0).max(1).default(0.01),
  /** Hash distance up to which pixels are laid over each other, as in the audit. */
  verifyRadius: z.int().min(0).max(32).default(10),
});
type CalibrateParams = z.infer<typeof params>;

interface CalibratePlan {
  readonly params: CalibrateParams;
  readonly train: OpenDataset;
  readonly evaluation: OpenDataset;
  readonly known: ReadonlySet<string>;
}

export const CALIBRATION_COLUMNS = {
  level: 'string',
  /** `choosing`: the curve that the cut was chosen on; `validation`: the chosen cut on the other half. */
  part: 'string',
  alteration: 'string?',
  threshold: 'double',
  planted: 'int32',
  found: 'int32',
  recall: 'double',
  recallLow: 'double',
  recallHigh: 'double',
  comparisons: 'int64?',
  falseMatches: 'int64?',
  falsePerMillion: 'double?',
  precision: 'double?',
  precisionLow: 'double?',
} as const;

const stage: Stage<CalibrateParams, CalibratePlan> = {
  name: 'calibrate',
  version: 1,
  params,
  inputs: ({ audit, train, eval: evaluation }) => [audit, train, evaluation],
  sources: async ({ teachers }, context) => {
    const identities = [];
    for (const { name } of teachers) {
      const teacher = await loadTeacher(name, { baseFolder: context.baseFolder });
      identities.push({
        manifest: teacher.manifest as unknown as Json,
        identity: (await identifyTeacher(teacher, context.device)) as unknown as Json,
      });
    }
    return {
      decoder: `${DECODER.name} ${DECODER.version}`,
      alterations: ALTERATIONS.map(({ name }) => name),
      identities,
    };
  },
  plan: async (params, inputs) => {
    const audit = upstreamOf(inputs, params.audit, ['audit']);
    const pairs = await readPairs(join(audit.folder, 'pairs.parquet'));
    return {
      params,
      train: await openDataset(inputs, params.train),
      evaluation: await openDataset(inputs, params.eval),
      known: new Set(
        pairs
          .filter(
            ({ type, evidence }) =>
              type === 'train-eval' && ['byte', 'pixel', 'verified'].includes(evidence.level),
          )
          .map(({ a, b }) => `${a} ${b}`),
      ),
    };
  },
  describe: ({ params, train, evaluation }) => ({
    queries: Math.min(params.queries, evaluation.rows.length),
    distractors: Math.min(params.distractors, train.rows.length),
    alterations: ALTERATIONS.length,
  }),
  execute: async ({ params, train, evaluation, known }, context) => {
    const decode = decoderOf([train, evaluation]);
    const all = [...train.rows, ...evaluation.rows];
    const { byId, output } = await hashImages({
      rows: all,
      decode,
      folder: context.folder,
      workFolder: context.workFolder,
      workers: context.workers,
      signal: context.signal,
      onProgress: (done) => context.events.progress(done, all.length, 'images'),
    });
    const textured = (rows: readonly ImageRow[]): ImageRow[] =>
      [...new Map(rows.map((row) => [row.id, row])).values()]
        .filter(({ id }) => byId.get(id)!.acEnergy >= DEFAULT_AC_ENERGY_FLOOR)
        .sort((a, b) => (a.id < b.id ? -1 : 1));
    const rng = new Rng(context.seed, 'calibrate');
    const queries = rng.shuffled(textured(evaluation.rows)).slice(0, params.queries);
    const distractors = rng.shuffled(textured(train.rows)).slice(0, params.distractors);
    const opened = [];
    try {
      for (const wanted of params.teachers) opened.push(await openEmbedder(wanted, context));
      const scores = await detectorScores({
        queries,
        distractors,
        known,
        hashes: byId,
        decode,
        embedders: opened,
        verifyRadius: params.verifyRadius,
        workers: context.workers,
        seed: context.seed,
        signal: context.signal,
        onProgress: (done, total) => context.events.progress(done, total, 'queries'),
      });
      const choosing = new Set(queries.filter((_, i) => i % 2 === 0).map(({ id }) => id as string));
      const levels = scores.map((one) =>
        calibrateLevel(one, {
          minPrecision: params.minPrecision,
          prior: {
            pairs: train.rows.length * evaluation.rows.length,
            copies: params.assumedRate * evaluation.rows.length,
          },
          chooses: (query) => choosing.has(query),
        }),
      );
      const table = await writeOutput(context.folder, {
        name: 'calibration',
        path: 'calibration.parquet',
        bytes: writeParquet(CALIBRATION_COLUMNS, levels.flatMap(rowsOf)),
      });
      return {
        seen: all.length,
        kept: all.length,
        rejected: {},
        outputs: [table, output],
        facts: {
          queries: queries.length,
          distractors: distractors.length,
          minPrecision: params.minPrecision,
          assumedRate: params.assumedRate,
          levels: levels.map(({ level, chosen, validation, alterations, reason }) => ({
            level,
            chosen,
            validation,
            alterations,
            reason,
          })),
        } as unknown as Json,
      };
    } finally {
      for (const embedder of opened) await embedder.close();
    }
  },
};

function rowsOf({ level, curve, chosen, validation, alterations }: LevelCalibration) {
  const point = (part: string, one: (typeof curve)[number]) => ({
    level,
    part,
    alteration: null,
    threshold: one.threshold,
    planted: one.planted,
    found: one.found,
    recall: one.recall.value,
    recallLow: one.recall.low,
    recallHigh: one.recall.high,
    comparisons: one.comparisons,
    falseMatches: one.falseMatches,
    falsePerMillion: one.perMillion.value,
    precision: one.precision,
    precisionLow: one.precisionLow,
  });
  return [
    ...curve.map((one) => point('choosing', one)),
    ...(validation === null ? [] : [point('validation', validation)]),
    ...alterations.map(({ alteration, planted, found, recall }) => ({
      level,
      part: 'validation',
      alteration,
      threshold: chosen!,
      planted,
      found,
      recall: recall.value,
      recallLow: recall.low,
      recallHigh: recall.high,
      comparisons: null,
      falseMatches: null,
      falsePerMillion: null,
      precision: null,
      precisionLow: null,
    })),
  ];
}

export const calibrateStage = asAnyStage(stage);
