/**
 * `curate`: what of a training set is kept, and a ledger row with the reason for every image that is not. Searches for its own
 * evidence, so it needs no audit; one that ran on the same images only spares it the decoding.
 */
import { z } from 'zod';
import type { Json } from '../core/canonical-json.ts';
import { digestOf } from '../core/digest.ts';
import { StillhouseError } from '../core/failure.ts';
import type { ImageId } from '../core/ids.ts';
import { STILLHOUSE_VERSION } from '../core/version.ts';
import { type CurateInput, type CuratePolicy, type Curation, curate } from '../curate/curate.ts';
import { curatePolicySchema } from '../curate/policy.ts';
import { writeParquet } from '../format/parquet-table.ts';
import { DECODER } from '../images/decode.ts';
import { relocatedHeader } from '../images/dataset-manifest.ts';
import { type Inputs, type Stage, type StageContext, asAnyStage } from '../run/stage.ts';
import { PERCEPTUAL_HASH_VERSION } from '../audit/perceptual-hash.ts';
import { MEASURES_VERSION } from '../curate/image-measures.ts';
import { type ImageHashes, hashImages } from './audit-hashes.ts';
import { cachedSpacesOf } from './cached-spaces.ts';
import {
  type LevelSource,
  curateEmbeddingsSchema,
  embeddingPaths,
  levelSources,
  sourcesOf,
} from './curate-embeddings.ts';
import { type EvidenceFinder, evidenceFinder } from './curate-evidence.ts';
import { CURATE_LEDGER_COLUMNS, KEPT_COLUMNS, removedBefore } from './curate-tables.ts';
import { type OpenDataset, decoderOf, openDataset, upstreamOf } from './dataset-access.ts';
import { writeDatasetOutput } from './dataset-output.ts';
import { fileDigests } from './embedding-files.ts';
import { classCounts } from './index-stage.ts';
import { LEDGER_FILE, countReasons, writeOutput } from './ledger-table.ts';

const params = curatePolicySchema.extend({
  /** Ids of the stages of the images to curate, and of the evaluation sets that they must not overlap with. */
  train: z.string(),
  eval: z.union([z.string().transform((id) => [id]), z.array(z.string())]).default([]),
  /** Id of an audit of these images: they are not decoded again. */
  audit: z.string().optional(),
  /** Id of a cache stage that holds the teachers' summaries of full views. */
  embeddings: z.string().optional(),
  /** Teachers of that cache stage (`name` or `name@px`) that were trained to recognise copies. */
  copy: z.array(z.string()).default([]),
  /** Embeddings computed elsewhere. */
  embeddingFiles: z.array(curateEmbeddingsSchema).default([]),
});
type CurateParams = z.infer<typeof params>;

interface CuratePlan {
  readonly params: CurateParams;
  readonly policy: CuratePolicy;
  readonly train: OpenDataset;
  readonly evaluations: readonly OpenDataset[];
  readonly sources: readonly LevelSource[];
  readonly removedBefore: CurateInput['removedBefore'];
  /** Folder of the audit. */
  readonly hashedIn: readonly string[];
}

const stage: Stage<CurateParams, CuratePlan> = {
  name: 'curate',
  version: 2,
  params,
  inputs: ({ train, eval: evaluations, audit, embeddings }) => [
    ...new Set([train, ...evaluations, audit, embeddings].filter((id) => id !== undefined)),
  ],
  sources: async ({ embeddingFiles }, { baseFolder }) => ({
    decoder: `${DECODER.name} ${DECODER.version}`,
    perceptualHash: PERCEPTUAL_HASH_VERSION,
    measures: MEASURES_VERSION,
    embeddings: await fileDigests(embeddingPaths(embeddingFiles, baseFolder)),
  }),
  plan,
  describe: ({ train, evaluations, policy, sources }) => ({
    images: train.rows.length,
    evaluations: Object.fromEntries(evaluations.map(({ from, rows }) => [from, rows.length])),
    levels: sources.map(({ level }) => level),
    balance: policy.balance as unknown as Json,
  }),
  execute,
};

async function plan(params: CurateParams, inputs: Inputs, context: StageContext): Promise<CuratePlan> {
  const evaluations: OpenDataset[] = [];
  for (const id of params.eval) evaluations.push(await openDataset(inputs, id));
  const policy: CuratePolicy = {
    include: params.include,
    exclude: params.exclude,
    licences: params.licences ?? null,
    filters: params.filters,
    decontaminate: params.decontaminate,
    deduplicate: params.deduplicate,
    balance: params.balance,
    seed: context.seed,
  };
  const spaces =
    params.embeddings === undefined ? [] : cachedSpacesOf(upstreamOf(inputs, params.embeddings, ['cache']));
  const cuts = [...(evaluations.length > 0 ? policy.decontaminate : []), ...policy.deduplicate];
  return {
    params,
    policy,
    train: await openDataset(inputs, params.train),
    evaluations,
    sources: sourcesOf(
      cuts.filter((cut) => 'minCosine' in cut).map(({ level }) => level),
      levelSources(spaces, params.embeddingFiles, context, params.copy),
    ),
    removedBefore: await removedBefore(inputs.get(params.train)!),
    hashedIn: params.audit === undefined ? [] : [upstreamOf(inputs, params.audit, ['audit']).folder],
  };
}

