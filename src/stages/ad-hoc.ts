/** Pipelines for single verbs, so that `stillhouse audit` and a pipeline file run the same code and reuse the same stages. */
import type { CodecChoice } from '../cache/codecs/codec-choice.ts';
import type { PipelineFile } from '../run/pipeline.ts';
import type { TargetsRequest } from './cache-groups.ts';
import type { EmbeddingSet } from './embedding-files.ts';

export type AdHocVerb = 'index' | 'audit' | 'cache' | 'train' | 'eval';

export interface AdHocOptions {
  readonly name: string;
  readonly seed: number;
  readonly data?: string;
  readonly train?: string;
  readonly evaluation?: string;
  readonly teachers: TargetsRequest['teachers'];
  /** Of the targets that a student is trained on; what an audit looks at is stored as f16. */
  readonly codec?: CodecChoice;
  readonly views: number;
  /** Of the cache verb only. */
  readonly retryFailed?: boolean;
  readonly batch?: number | 'auto';
  /** Of the cache verb: sides in pixels of what is kept of every view besides. */
  readonly pixels?: readonly number[];
  readonly steps?: number;
  /** Of an audit: embeddings computed elsewhere. */
  readonly embeddings?: readonly EmbeddingSet[];
  /** Of an audit: a policy file to hold it against, waivers, and whether to calibrate. */
  readonly policy?: string;
  readonly waivers?: string;
  readonly scores?: string;
  readonly calibrate?: boolean;
}

type StageEntry = PipelineFile['stages'][number];

const stage = (id: string, name: string, params: Record<string, unknown>): StageEntry => ({
  id,
  stage: name,
  with: params,
});

export function adHocPipeline(verb: AdHocVerb, options: AdHocOptions): PipelineFile {
  return {
    version: 1,
    name: options.name,
    seed: options.seed,
    cache: 'cache',
    stages: stagesOf(verb, options),
  };
}

const SIDES = { audit: 'audit', train: 'train-images', eval: 'eval-images' } as const;

function afterAudit({ policy, waivers, scores, calibrate, teachers }: AdHocOptions): StageEntry[] {
  const stages: StageEntry[] = [];
  if (calibrate === true)
    stages.push(
      stage('calibrate', 'calibrate', {
        ...SIDES,
        teachers: teachers.map(({ name, sizesPx }) => ({ name, sizePx: Math.min(...sizesPx) })),
      }),
    );
  if (scores !== undefined) stages.push(stage('impact', 'impact', { audit: 'audit', scores }));
  if (policy !== undefined)
    stages.push(
      stage('gate', 'gate', {
        audit: 'audit',
        policy,
        ...(calibrate === true ? { calibration: 'calibrate' } : {}),
        ...(waivers === undefined ? {} : { waivers }),
      }),
    );
  return stages;
}

function stagesOf(verb: AdHocVerb, options: AdHocOptions): StageEntry[] {
  const { data, train, evaluation, teachers, views, steps } = options;
  const codec = options.codec === undefined ? {} : { codec: options.codec };
  switch (verb) {
    case 'index':
      return [stage('images', 'index', { dataset: data })];
    case 'cache':
      return [
        stage('images', 'index', { dataset: data }),
        stage('cache', 'cache', {
          datasets: [{ from: 'images', views }],
          teachers,
          ...codec,
          ...(options.pixels === undefined ? {} : { pixels: options.pixels }),
          ...(options.batch === undefined ? {} : { batch: options.batch }),
          ...(options.retryFailed === true ? { retryFailed: true } : {}),
        }),
      ];
    case 'audit':
    case 'train':
    case 'eval': {
      const stages = [
        stage('train-images', 'index', { dataset: train, split: 'train' }),
        stage('eval-images', 'index', { dataset: evaluation, split: 'eval' }),
      ];
      // the audit sees each image whole, at each teacher's smallest size
      const smallest = teachers
        // on a mosaic a teacher says nothing of a picture as a whole
        .filter(({ mosaic }) => mosaic === undefined)
        .map(({ name, sizesPx }) => ({ name, sizesPx: [Math.min(...sizesPx)] }));
      if (smallest.length > 0)
        stages.push(
          stage('embed', 'cache', {
            datasets: [{ from: 'train-images' }, { from: 'eval-images' }],
            teachers: smallest,
          }),
        );
      stages.push(
        stage('audit', 'audit', {
          train: 'train-images',
          eval: 'eval-images',
          ...(smallest.length > 0 ? { embeddings: 'embed' } : {}),
          ...(options.embeddings === undefined ? {} : { embeddingFiles: options.embeddings }),
        }),
      );
      if (verb === 'audit') return [...stages, ...afterAudit(options)];
      stages.push(stage('curate', 'curate', SIDES));
      stages.push(
        stage('cache', 'cache', {
          datasets: [{ from: 'curate', views }, { from: 'eval-images' }],
          teachers,
          ...codec,
        }),
      );
      stages.push(
        stage('train', 'train', {
          dataset: 'curate',
          cache: 'cache',
          ...(steps === undefined ? {} : { steps }),
        }),
      );
      if (verb === 'eval')
        stages.push(
          stage('evaluate', 'evaluate', {
            train: 'train',
            trained: 'curate',
            cache: 'cache',
            embeddings: 'embed',
            reference: 'train-images',
            eval: 'eval-images',
          }),
        );
      return stages;
    }
  }
}
