/**
 * `audit`: how far do a training and an evaluation set overlap, at every level of evidence. Leaves items, pairs and overlap
 * tables; where the truth is in the data (`truth`), also the precision and recall of each level against it.
 */
import { z } from 'zod';
import { exactPairsAcross, exactPairsWithin } from '../audit/exact-pairs.ts';
import { type EvidenceLevel, type EvidencePair, type Threshold, meets } from '../audit/evidence.ts';
import { type DihedralHashedImage, hashPairsAcross, hashPairsWithin } from '../audit/hash-pairs.ts';
import { overlap } from '../audit/overlap.ts';
import { PERCEPTUAL_HASH_VERSION, hexOfHash } from '../audit/perceptual-hash.ts';
import type { Json } from '../core/canonical-json.ts';
import { DECODER } from '../images/decode.ts';
import type { ImageRow } from '../images/image-row.ts';
import { type Stage, asAnyStage } from '../run/stage.ts';
import { ITEM_COLUMNS, OVERLAP_COLUMNS, PAIR_COLUMNS, type AuditItem, pairRow } from './audit-tables.ts';
import { hashImages } from './audit-hashes.ts';
import { type TeacherSearch, searchTeachers, summarySearches } from './audit-teachers.ts';
import { judge } from './audit-truth.ts';
import { type OpenDataset, decoderOf, openDataset, upstreamOf } from './dataset-access.ts';
import { writeOutput } from './ledger-table.ts';
import { writeParquet } from '../format/parquet-table.ts';
import { cachedSpacesOf } from './cached-spaces.ts';

const params = z.strictObject({
  /** Ids of the index stages of the two sides. */
  train: z.string(),
  eval: z.string(),
  /** Id of a cache stage that holds the teachers' summaries of full views; without it there are no teacher levels. */
  embeddings: z.string().optional(),
  /** Largest Hamming distance at which a pair is listed. */
  phashRadius: z.int().min(0).max(32).default(10),
  dhashRadius: z.int().min(0).max(32).default(10),
  /** Lowest cosine at which a pair is listed, and how many neighbours of an image at most. */
  cosineFloor: z.number().min(-1).max(1).default(0.6),
  maxNeighbours: z.int().min(1).default(16),
  /**
   * Of the listed pairs, those that count as a match in rates: hashes within 4 bits (audit-and-curation.md §2.2), cosines of centred
   * features from 0.85. Pairs beyond are listed so that another cut needs no new search.
   */
  match: z
    .strictObject({
      phash: z.int().min(0).max(32).default(4),
      dhash: z.int().min(0).max(32).default(4),
      cosine: z.number().min(-1).max(1).default(0.85),
    })
    .prefault({}),
  /**
   * Where the truth is in the manifests: `twins` pairs images of the two sides with equal `name`; `variants` pairs images of the
   * train side with equal `group`.
   */
  truth: z
    .strictObject({ twins: z.literal('name').optional(), variants: z.literal('group').optional() })
    .default({}),
});
export type AuditParams = z.infer<typeof params>;

interface AuditPlan {
  readonly params: AuditParams;
  readonly train: OpenDataset;
  readonly evaluation: OpenDataset;
  readonly teachers: readonly TeacherSearch[];
}

