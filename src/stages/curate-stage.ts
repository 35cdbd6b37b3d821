/** `curate`: what of the training side is kept, and a ledger row with the reason for every image that is not. */
import { join } from 'node:path';
import { z } from 'zod';
import type { EvidencePair, Threshold } from '../audit/evidence.ts';
import { type Curation, curate, remainingPairs } from '../curate/curate.ts';
import { writeParquet } from '../format/parquet-table.ts';
import { relocatedHeader } from '../images/dataset-manifest.ts';
import { type Stage, asAnyStage } from '../run/stage.ts';
import { readPairs } from './audit-tables.ts';
import { type OpenDataset, openDataset, upstreamOf } from './dataset-access.ts';
import { writeDatasetOutput } from './dataset-output.ts';
import { classCounts } from './index-stage.ts';
import { countReasons, writeLedger, writeOutput } from './ledger-table.ts';

const threshold = z.union([
  z.strictObject({ level: z.enum(['byte', 'pixel']) }),
  z.strictObject({ level: z.enum(['phash', 'dhash']), maxDistance: z.int().min(0).max(32) }),
  z.strictObject({
    level: z.literal('verified'),
    minNcc: z.number().min(-1).max(1),
    minSsim: z.number().min(-1).max(1).default(0.75),
  }),
  z.strictObject({
    level: z
      .templateLiteral([z.enum(['teacher:', 'copy:']), z.string()])
      .describe('teacher:<name>@<px> or copy:<name>@<px>'),
    minCosine: z.number().min(-1).max(1),
  }),
]);

/** Radius 4 keeps chance pairs rare at scale (audit-and-curation.md §2.2). */
const CAUTIOUS = [
  { level: 'byte' as const },
  { level: 'pixel' as const },
  { level: 'phash' as const, maxDistance: 4 },
];

const params = z.strictObject({
  /** Ids of the audit and of the two index stages it compared. */
  audit: z.string(),
  train: z.string(),
  eval: z.string(),
  /** Evidence against an evaluation image at one of these drops the training image. */
  decontaminate: z.array(threshold).default(CAUTIOUS),
  /** Evidence between training images at one of these makes them duplicates; the best of a group stays. */
  deduplicate: z.array(threshold).default(CAUTIOUS),
  balance: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('none') }),
      z.strictObject({ kind: z.literal('cap'), perClass: z.int().min(1) }),
      z.strictObject({ kind: z.literal('equal-share'), total: z.int().min(1) }),
    ])
    .default({ kind: 'none' }),
});
type CurateParams = z.infer<typeof params>;

interface CuratePlan {
  readonly params: CurateParams;
  readonly train: OpenDataset;
  readonly evidence: readonly EvidencePair[];
}

const KEPT_COLUMNS = { imageId: 'string', inclusionProbability: 'double' } as const;

const stage: Stage<CurateParams, CuratePlan> = {
  name: 'curate',
  version: 1,
  params,
  inputs: ({ audit, train, eval: evaluation }) => [audit, train, evaluation],
  sources: () => Promise.resolve({}),
  plan: async (params, inputs) => ({
    params,
    train: await openDataset(inputs, params.train),
    evidence: await readPairs(join(upstreamOf(inputs, params.audit, ['audit']).folder, 'pairs.parquet')),
  }),
  describe: ({ train, evidence, params }) => ({
    images: train.rows.length,
    pairs: evidence.length,
    balance: params.balance,
  }),
  execute: async ({ params, train, evidence }, { folder, seed }) => {
    const policy = {
      decontaminate: params.decontaminate as readonly Threshold[],
      deduplicate: params.deduplicate as readonly Threshold[],
      balance: params.balance,
      seed,
    };
    const curation = curate({ rows: train.rows, evidence, policy });
    const remaining = remainingPairs(curation.kept, evidence, policy);
    const rows = curation.kept.map(({ row }) => row);
    const header = {
      ...relocatedHeader(train.header, train.places, folder),
      name: `${train.header.name}.curated`,
    };
    const kept = curation.kept.map(({ row, inclusionProbability }) => ({
      imageId: row.id,
      inclusionProbability,
    }));
    const outputs = [
      await writeDatasetOutput(folder, header, rows),
      await writeLedger(folder, curation.ledger),
      await writeOutput(folder, {
        name: 'inclusion',
        path: 'inclusion.parquet',
        bytes: writeParquet(KEPT_COLUMNS, kept),
      }),
    ];
    return {
      seen: train.rows.length,
      kept: rows.length,
      rejected: countReasons(curation.ledger),
      outputs,
      facts: {
        parent: train.digest,
        before: classCounts(train.rows),
        after: classCounts(rows),
        groups: groupFacts(curation),
        labelConflicts: curation.labelConflicts,
        remainingPairs: remaining.length,
        thresholds: { decontaminate: params.decontaminate, deduplicate: params.deduplicate },
      },
    };
  },
};

function groupFacts({ groups }: Curation): { count: number } {
  return { count: groups.length };
}

export const curateStage = asAnyStage(stage);
