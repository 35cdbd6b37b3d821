/**
 * `curate`: what of a training set is kept, and a ledger row with the reason for every image that is not. Searches for its own
 * evidence, so it needs no audit; one that ran on the same images only spares it the decoding.
 */
import { z } from 'zod';
import { DEFAULT_PAIR_BUDGET } from '../audit/hash-pairs.ts';
import { PERCEPTUAL_HASH_VERSION } from '../audit/perceptual-hash.ts';
import type { Json } from '../core/canonical-json.ts';
import { digestOf } from '../core/digest.ts';
import { StillhouseError } from '../core/failure.ts';
import { STILLHOUSE_VERSION } from '../core/version.ts';
import type { ListedImage } from '../curate/choose-listed.ts';
import { type CurateInput, type CuratePolicy, type Curation, curate } from '../curate/curate.ts';
import { MEASURES_VERSION } from '../curate/image-measures.ts';
import { type SplitPolicy, curatePolicyOf, curatePolicySchema, splitPolicyOf } from '../curate/policy.ts';
import type { Split } from '../curate/split-groups.ts';
import { writeParquet } from '../format/parquet-table.ts';
import { relocatedHeader } from '../images/dataset-manifest.ts';
import { DECODER } from '../images/decode.ts';
import { type Inputs, type Stage, type StageContext, asAnyStage } from '../run/stage.ts';
import { cachedSpacesOf } from './cached-spaces.ts';
import { type AccessInput, curateAccess } from './curate-access.ts';
import { curateEmbeddingsSchema, embeddingPaths, levelSources, sourcesOf } from './curate-embeddings.ts';
import {
  CURATE_LEDGER_COLUMNS,
  CURATION_FILE,
  KEPT_COLUMNS,
  KEPT_FILE,
  keptRow,
  listedImages,
  removedBefore,
} from './curate-tables.ts';
import type { CandidateList } from './curate-evidence.ts';
import { type OpenDataset, openDataset, upstreamOf } from './dataset-access.ts';
import { writeDatasetOutput } from './dataset-output.ts';
import { fileDigests } from './embedding-files.ts';
import { classCounts } from './index-stage.ts';
import { LEDGER_FILE, countReasons, writeOutput } from './ledger-table.ts';

const params = curatePolicySchema.extend({
  /** Ids of the stages of the images to curate, and of the evaluation sets that they must not overlap with. */
  train: z.string(),
  eval: z.union([z.string().transform((id) => [id]), z.array(z.string())]).default([]),
  /** Id of the stage of the images that `retrieve` looks for more of. */
  seeds: z.string().optional(),
  /** Id of an audit of these images: they are not decoded again. */
  audit: z.string().optional(),
  /** Id of a cache stage that holds the teachers' summaries of full views. */
  embeddings: z.string().optional(),
  /** Teachers of that cache stage (`name` or `name@px`) that were trained to recognise copies. */
  copy: z.array(z.string()).default([]),
  /** Embeddings computed elsewhere. */
  embeddingFiles: z.array(curateEmbeddingsSchema).default([]),
  /** Most pairs of a hash level that one search lists between two sets, as in the stage `audit`. */
  pairBudget: z.int().min(0).default(DEFAULT_PAIR_BUDGET),
});
type CurateParams = z.infer<typeof params>;

interface CuratePlan extends AccessInput {
  readonly params: CurateParams;
  readonly split: SplitPolicy | null;
  readonly removedBefore: readonly ListedImage[];
}

const stage: Stage<CurateParams, CuratePlan> = {
  name: 'curate',
  version: 3,
  params,
  inputs: ({ train, eval: evaluations, seeds, audit, embeddings }) => [
    ...new Set([train, ...evaluations, seeds, audit, embeddings].filter((id) => id !== undefined)),
  ],
  sources: async ({ embeddingFiles }, { baseFolder }) => ({
    decoder: `${DECODER.name} ${DECODER.version}`,
    perceptualHash: PERCEPTUAL_HASH_VERSION,
    measures: MEASURES_VERSION,
    embeddings: await fileDigests(embeddingPaths(embeddingFiles, baseFolder)),
  }),
  plan,
  describe: ({ train, evaluations, sources, policy }) => ({
    images: train.rows.length,
    evaluations: Object.fromEntries(evaluations.map(({ from, rows }) => [from, rows.length])),
    levels: [...levelsOf(policy, evaluations.length > 0)].filter((level) =>
      sources.some((source) => source.level === level),
    ),
    balance: policy.balance as unknown as Json,
  }),
  execute,
};

