/** From the outcomes of stages to the report's input. Reads tables that stages left; computes nothing new. */
import * as ort from 'onnxruntime-node';
import { z } from 'zod';
import type { Json } from '../core/canonical-json.ts';
import { digestOf } from '../core/digest.ts';
import { STILLHOUSE_VERSION } from '../core/version.ts';
import { DECODER } from '../images/decode.ts';
import type {
  CacheFacts,
  DatasetFacts,
  EvaluationFacts,
  MeasureFacts,
  ReportInput,
  TeacherFacts,
  TrainingFacts,
} from '../report/input.ts';
import type { RunResult } from '../run/execute.ts';
import type { FinishInput } from './finish-input.ts';
import { auditFacts } from './report-audit.ts';
import { curateFacts, ledgerFacts } from './report-galleries.ts';
import { scoreFacts, spaceFigures, stagesNamed } from './summary.ts';

export async function reportInput(input: FinishInput): Promise<ReportInput> {
  const { result, file, run, started, command, pipeline } = input;
  const audit = await auditFacts(result);
  const curate = await curateFacts(result);
  const ledger = await ledgerFacts(result);
  const cache = cacheFacts(result);
  const teachers = teacherFacts(result);
  const training = trainingFacts(result);
  const evaluation = evaluationFacts(result);
  return {
    run: {
      name: pipeline.name,
      pipelineDigest: digestOf(file as unknown as Json),
      stillhouseVersion: STILLHOUSE_VERSION,
      seed: run.seed,
      device: run.device,
      nodeVersion: process.version,
      engines: {
        'onnxruntime-node': ort.env.versions.node ?? ort.env.versions.common,
        [DECODER.name]: DECODER.version,
      },
      started,
      command,
    },
    stages: result.results.map(({ id, stage, outcome, seconds, reused }) => ({
      id,
      stage,
      seen: outcome.seen,
      kept: outcome.kept,
      rejected: outcome.rejected,
      seconds,
      reused,
    })),
    datasets: datasetFacts(result),
    ...(audit && { audit }),
    ...(curate && { curate }),
    ...(teachers.length > 0 && { teachers }),
    ...(cache && { cache }),
    ...(training && { training }),
    ...(evaluation && { evaluation }),
    ...(ledger && { ledger }),
  };
}

const indexFacts = z.looseObject({
  name: z.string(),
  digest: z.string(),
  split: z.string(),
  licence: z.string(),
  classes: z.record(z.string(), z.number()),
});
const balanceFacts = z.looseObject({
  before: z.record(z.string(), z.number()),
  after: z.record(z.string(), z.number()),
});

function datasetFacts(result: RunResult): DatasetFacts[] {
  return stagesNamed(result, 'index').map(({ id, outcome }) => {
    const { name, digest, split, licence, classes } = indexFacts.parse(outcome.facts);
    const curated = stagesNamed(result, 'curate').map(
      (stage) => balanceFacts.parse(stage.outcome.facts).after,
    )[0];
    const after = split === 'train' && curated ? curated : classes;
    return {
      name,
      split,
      images: outcome.kept,
      digest,
      licence,
      classes: Object.entries(classes).map(([label, before]) => ({
        label,
        before,
        after: after[label] ?? 0,
      })),
      rowsIn: `${id}/images.parquet`,
    };
  });
}

function cacheFacts(result: RunResult): CacheFacts | null {
  const spaces = spaceFigures(result);
  if (spaces.length === 0) return null;
  return {
    spaces: spaces.map(
      ({ spaceId, teacher, sizePx, kind, shape, dtype, written, reused, failed, bytes }) => ({
        spaceId,
        teacher,
        resolutionPx: sizePx,
        kind,
        shape,
        dtype,
        written,
        reused,
        failed,
        sizeBytes: bytes,
      }),
    ),
  };
}

const teacherSchema = z.looseObject({
  teachers: z.array(
    z.looseObject({
      name: z.string(),
      engine: z.string(),
      licence: z.string(),
      source: z.string(),
      sha256: z.string(),
      summaryTap: z.string().nullable(),
      spatialTap: z.string().nullable(),
      sizePx: z.number(),
    }),
  ),
});

function teacherFacts(result: RunResult): TeacherFacts[] {
  const byName = new Map<string, TeacherFacts>();
  for (const { outcome } of stagesNamed(result, 'cache'))
    for (const {
      sizePx,
      name,
      engine,
      licence,
      source,
      sha256,
      summaryTap,
      spatialTap,
    } of teacherSchema.parse(outcome.facts).teachers) {
      const sizes = [...new Set([...(byName.get(name)?.sizesPx ?? []), sizePx])].sort((a, b) => a - b);
      byName.set(name, { name, engine, licence, source, sha256, summaryTap, spatialTap, sizesPx: sizes });
    }
  return [...byName.values()];
}

const trainFacts = z.looseObject({
  curves: z.array(z.object({ teacher: z.string(), steps: z.array(z.number()), values: z.array(z.number()) })),
  loss: z.record(z.string(), z.object({ start: z.number(), end: z.number() })),
  student: z.record(z.string(), z.number()),
  steps: z.number(),
  batchSize: z.number(),
  learningRate: z.number(),
  standardise: z.boolean(),
  parameters: z.number(),
  samples: z.number(),
});

function trainingFacts(result: RunResult): TrainingFacts | null {
  const [train] = stagesNamed(result, 'train');
  if (!train) return null;
  const { curves, loss, student, ...facts } = trainFacts.parse(train.outcome.facts);
  const { steps, batchSize, learningRate, standardise, parameters, samples } = facts;
  return {
    curves,
    loss: Object.entries(loss).map(([teacher, { start, end }]) => ({ teacher, start, end })),
    config: { ...student, parameters, samples, steps, batchSize, learningRate, standardise },
    secondsPerStep: train.reused ? null : train.seconds / steps,
    rowsIn: `${train.id}/steps.parquet`,
  };
}

const MEASURES = {
  knn: {
    title: 'k-NN accuracy by label',
    meaning:
      'Share of evaluation images whose label their 20 nearest training images vote for, their twin and its variants left out.',
  },
  twin: {
    title: 'Twin at rank 1',
    meaning:
      'Share of evaluation images whose nearest training image is their twin: the same name, drawn by another hand.',
  },
} as const;

function evaluationFacts(result: RunResult): EvaluationFacts | null {
  const [evaluate] = stagesNamed(result, 'evaluate');
  if (!evaluate) return null;
  const facts = z
    .looseObject({ scores: scoreFacts, fidelity: z.record(z.string(), z.number()) })
    .parse(evaluate.outcome.facts);
  const measures = (['twin', 'knn'] as const).map((wanted): MeasureFacts => {
    const scores = facts.scores.map(({ subject, name, measures: all }) => ({
      subject,
      name,
      ...all.find(({ measure }) => measure === wanted)!,
    }));
    return {
      ...MEASURES[wanted],
      images: Math.max(0, ...scores.map(({ images }) => images)),
      scores: scores.map(({ subject, name, value, low, high }) => ({ subject, name, value, low, high })),
    };
  });
  const fidelity = Object.entries(facts.fidelity).map(([head, value]) => {
    const at = head.lastIndexOf('.');
    return { teacher: head.slice(0, at), head: head.slice(at + 1), value };
  });
  return { measures, fidelity, rowsIn: `${evaluate.id}/scores.parquet` };
}