async function execute(plan: CuratePlan, context: StageContext) {
  const { train, evaluations, policy, params } = plan;
  const pixels = pixelAccess(plan, context);
  const input: CurateInput = {
    rows: train.rows,
    policy,
    ...(plan.removedBefore === undefined ? {} : { removedBefore: plan.removedBefore }),
    measure: pixels.measure,
    findEvidence: pixels.findEvidence,
  };
  const curation = await curate(input);
  const rows = curation.kept.map(({ row }) => row);
  const ledger = await writeOutput(context.folder, {
    name: 'ledger',
    path: LEDGER_FILE,
    bytes: writeParquet(CURATE_LEDGER_COLUMNS, curation.ledger),
  });
  if (rows.length === 0) throw nothingLeft(curation, context.folder);
  await checkPostCondition(curation, { ...input, findEvidence: pixels.freshFinder() });
  const record = {
    version: 1,
    stillhouse: STILLHOUSE_VERSION,
    code: { stage: stage.name, version: stage.version },
    seed: policy.seed,
    parents: [
      {
        role: 'train',
        from: train.from,
        name: train.header.name,
        digest: train.digest,
        images: train.rows.length,
      },
      ...evaluations.map(({ from, header, digest, rows: all }) => ({
        role: 'evaluation',
        from,
        name: header.name,
        digest,
        images: all.length,
      })),
    ],
    policy: policy as unknown as Json,
    policyDigest: digestOf(policy as unknown as Json),
    levels: plan.sources.map(({ level }) => level),
    steps: curation.counts.steps as unknown as Json,
    searches: curation.searches,
  };
  const header = {
    ...relocatedHeader(train.header, train.places, context.folder),
    name: train.header.name.endsWith('.curated') ? train.header.name : `${train.header.name}.curated`,
  };
  const outputs = [
    await writeDatasetOutput(context.folder, header, rows),
    ledger,
    await writeOutput(context.folder, {
      name: 'kept',
      path: 'kept.parquet',
      bytes: writeParquet(
        KEPT_COLUMNS,
        curation.kept.map(({ row, inclusionProbability }) => ({ imageId: row.id, inclusionProbability })),
      ),
    }),
    await writeOutput(context.folder, {
      name: 'curation',
      path: 'curation.json',
      bytes: Buffer.from(`${JSON.stringify(record, null, 2)}\n`),
    }),
    pixels.hashesOutput(),
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
      steps: record.steps,
      thresholds: { decontaminate: params.decontaminate, deduplicate: params.deduplicate },
    } as unknown as Json,
  };
}

/** What a curation learns from pixels and embeddings. */
function pixelAccess({ train, evaluations, policy, sources, hashedIn }: CuratePlan, context: StageContext) {
  const decode = decoderOf([train, ...evaluations]);
  const { workers, signal, folder, workFolder } = context;
  const evaluationRows = evaluations.flatMap(({ rows }) => rows);
  let hashed: Awaited<ReturnType<typeof hashImages>> | null = null;
  const hashes = () => {
    if (hashed === null) throw new Error('internal: evidence was asked for before the images were measured');
    return hashed;
  };
  const freshFinder = (): EvidenceFinder => {
    let finder: EvidenceFinder | null = null;
    return async (rows) => {
      finder ??= await evidenceFinder({
        train,
        evaluations,
        ...policy,
        hashes: hashes().byId,
        sources,
        decode,
        workers,
        signal,
      });
      return finder(rows);
    };
  };
  return {
    measure: async (
      rows: readonly { readonly id: ImageId }[],
    ): Promise<ReadonlyMap<ImageId, ImageHashes>> => {
      const ids = new Set(rows.map(({ id }) => id));
      const wanted = [...train.rows.filter(({ id }) => ids.has(id)), ...evaluationRows];
      hashed ??= await hashImages({
        rows: wanted,
        decode,
        folder,
        knownIn: hashedIn,
        workFolder,
        workers,
        signal,
        onProgress: (done) => context.events.progress(done, wanted.length, 'images'),
      });
      return hashed.byId;
    },
    findEvidence: freshFinder(),
    freshFinder,
    hashesOutput: () => hashes().output,
  };
}

/**
 * The promise of a curation, held against its result by a search of its own: curating it again removes nothing.
 * @throws StillhouseError integrity when it does not hold.
 */
export async function checkPostCondition({ kept, ledger }: Curation, input: CurateInput): Promise<void> {
  const again = await curate({
    ...input,
    rows: kept.map(({ row }) => row),
    removedBefore: [
      ...(input.removedBefore ?? []),
      ...ledger.flatMap(({ imageId: id, uri, source }) => (id === null ? [] : [{ id, uri, source }])),
    ],
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

function nothingLeft({ counts }: Curation, folder: string): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'the curation leaves no image',
    where: folder,
    wanted: 'at least one image',
    got: Object.entries(counts.rejected)
      .map(([reason, count]) => `${count} ${reason}`)
      .join(', '),
    next: `loosen the policy; ${LEDGER_FILE} there has the reason of each image`,
  });
}

export const curateStage = asAnyStage(stage);
