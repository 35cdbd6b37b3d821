/**
 * More like these: of a pool, the images near a seed set (DINOv2's LVD-142M, Oquab et al. 2023, appendix A.3). `neighbours` takes the
 * k nearest of each seed, for seed sets that are large; `clusters` takes images from the clusters of the pool in which seeds fall, for
 * small ones. Cosines are of the features as they are: subtracting a mean would take away what the seeds have in common.
 */
import { NeighbourEngine } from '../audit/neighbours/neighbour-engine.ts';
import { nearestNeighbours } from '../audit/neighbours/nearest-neighbours.ts';
import { StillhouseError } from '../core/failure.ts';
import type { ImageId } from '../core/ids.ts';
import type { ImageRow } from '../images/image-row.ts';
import { assignTo, sphericalKmeans, unitRows } from './clusters/spherical-kmeans.ts';
import { drawOrder } from './draw-order.ts';
import { type CurateLedgerRow, rejection } from './ledger.ts';

export type RetrievePolicy =
  | {
      readonly kind: 'neighbours';
      /** Level of the embeddings: `teacher:<name>@<px>`. */
      readonly level: string;
      /** Nearest images per seed. */
      readonly perSeed: number;
      readonly minCosine: number;
    }
  | {
      readonly kind: 'clusters';
      readonly level: string;
      readonly clusters: number;
      /** Seeds that a cluster needs to be taken from. */
      readonly minSeeds: number;
      /** Most images taken from one cluster. */
      readonly perCluster: number;
      readonly minCosine: number;
    };

export interface Features {
  readonly ids: readonly ImageId[];
  readonly dim: number;
  /** [ids * dim]; rows of zeros have no embedding. */
  readonly data: Float32Array;
}

export interface RetrieveInput {
  /** Ascending by id, one for each row of `pool`. */
  readonly rows: readonly ImageRow[];
  readonly pool: Features;
  readonly seeds: Features;
  readonly policy: RetrievePolicy;
  readonly seed: number;
}

/** Why an image was retrieved. */
export interface SeedMatch {
  readonly seedImage: ImageId;
  readonly cosine: number;
}

export interface Retrieval {
  readonly kept: readonly ImageRow[];
  readonly rejected: readonly CurateLedgerRow[];
  /** The nearest seed of every image that has an embedding, kept or not. */
  readonly matches: ReadonlyMap<ImageId, SeedMatch>;
  /** Of the kept, where one was drawn from several: how likely it was. */
  readonly chances: ReadonlyMap<ImageId, number>;
}

/** Images that may be taken, each with its chance; those that were drawn. */
interface Chosen {
  readonly drawn: ReadonlySet<ImageId>;
  readonly chances: ReadonlyMap<ImageId, number>;
}

/** @throws StillhouseError bad-input when no seed has a usable embedding. */
export async function retrieveSimilar(input: RetrieveInput): Promise<Retrieval> {
  const { rows, policy, seeds } = input;
  if (!seeds.ids.some((_, i) => hasDirection(seeds, i))) throw noSeed(policy.level, seeds.ids.length);
  const matches = await nearestSeeds(input);
  const chosen =
    policy.kind === 'neighbours'
      ? await neighboursOf(input, policy)
      : await fromClusters(input, policy, matches);
  const kept: ImageRow[] = [];
  const rejected: CurateLedgerRow[] = [];
  for (const row of rows) {
    const match = matches.get(row.id);
    const chance = chosen.chances.get(row.id);
    if (chosen.drawn.has(row.id) && match !== undefined) kept.push(row);
    else if (match === undefined)
      rejected.push(
        rejection(row, {
          reason: 'no-embedding',
          detail: `${policy.level} has no usable embedding of it: missing, all zero, or not finite`,
          threshold: policy.level,
        }),
      );
    else if (chance !== undefined)
      rejected.push(
        rejection(row, {
          reason: 'over-retrieved-share',
          detail: `its cluster has more than is taken from one; its chance was ${chance.toPrecision(3)}`,
          value: chance,
          threshold: thresholdOf(policy),
          other: match.seedImage,
          otherSet: 'seeds',
        }),
      );
    else
      rejected.push(
        rejection(row, {
          reason: 'unlike-seeds',
          detail: `nearest seed ${match.seedImage} at ${policy.level} cosine ${match.cosine.toFixed(4)}`,
          value: match.cosine,
          threshold: thresholdOf(policy),
          other: match.seedImage,
          otherSet: 'seeds',
        }),
      );
  }
  return { kept, rejected, matches, chances: chosen.chances };
}