const stage: Stage<AuditParams, AuditPlan> = {
  name: 'audit',
  version: 2,
  params,
  inputs: (params) => [
    params.train,
    params.eval,
    ...(params.embeddings === undefined ? [] : [params.embeddings]),
  ],
  sources: () =>
    Promise.resolve({
      decoder: `${DECODER.name} ${DECODER.version}`,
      perceptualHash: PERCEPTUAL_HASH_VERSION,
    }),
  plan: async (params, inputs, context) => ({
    params,
    train: await openDataset(inputs, params.train),
    evaluation: await openDataset(inputs, params.eval),
    teachers:
      params.embeddings === undefined
        ? []
        : summarySearches(
            cachedSpacesOf(upstreamOf(inputs, params.embeddings, ['cache'])),
            context.cacheRoot,
          ),
  }),
  describe: ({ train, evaluation, teachers }) => ({
    train: train.rows.length,
    eval: evaluation.rows.length,
    comparisons: train.rows.length * evaluation.rows.length,
    levels: ['byte', 'pixel', 'phash', 'dhash', ...teachers.map((teacher) => teacher.level)],
  }),
  execute: async (plan, context) => {
    const { params, train, evaluation } = plan;
    const both = [...train.rows, ...evaluation.rows];
    const hashes = await hashImages({
      rows: both,
      decode: decoderOf([train, evaluation]),
      workers: context.workers,
      signal: context.signal,
      onProgress: (done) => context.events.progress(done, both.length, 'images'),
    });
    const of = (rows: readonly ImageRow[]): HashedSide =>
      rows.map((row) => ({ row, ...hashes.get(row.id)! }));
    const trainSide = of(train.rows);
    const evalSide = of(evaluation.rows);
    const exact = exactEvidence(trainSide, evalSide);
    const near = hashEvidence(trainSide, evalSide, params);
    const teachers = await searchTeachers(plan.teachers, {
      train: train.rows,
      evaluation: evaluation.rows,
      params,
      signal: context.signal,
    });
    const pairs: EvidencePair[] = [...exact, ...near.pairs, ...teachers.flatMap((teacher) => teacher.pairs)];
    const levels: EvidenceLevel[] = [
      'byte',
      'pixel',
      'phash',
      'dhash',
      ...teachers.map((teacher) => teacher.level),
    ];
    const thresholds = thresholdsOf(levels, params.match);
    const flat = new Set(near.degenerate);
    const rows = overlap({
      train: train.rows.map(({ id }) => id),
      evaluation: evaluation.rows.map(({ id }) => id),
      pairs: pairs.filter(({ evidence }) => meets(evidence, thresholds)),
      levels,
      degenerate: flat,
    });
    const items: AuditItem[] = [...itemsOf(trainSide, 'train', flat), ...itemsOf(evalSide, 'eval', flat)];
    const overlapRows = rows.map(({ interval, degenerate, ...row }) => ({
      ...row,
      low: interval.low,
      high: interval.high,
      degenerateImages: degenerate.images,
      degeneratePairs: degenerate.pairs,
    }));
    const judged = judge({
      train: train.rows,
      evaluation: evaluation.rows,
      pairs,
      teachers,
      truth: params.truth,
    });
    const outputs = [
      await writeOutput(context.folder, {
        name: 'items',
        path: 'items.parquet',
        bytes: writeParquet(ITEM_COLUMNS, items),
      }),
      await writeOutput(context.folder, {
        name: 'pairs',
        path: 'pairs.parquet',
        bytes: writeParquet(PAIR_COLUMNS, pairs.map(pairRow)),
      }),
      await writeOutput(context.folder, {
        name: 'overlap',
        path: 'overlap.parquet',
        bytes: writeParquet(OVERLAP_COLUMNS, overlapRows),
      }),
    ];
    return {
      seen: both.length,
      kept: both.length,
      rejected: {},
      outputs,
      facts: {
        levels: overlapRows as unknown as Json,
        match: params.match,
        degenerate: flat.size,
        pairs: pairs.length,
        hubs: teachers.reduce((sum, teacher) => sum + teacher.hubs, 0),
        ...(judged as unknown as Record<string, Json>),
      },
    };
  },
};

function thresholdsOf(levels: readonly EvidenceLevel[], match: AuditParams['match']): Threshold[] {
  return levels.map((level): Threshold => {
    if (level === 'byte' || level === 'pixel') return { level };
    if (level === 'phash' || level === 'dhash') return { level, maxDistance: match[level] };
    return { level, minCosine: match.cosine };
  });
}

type HashedSide = readonly (DihedralHashedImage & { readonly row: ImageRow; readonly pixelDigest: string })[];

function exactEvidence(train: HashedSide, evaluation: HashedSide): EvidencePair[] {
  return (['byte', 'pixel'] as const).flatMap((level) => {
    const keyed = (side: HashedSide) =>
      side.map(({ id, pixelDigest }) => ({ id, key: level === 'byte' ? id : pixelDigest }));
    const [left, right] = [keyed(train), keyed(evaluation)];
    return [
      ...exactPairsAcross({ level, train: left, evaluation: right }),
      ...exactPairsWithin({ level, type: 'within-train', images: left }),
      ...exactPairsWithin({ level, type: 'within-eval', images: right }),
    ];
  });
}

function hashEvidence(train: HashedSide, evaluation: HashedSide, params: AuditParams) {
  const radius = { phash: params.phashRadius, dhash: params.dhashRadius };
  const found = [
    hashPairsAcross({ train, evaluation, radius }),
    hashPairsWithin({ type: 'within-train', images: train, radius }),
    hashPairsWithin({ type: 'within-eval', images: evaluation, radius }),
  ];
  return {
    pairs: found.flatMap(({ pairs }) => pairs),
    degenerate: found.flatMap(({ degenerate }) => degenerate),
  };
}

function itemsOf(side: HashedSide, name: string, flat: ReadonlySet<string>): AuditItem[] {
  return side.map(({ row, hash, pixelDigest }) => ({
    imageId: row.id,
    side: name,
    name: row.name,
    label: row.label,
    group: row.group,
    pixelDigest,
    phash: hexOfHash(hash.phash),
    dhash: hexOfHash(hash.dhash),
    acEnergy: hash.acEnergy,
    degenerate: flat.has(row.id),
  }));
}

export const auditStage = asAnyStage(stage);