async function plan(params: CurateParams, inputs: Inputs, context: StageContext): Promise<CuratePlan> {
  const evaluations: OpenDataset[] = [];
  for (const id of params.eval) evaluations.push(await openDataset(inputs, id));
  const policy = curatePolicyOf(params, context.seed);
  const split = splitPolicyOf(params);
  const spaces =
    params.embeddings === undefined ? [] : cachedSpacesOf(upstreamOf(inputs, params.embeddings, ['cache']));
  const sources = levelSources({ spaces, files: params.embeddingFiles, context, copy: params.copy });
  // a level that is missing shall be known before anything is computed
  sourcesOf(
    [...levelsOf(policy, evaluations.length > 0), ...cosineLevels(split?.keepTogether ?? [])],
    sources,
  );
  if (policy.retrieve !== null && params.seeds === undefined) throw withoutSeeds();
  return {
    params,
    policy,
    split,
    train: await openDataset(inputs, params.train),
    evaluations,
    seeds: params.seeds === undefined ? null : await openDataset(inputs, params.seeds),
    sources,
    pairBudget: params.pairBudget,
    removedBefore: await removedBefore(inputs.get(params.train)!),
    hashedIn: params.audit === undefined ? [] : [upstreamOf(inputs, params.audit, ['audit']).folder],
  };
}

/** Levels of embeddings that a policy looks at. */
function levelsOf(policy: CuratePolicy, hasEvaluation: boolean): Set<string> {
  const cuts = [...(hasEvaluation ? policy.decontaminate : []), ...policy.deduplicate];
  return new Set([
    ...cosineLevels(cuts),
    ...[policy.retrieve, policy.sample].flatMap((one) => (one === null ? [] : [one.level])),
  ]);
}

function cosineLevels(cuts: CuratePolicy['deduplicate']): string[] {
  return cuts.flatMap((cut) => ('minCosine' in cut ? [cut.level] : []));
}

async function execute(plan: CuratePlan, context: StageContext) {
  const { train, policy, params } = plan;
  const access = curateAccess(plan, context);
  const input: CurateInput = { rows: train.rows, policy, removedBefore: plan.removedBefore, ...access };
  const curation = await curate(input);
  const ledger = await writeOutput(context.folder, {
    name: 'ledger',
    path: LEDGER_FILE,
    bytes: writeParquet(CURATE_LEDGER_COLUMNS, curation.ledger),
  });
  for (const { level, set, images } of access.uncompared())
    context.events.note(
      `${images} images of ${set} have no usable embedding of ${level}: copies of them are not found by it`,
    );
  for (const open of access.candidates().filter((one) => one.open > 0))
    context.events.note(candidateNote(open));
  if (curation.kept.length === 0) context.events.note(nothingLeft(curation));
  await checkPostCondition(curation, { ...input, findEvidence: access.freshFinder() });
  const split =
    plan.split === null
      ? null
      : await access.split(
          curation.kept.map(({ row }) => row),
          plan.split,
        );
  const rows = curation.kept.map(({ row }) => ({ ...row, split: split?.partOf.get(row.id) ?? row.split }));
  const header = {
    ...relocatedHeader(train.header, train.places, context.folder),
    name: train.header.name.endsWith('.curated') ? train.header.name : `${train.header.name}.curated`,
  };
  const record = {
    ...recordOf(plan, curation, split),
    uncompared: access.uncompared(),
    candidates: access.candidates(),
  };
  const outputs = [
    await writeDatasetOutput(context.folder, header, rows, {
      by: `stillhouse ${record.stillhouse}, ${record.code.stage} ${record.code.version}`,
      policySha256: record.policyDigest,
      seed: record.seed,
      parents: record.parents.map(({ role, name, digest }) => ({ role, name, digest })),
      record: CURATION_FILE,
    }),
    ledger,
    await writeOutput(context.folder, {
      name: 'kept',
      path: KEPT_FILE,
      bytes: writeParquet(
        KEPT_COLUMNS,
        curation.kept.map((image, i) => keptRow(image, rows[i]!.split)),
      ),
    }),
    await writeOutput(context.folder, {
      name: 'curation',
      path: CURATION_FILE,
      bytes: Buffer.from(`${JSON.stringify(record, null, 2)}\n`),
    }),
    access.hashesOutput(),
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
      groups: { count: curation.groups.length },
      labelConflicts: curation.labelConflicts,
      searches: curation.searches,
      candidates: access.candidates(),
      steps: curation.counts.steps,
      split: split?.parts,
      copies: curation.kept.reduce((sum, { copies }) => sum + copies, 0),
      thresholds: { decontaminate: params.decontaminate, deduplicate: params.deduplicate },
    } as unknown as Json,
  };
}

