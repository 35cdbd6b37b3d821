/**
 * `audit`: how far do a training, an evaluation and perhaps a validation set overlap, at every level of evidence; how far do they
 * lie apart as wholes; and did the search find the copies that were planted to test it. Leaves tables of items, pairs, overlap,
 * classes, agreement of levels, transfer between classes, and distances; where the truth is in the data (`truth`), also the precision and recall of each level against it.
 */
import { resolve } from 'node:path';
import type { DomainDistance } from '../audit/distance/domain-distance.ts';
import { type EvidenceLevel, type EvidencePair, type PairType, type Side, meets } from '../audit/evidence.ts';
import { overlap } from '../audit/overlap.ts';
import { type GreyThumb, greyThumbOf } from '../audit/pixel-verification.ts';
import { PERCEPTUAL_HASH_VERSION, hexOfHash } from '../audit/perceptual-hash.ts';
import type { Json } from '../core/canonical-json.ts';
import type { ImageId } from '../core/ids.ts';
import { type TableSchema, type RowOf, writeParquet } from '../format/parquet-table.ts';
import { DECODER } from '../images/decode.ts';
import { type Stage, type StageContext, type StageOutput, asAnyStage } from '../run/stage.ts';
import { boundOf, openAt, uncomparedAt } from './audit-bounds.ts';
import { flyCanaries } from './audit-canaries.ts';
import {
  type EmbeddingEvidence,
  type EmbeddingSource,
  cachedSources,
  fileSources,
  searchEmbeddings,
} from './audit-embeddings.ts';
import {
  type SideRows,
  duplicateGroupOf,
  exactEvidence,
  hashEvidence,
  sameImagePairs,
  verifiable,
} from './audit-evidence.ts';
import { type ImageHashes, hashImages, hashOf } from './audit-hashes.ts';
import { type AuditParams, auditParams, thresholdsOf } from './audit-params.ts';
import {
  agreementByType,
  classesByLevel,
  expectedChancePairs,
  labelConflicts,
  nullsByLevel,
  transferCells,
} from './audit-rates.ts';
import {
  AGREEMENT_COLUMNS,
  type AuditItem,
  CLASS_COLUMNS,
  DISTANCE_COLUMNS,
  ITEM_COLUMNS,
  OVERLAP_COLUMNS,
  PAIR_COLUMNS,
  TRANSFER_COLUMNS,
  pairRow,
} from './audit-tables.ts';
import { judge } from './audit-truth.ts';
import { verifiedPairs } from './audit-verify.ts';
import { cachedSpacesOf } from './cached-spaces.ts';
import { type OpenDataset, decoderOf, openDataset, upstreamOf } from './dataset-access.ts';
import { type EmbeddingFile, type EmbeddingSet, fileDigests, filesOf } from './embedding-files.ts';
import { writeOutput } from './ledger-table.ts';

interface AuditPlan {
  readonly params: AuditParams;
  /** Train first, then val where there is one, then eval. */
  readonly sides: ReadonlyMap<Side, OpenDataset>;
  readonly sources: readonly EmbeddingSource[];
}

const stage: Stage<AuditParams, AuditPlan> = {
  name: 'audit',
  version: 5,
  params: auditParams,
  inputs: ({ train, val, eval: evaluation, embeddings }) =>
    [train, val, evaluation, embeddings].filter((id) => id !== undefined),
  sources: async (params, context) => ({
    decoder: `${DECODER.name} ${DECODER.version}`,
    perceptualHash: PERCEPTUAL_HASH_VERSION,
    embeddings: await fileDigests(setsOf(params, context).flatMap(pathsOf)),
  }),
  plan: async (params, inputs, context) => {
    const sides = new Map<Side, OpenDataset>([['train', await openDataset(inputs, params.train)]]);
    if (params.val !== undefined) sides.set('val', await openDataset(inputs, params.val));
    sides.set('eval', await openDataset(inputs, params.eval));
    const cached =
      params.embeddings === undefined
        ? []
        : cachedSources(
            cachedSpacesOf(upstreamOf(inputs, params.embeddings, ['cache'])),
            context,
            params.copy,
          );
    return { params, sides, sources: [...cached, ...fileSources(setsOf(params, context))] };
  },
  describe: ({ sides, sources }) => {
    const count = (side: Side): number => sides.get(side)?.rows.length ?? 0;
    return {
      train: count('train'),
      ...(sides.has('val') ? { val: count('val') } : {}),
      eval: count('eval'),
      comparisons: count('train') * count('eval'),
      levels: ['byte', 'pixel', 'verified', 'phash', 'dhash', ...sources.map(({ level }) => level)],
    };
  },
  execute,
};