function thresholdOf(policy: RetrievePolicy): string {
  const floor = `${policy.level} cosine >= ${policy.minCosine}`;
  return policy.kind === 'neighbours'
    ? `among the ${policy.perSeed} nearest of a seed, ${floor}`
    : `among ${policy.perCluster} of a cluster with at least ${policy.minSeeds} seeds, ${floor}`;
}

async function nearestSeeds({ pool, seeds }: RetrieveInput): Promise<Map<ImageId, SeedMatch>> {
  const matches = new Map<ImageId, SeedMatch>();
  if (pool.ids.length === 0) return matches;
  const { indices, scores } = await nearestNeighbours({
    queries: pool.data,
    queryCount: pool.ids.length,
    base: seeds.data,
    dim: pool.dim,
    k: 1,
  });
  pool.ids.forEach((id, i) => {
    if (indices[i]! >= 0) matches.set(id, { seedImage: seeds.ids[indices[i]!]!, cosine: scores[i]! });
  });
  return matches;
}

async function neighboursOf(
  { pool, seeds }: RetrieveInput,
  { perSeed, minCosine }: Extract<RetrievePolicy, { kind: 'neighbours' }>,
): Promise<Chosen> {
  const { indices } = await nearestNeighbours({
    queries: seeds.data,
    queryCount: seeds.ids.length,
    base: pool.data,
    dim: pool.dim,
    k: perSeed,
    floor: minCosine,
  });
  const drawn = new Set([...indices].filter((at) => at >= 0).map((at) => pool.ids[at]!));
  return { drawn, chances: new Map() };
}

async function fromClusters(
  { pool, seeds, seed }: RetrieveInput,
  policy: Extract<RetrievePolicy, { kind: 'clusters' }>,
  matches: ReadonlyMap<ImageId, SeedMatch>,
): Promise<Chosen> {
  const usable = (features: Features) => {
    const at = features.ids.map((_, i) => i).filter((i) => hasDirection(features, i));
    const data = new Float32Array(at.length * features.dim);
    at.forEach((i, to) =>
      data.set(features.data.subarray(i * features.dim, (i + 1) * features.dim), to * features.dim),
    );
    return { ids: at.map((i) => features.ids[i]!), data };
  };
  const [points, queries] = [usable(pool), usable(seeds)];
  const { dim } = pool;
  if (points.ids.length === 0) return { drawn: new Set(), chances: new Map() };
  const engine = new NeighbourEngine();
  const { k, assignment, seedsIn } = await sphericalKmeans({
    rows: points.data,
    count: points.ids.length,
    dim,
    k: policy.clusters,
    seed,
    label: 'retrieve',
    engine,
  })
    .then(async (clustering) => ({
      ...clustering,
      seedsIn: await assignTo(clustering.centres, {
        rows: unitRows(queries.data, dim),
        count: queries.ids.length,
        dim,
        engine,
      }),
    }))
    .finally(() => engine.close());
  const hits = new Int32Array(k);
  for (const at of seedsIn.assignment) hits[at]! += 1;
  const members = Array.from({ length: k }, (): ImageId[] => []);
  assignment.forEach((at, i) => {
    const id = points.ids[i]!;
    if (matches.get(id)!.cosine >= policy.minCosine) members[at]!.push(id);
  });
  const drawn = new Set<ImageId>();
  const chances = new Map<ImageId, number>();
  members.forEach((ids, at) => {
    if (hits[at]! < policy.minSeeds) return;
    for (const id of ids) chances.set(id, Math.min(1, policy.perCluster / ids.length));
    for (const id of drawOrder(ids, (one) => `retrieve ${one}`, seed).slice(0, policy.perCluster))
      drawn.add(id);
  });
  return { drawn, chances };
}

function noSeed(level: string, seeds: number): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'no seed has a usable embedding, so nothing can be like them',
    where: level,
    wanted: 'at least one seed whose embedding is there, not all zero, and finite',
    got: `none of ${seeds}`,
    next: 'embed the seeds, or retrieve by another level',
  });
}

function hasDirection({ data, dim }: Features, i: number): boolean {
  return data.subarray(i * dim, (i + 1) * dim).some((value) => value !== 0);
}