/** What `curation.json` says: from what, by which policy and which code this set was made. */
function recordOf(
  { train, evaluations, seeds, policy, split: splitPolicy }: CuratePlan,
  curation: Curation,
  split: Split | null,
) {
  const parent = (role: string, { from, header, digest, rows }: OpenDataset) => ({
    role,
    from,
    name: header.name,
    digest,
    images: rows.length,
  });
  const whole = { ...policy, split: splitPolicy } as unknown as Json;
  return {
    version: 1,
    stillhouse: STILLHOUSE_VERSION,
    code: { stage: stage.name, version: stage.version },
    seed: policy.seed,
    parents: [
      parent('train', train),
      ...evaluations.map((one) => parent('evaluation', one)),
      ...(seeds === null ? [] : [parent('seeds', seeds)]),
    ],
    policy: whole,
    policyDigest: digestOf(whole),
    levels: [...levelsOf(policy, evaluations.length > 0)].sort(),
    seen: curation.counts.seen,
    kept: curation.counts.kept,
    steps: curation.counts.steps,
    searches: curation.searches,
    ...(split === null ? {} : { split: split.parts, groups: split.groups }),
  };
}

/**
 * The promise of a curation, held against its result by a search of its own: curating it again removes nothing.
 * @throws StillhouseError integrity when it does not hold.
 */
export async function checkPostCondition({ kept, ledger }: Curation, input: CurateInput): Promise<void> {
  const again = await curate({
    ...input,
    // which clusters seeds fall into is a fact about the whole pool, not about what was taken from it
    policy: input.policy.retrieve?.kind === 'clusters' ? { ...input.policy, retrieve: null } : input.policy,
    rows: kept.map(({ row }) => row),
    removedBefore: [...(input.removedBefore ?? []), ...listedImages(ledger)],
  });
  if (again.ledger.length === 0) return;
  const [first] = again.ledger;
  throw new StillhouseError({
    kind: 'integrity',
    what: 'the curated set does not keep its own policy',
    where: first!.uri,
    wanted: 'a second curation that removes nothing',
    got: `${again.ledger.length} images; the first: ${first!.reason}, ${first!.detail}`,
    next: 'this is a defect, or an image changed during the run: run it again, and report it if it stays',
  });
}

/** What a cut of `verified` did not look at: it holds for the candidates that were compared, and is no more than that. */
function candidateNote({ set, level, radius, listedTo, open }: CandidateList): string {
  const where = set === null ? 'within the set' : `against ${set}`;
  const far =
    listedTo < 0 ? 'only the nearest of each image' : `all pairs within ${listedTo} of ${radius} bits`;
  return (
    `verified pixels ${where}: ${far} by ${level} were compared in the last search, and ${open} images have more; ` +
    'raise pairBudget to compare those'
  );
}

/** An answer all the same: an audit of a set with itself ends here, and its report is wanted. */
function nothingLeft({ counts }: Curation): string {
  const reasons = Object.entries(counts.rejected).map(([reason, count]) => `${count} ${reason}`);
  return `no image is left: ${reasons.join(', ')}; ${LEDGER_FILE} has the reason of each`;
}

function withoutSeeds(): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'a policy retrieves images like a seed set, but there is none',
    where: 'seeds',
    wanted: 'the id of the stage of the seed images (on the command line: --seeds)',
    got: 'nothing',
    next: 'name the seeds, or remove `retrieve` from the policy',
  });
}

export const curateStage = asAnyStage(stage);