/** 134 MB. Images beyond are decoded again when something proposes them. */
const MOST_THUMBS = 32_768;

async function execute({ params, sides, sources }: AuditPlan, context: StageContext) {
  const rows: SideRows = new Map([...sides].map(([side, dataset]) => [side, dataset.rows]));
  const [train, evaluation] = [rows.get('train')!, rows.get('eval')!];
  const val = rows.get('val');
  const all = [...rows.values()].flat();
  const decode = decoderOf([...sides.values()]);
  const shared = { decode, workers: context.workers, signal: context.signal };
  const thumbs = new Map<ImageId, GreyThumb>();
  const hashed = await hashImages({
    ...shared,
    onDecoded: (id, grey) => {
      if (thumbs.size < MOST_THUMBS) thumbs.set(id, greyThumbOf(grey));
    },
    rows: all,
    folder: context.folder,
    workFolder: context.workFolder,
    onProgress: (done) => context.events.progress(done, all.length, 'images'),
  });
  context.events.note(`${hashed.fresh} of ${all.length} images hashed, the others were known`);
  const radius = { phash: params.phashRadius, dhash: params.dhashRadius };
  const canaries = await flyCanaries({
    ...shared,
    evaluation,
    hashes: hashed.byId,
    radius,
    count: params.canaries,
    seed: context.seed,
  });
  const exact = exactEvidence(rows, hashed.byId);
  const near = hashEvidence(rows, hashed.byId, { radius, budget: params.pairBudget });
  const groupOf = duplicateGroupOf(all, [
    ...exact,
    ...near.pairs.filter(({ evidence }) => meets(evidence, thresholdsOf(['phash'], params.match))),
  ]);
  const embedded = await searchEmbeddings(sources, {
    sides: rows,
    params,
    distances: params.distances.items === 0 ? null : params.distances,
    groupOf,
    seed: context.seed,
    signal: context.signal,
    onProgress: (done, total) => context.events.progress(done, total, 'embeddings'),
  });
  const proposed = [...exact, ...near.pairs, ...embedded.flatMap(({ pairs }) => pairs)];
  const verified = [
    ...sameImagePairs(exact),
    ...(await verifiedPairs({
      ...shared,
      candidates: verifiable(proposed),
      thumbs,
      rows: all,
      floor: { ncc: params.nccFloor },
      onProgress: (done, total) => context.events.progress(done, total, 'candidates'),
    })),
  ];
  const pairs: EvidencePair[] = [
    ...exact,
    ...verified,
    ...near.pairs,
    ...embedded.flatMap((one) => one.pairs),
  ];
  const levels: EvidenceLevel[] = [
    'byte',
    'pixel',
    'verified',
    'phash',
    'dhash',
    ...embedded.map(({ level }) => level),
  ];
  const thresholds = thresholdsOf(levels, params.match);
  const lists = { hashLists: near.lists, embedded, params };
  const open = {
    uncompared: (level: EvidenceLevel, side: Side) => uncomparedAt(embedded, level, side),
    boundOf: (level: EvidenceLevel, type: PairType) => boundOf(lists, level, type),
    openAt: (level: EvidenceLevel, type: PairType) => openAt(lists, level, type),
  };
  const ids = (list: readonly { readonly id: ImageId }[]): ImageId[] => list.map(({ id }) => id);
  const overlapRows = overlap({
    train: ids(train),
    ...(val === undefined ? {} : { val: ids(val) }),
    evaluation: ids(evaluation),
    pairs: pairs.filter(({ evidence }) => meets(evidence, thresholds)),
    levels,
    degenerate: near.degenerate,
    ...open,
  }).map(({ interval, degenerate, ...row }) => ({
    ...row,
    low: interval.low,
    high: interval.high,
    degenerateImages: degenerate.images,
    degeneratePairs: degenerate.pairs,
  }));
  const rates = {
    train,
    evaluation,
    pairs,
    levels,
    thresholds,
    degenerate: near.degenerate,
    ...open,
    seed: context.seed,
  };
  const classes = classesByLevel(rates);
  const judged = judge({ train, evaluation, pairs, teachers: embedded, truth: params.truth });
  const write = tableWriter(context.folder);
  const outputs: StageOutput[] = [
    await write(
      'items',
      ITEM_COLUMNS,
      itemsOf(rows, { hashes: hashed.byId, flat: near.degenerate, embedded }),
    ),
    await write('pairs', PAIR_COLUMNS, pairs.map(pairRow)),
    await write('overlap', OVERLAP_COLUMNS, overlapRows),
    await write(
      'classes',
      CLASS_COLUMNS,
      classes.map(({ interval, ...row }) => ({ ...row, ...interval })),
    ),
    await write('agreement', AGREEMENT_COLUMNS, agreementByType(rows, rates)),
    await write('transfer', TRANSFER_COLUMNS, transferCells(rates, embedded)),
    await write(
      'distances',
      DISTANCE_COLUMNS,
      embedded.flatMap(({ level, distance }) => (distance?.rows ?? []).map((row) => ({ level, ...row }))),
    ),
    hashed.output,
  ];
  const facts = {
    sides: Object.fromEntries(
      [...sides].map(([side, { from, rows: list }]) => [side, { from, images: list.length }]),
    ),
    levels: overlapRows,
    match: params.match,
    degenerate: near.degenerate.size,
    pairs: pairs.length,
    hashLists: near.lists.map(({ open: images, ...list }) => ({ ...list, open: images.size })),
    // of embeddings: images with more neighbours than are listed
    hubs: embedded.reduce((sum, one) => sum + one.hubs, 0),
    unusable: Object.fromEntries(
      embedded.map(({ level, uncompared }) => [
        level,
        Object.fromEntries([...uncompared].map(([side, images]) => [side, images.size])),
      ]),
    ),
    canaries,
    nulls: nullsByLevel(rates),
    chancePairs: {
      phash: expectedChancePairs(train.length, evaluation.length, params.match.phash),
      dhash: expectedChancePairs(train.length, evaluation.length, params.match.dhash),
    },
    labelConflicts: labelConflicts(rates),
    unlabelled: evaluation.filter(({ label }) => label === null).length,
    distances: embedded.flatMap(({ level, distance }) =>
      distance === null ? [] : [{ level, ...distanceFacts(distance) }],
    ),
    ...judged,
  };
  return { seen: all.length, kept: all.length, rejected: {}, outputs, facts: facts as unknown as Json };
}

