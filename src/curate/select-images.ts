/** What of the images that may stay is taken: those like a seed set, an even sample of what they show, a mix of classes. */
import type { ImageRow } from '../images/image-row.ts';
import { type BalancePolicy, type KeptImage, balance } from './balance.ts';
import { type HierarchyLevel, clusterHierarchy, clusterPaths } from './clusters/cluster-hierarchy.ts';
import { hierarchicalSample } from './clusters/hierarchical-sample.ts';
import { type CurateLedgerRow, rejection } from './ledger.ts';
import { type Features, type RetrievePolicy, type SeedMatch, retrieveSimilar } from './retrieve-similar.ts';

export interface SamplePolicy {
  /** Level of the embeddings: `teacher:<name>@<px>`. */
  readonly level: string;
  readonly total: number;
  /** The finest first. */
  readonly levels: readonly HierarchyLevel[];
  readonly pick: 'random' | 'closest';
}

export interface SelectPolicy {
  readonly retrieve: RetrievePolicy | null;
  readonly sample: SamplePolicy | null;
  readonly balance: BalancePolicy;
  readonly seed: number;
}

export interface FeatureAccess {
  /** Features of these images, in their order; `centred` subtracts the mean of those that have any. */
  readonly features: (
    level: string,
    rows: readonly ImageRow[],
    options: { readonly centred: boolean },
  ) => Promise<Features>;
  readonly seeds: (level: string) => Promise<Features>;
}

export interface SelectedImage extends KeptImage {
  /** Clusters from the coarsest to the finest; null where nothing was sampled. */
  readonly clusterPath: string | null;
  readonly seedMatch: SeedMatch | null;
}

export interface Selection {
  /** Ascending by id. */
  readonly kept: readonly SelectedImage[];
  readonly rejected: readonly CurateLedgerRow[];
}

/**
 * @param rows ascending by id.
 * @throws StillhouseError bad-input for a mix that cannot be made ({@link balance}).
 */
export async function selectImages(
  rows: readonly ImageRow[],
  policy: SelectPolicy,
  access: FeatureAccess,
): Promise<Selection> {
  const rejected: CurateLedgerRow[] = [];
  const { retrieve, seed } = policy;
  let pool = rows;
  let matches: ReadonlyMap<string, SeedMatch> = new Map();
  let retrieved: ReadonlyMap<string, number> = new Map();
  if (retrieve !== null) {
    const found = await retrieveSimilar({
      rows,
      pool: await access.features(retrieve.level, rows, { centred: false }),
      seeds: await access.seeds(retrieve.level),
      policy: retrieve,
      seed,
    });
    rejected.push(...found.rejected);
    pool = found.kept;
    matches = found.matches;
    retrieved = found.chances;
  }
  const sampled = await sampleImages(pool, policy, access);
  const balanced = balance({ rows: sampled.kept, policy: policy.balance, seed });
  return {
    // two-phase sampling: the second choice is made among what the first left, so the chances multiply (Särndal et al. 1992, §9)
    kept: balanced.kept.map((image) => ({
      ...image,
      inclusionProbability:
        image.inclusionProbability *
        (sampled.chances.get(image.row.id) ?? 1) *
        (retrieved.get(image.row.id) ?? 1),
      clusterPath: sampled.paths.get(image.row.id) ?? null,
      seedMatch: matches.get(image.row.id) ?? null,
    })),
    rejected: [...rejected, ...sampled.rejected, ...balanced.rejected],
  };
}

interface Sampled {
  readonly kept: readonly ImageRow[];
  readonly rejected: readonly CurateLedgerRow[];
  readonly chances: ReadonlyMap<string, number>;
  readonly paths: ReadonlyMap<string, string>;
}

async function sampleImages(
  rows: readonly ImageRow[],
  { sample, seed }: SelectPolicy,
  access: FeatureAccess,
): Promise<Sampled> {
  // there is nothing to choose; so the result of a sample is sampled no further
  if (sample === null || rows.length <= sample.total)
    return { kept: rows, rejected: [], chances: new Map(), paths: new Map() };
  const { dim, data } = await access.features(sample.level, rows, { centred: true });
  const usable = rows.map((_, i) => data.subarray(i * dim, (i + 1) * dim).some((value) => value !== 0));
  const points = rows.filter((_, i) => usable[i]);
  const compact = new Float32Array(points.length * dim);
  let at = 0;
  usable.forEach((is, i) => {
    if (is) compact.set(data.subarray(i * dim, (i + 1) * dim), dim * at++);
  });
  const withoutEmbedding = rows
    .filter((_, i) => !usable[i])
    .map((row) =>
      rejection(row, {
        reason: 'no-embedding',
        detail: `${sample.level} has no usable embedding of it: missing, all zero, or not finite`,
        threshold: sample.level,
      }),
    );
  if (points.length === 0)
    return { kept: [], rejected: withoutEmbedding, chances: new Map(), paths: new Map() };
  const hierarchy = await clusterHierarchy({
    rows: compact,
    count: points.length,
    dim,
    levels: sample.levels,
    seed,
  });
  const paths = clusterPaths(hierarchy);
  const rowOf = new Map(points.map((row) => [row.id as string, row]));
  const chosen = hierarchicalSample({
    items: points.map(({ id }, i) => ({ id, path: paths[i]!, closeness: hierarchy.cosine[i]! })),
    total: sample.total,
    pick: sample.pick,
    seed,
  });
  return {
    kept: chosen.filter((one) => one.chosen).map(({ item }) => rowOf.get(item.id)!),
    rejected: [
      ...withoutEmbedding,
      ...chosen
        .filter((one) => !one.chosen)
        .map(({ item, quota, size, inclusionProbability }) =>
          rejection(rowOf.get(item.id)!, {
            reason: 'over-cluster-share',
            detail: `cluster ${item.path} gives ${quota} of ${size}; its chance was ${inclusionProbability.toPrecision(3)}`,
            value: inclusionProbability,
            threshold: `${quota} of ${size}`,
          }),
        ),
    ],
    chances: new Map(chosen.map(({ item, inclusionProbability }) => [item.id, inclusionProbability])),
    paths: new Map(chosen.map(({ item }) => [item.id, item.path])),
  };
}