/** The rows are in distances.parquet. */
function distanceFacts({
  images,
  summary,
  leftOut,
  unusable,
  mostTrainLike,
  mostEvalLike,
  anchorKind,
}: DomainDistance) {
  return { images, summary, leftOut, unusable, mostTrainLike, mostEvalLike, anchorKind };
}

function tableWriter(folder: string) {
  return <S extends TableSchema>(name: string, columns: S, rows: readonly RowOf<S>[]): Promise<StageOutput> =>
    writeOutput(folder, { name, path: `${name}.parquet`, bytes: writeParquet(columns, rows) });
}

function itemsOf(
  sides: SideRows,
  {
    hashes,
    flat,
    embedded,
  }: {
    readonly hashes: ReadonlyMap<ImageId, ImageHashes>;
    readonly flat: ReadonlySet<ImageId>;
    readonly embedded: readonly EmbeddingEvidence[];
  },
): AuditItem[] {
  return [...sides].flatMap(([side, rows]) =>
    rows.map((row) => {
      const known = hashes.get(row.id)!;
      const { phash, dhash } = hashOf(known);
      return {
        imageId: row.id,
        side,
        name: row.name,
        label: row.label,
        group: row.group,
        pixelDigest: known.pixelDigest,
        phash: hexOfHash(phash),
        dhash: hexOfHash(dhash),
        acEnergy: known.acEnergy,
        degenerate: flat.has(row.id),
        uncompared: embedded
          .filter(({ level }) => uncomparedAt(embedded, level, side).has(row.id))
          .map(({ level }) => level)
          .join(' '),
      };
    }),
  );
}

/** Embedding files with their paths made absolute. */
function setsOf(params: AuditParams, context: StageContext): EmbeddingSet[] {
  const at = (file: EmbeddingFile): EmbeddingFile =>
    typeof file === 'string'
      ? resolve(context.baseFolder, file)
      : {
          path: resolve(context.baseFolder, file.path),
          ...(file.keys === undefined ? {} : { keys: resolve(context.baseFolder, file.keys) }),
        };
  return params.embeddingFiles.map((set) => ({
    ...set,
    train: at(set.train),
    eval: at(set.eval),
    ...(set.val === undefined ? {} : { val: at(set.val) }),
    ...(set.anchor === undefined ? {} : { anchor: at(set.anchor) }),
  }));
}

function pathsOf({ train, eval: evaluation, val, anchor }: EmbeddingSet): string[] {
  return [train, evaluation, val, anchor].flatMap((file) => (file === undefined ? [] : filesOf(file)));
}

export const auditStage = asAnyStage(stage);
