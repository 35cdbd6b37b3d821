/**
 * The embedding levels: nearest neighbours by every teacher and every precomputed embedding, as evidence of a copy (`copy:`) or
 * of one scene or meaning (`teacher:`), and how far the sides lie apart as wholes.
 */
import {
  DEFAULT_DISTANCE_OPTIONS,
  type DistanceOptions,
  type DomainDistance,
  domainDistance,
} from '../audit/distance/domain-distance.ts';
import { MatrixEngine } from '../audit/distance/matrix-products.ts';
import {
  type EmbeddingLevel,
  type EvidencePair,
  PAIR_TYPES,
  type PairType,
  SIDES_OF,
  type Side,
  isWithin,
} from '../audit/evidence.ts';
import { NeighbourEngine } from '../audit/neighbours/neighbour-engine.ts';
import { nearestNeighbours } from '../audit/neighbours/nearest-neighbours.ts';
import { pairsAbove } from '../audit/neighbours/pairs-above.ts';
import { teacherPairsAcross, teacherPairsWithin } from '../audit/teacher-pairs.ts';
import type { ImageId } from '../core/ids.ts';
import { StillhouseError } from '../core/failure.ts';
import { rowValuesOf } from '../format/tensor-part.ts';
import type { ImageRow } from '../images/image-row.ts';
import {
  type CacheAccess,
  type NamedSpace,
  centre,
  fullViewMatrix,
  readSpaces,
  zeroRows,
} from './cached-spaces.ts';
import { type EmbeddingSet, type Matrix, anchorMatrix, embeddingsFor } from './embedding-files.ts';

export interface EmbeddingSource {
  readonly level: EmbeddingLevel;
  load(side: Side, rows: readonly ImageRow[]): Promise<Matrix>;
  /** Something unrelated, where the user gave it. */
  anchor(): Promise<(Matrix & { readonly rows: number }) | null>;
}

/** One source per summary space; a teacher named in `copy`, by name or `name@px`, is a copy detector. */
export function cachedSources(
  spaces: readonly NamedSpace[],
  access: CacheAccess,
  copy: readonly string[],
): EmbeddingSource[] {
  return spaces
    .filter(({ kind }) => kind === 'summary')
    .map((space): EmbeddingSource => {
      const name = `${space.teacher}@${space.sizePx}`;
      const isCopy = copy.includes(space.teacher) || copy.includes(name);
      return {
        level: isCopy ? `copy:${name}` : `teacher:${name}`,
        load: (_, rows) =>
          readSpaces(access, [space], async (byLabel) => ({
            dim: rowValuesOf(space.shape),
            data: await fullViewMatrix(byLabel.get(space.label)!, rows),
          })),
        anchor: () => Promise.resolve(null),
      };
    });
}

export function fileSources(sets: readonly EmbeddingSet[]): EmbeddingSource[] {
  return sets.map((set): EmbeddingSource => ({
    level: set.role === 'copy' ? `copy:${set.name}` : `teacher:${set.name}`,
    load: (side, rows) => {
      const file = set[side];
      if (file === undefined)
        throw new StillhouseError({
          kind: 'bad-input',
          what: 'a set of embeddings lacks a side of the audit',
          where: set.name,
          wanted: `a file for "${side}"`,
          got: 'none',
          next: 'add it to embeddingFiles',
        });
      return embeddingsFor(file, rows);
    },
    anchor: () => (set.anchor === undefined ? Promise.resolve(null) : anchorMatrix(set.anchor)),
  }));
}

export interface EmbeddingEvidence {
  readonly level: EmbeddingLevel;
  readonly pairs: readonly EvidencePair[];
  /** Highest cosine at which a list of neighbours was cut short, by pair type; a type without such a list is absent. */
  readonly cutAt: ReadonlyMap<PairType, number>;
  /** Images whose list of neighbours was cut short. */
  readonly hubs: number;
  /**
   * Images of each side whose embedding is missing, zero, not finite, or the very mean of all: they take part in nothing at this
   * level.
   */
  readonly uncompared: ReadonlyMap<Side, ReadonlySet<ImageId>>;
  /** Nearest train image of each evaluation image, whatever its similarity: index and cosine, -1 where there is none. */
  readonly nearest: { readonly index: Int32Array; readonly cosine: Float32Array };
  readonly distance: DomainDistance | null;
}

export interface EmbeddingSearchInput {
  readonly sides: ReadonlyMap<Side, readonly ImageRow[]>;
  readonly params: { readonly cosineFloor: number; readonly maxNeighbours: number };
  /** Null: no domain distance. */
  readonly distances: DistanceOptions | null;
  readonly groupOf: (id: string) => string;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

export { DEFAULT_DISTANCE_OPTIONS };

export async function searchEmbeddings(
  sources: readonly EmbeddingSource[],
  input: EmbeddingSearchInput,
): Promise<EmbeddingEvidence[]> {
  const found: EmbeddingEvidence[] = [];
  const engine = await MatrixEngine.open();
  const neighbours = new NeighbourEngine();
  try {
    for (const source of sources) {
      input.onProgress(found.length, sources.length);
      input.signal.throwIfAborted();
      found.push(await searchOne(source, { engine, neighbours }, input));
    }
  } finally {
    await Promise.all([engine.close(), neighbours.close()]);
  }
  return found;
}

async function searchOne(
  source: EmbeddingSource,
  { engine, neighbours }: { readonly engine: MatrixEngine; readonly neighbours: NeighbourEngine },
  input: EmbeddingSearchInput,
): Promise<EmbeddingEvidence> {
  const { level } = source;
  const matrices = new Map<Side, Float32Array>();
  let dim: number | null = null;
  for (const [side, rows] of input.sides) {
    const matrix = await source.load(side, rows);
    dim ??= matrix.dim;
    if (matrix.dim !== dim) throw otherDimension(level, side, dim, matrix.dim);
    matrices.set(side, matrix.data);
  }
  const width = dim ?? 0;
  const distance = await distanceOf(source, { engine, matrices, dim: width }, input);
  // features of one network share a large common part; without it, cosine tells images apart much better
  if (level.startsWith('teacher:')) centre([...matrices.values()], matrices.get('train')!.slice(), width);
  const ids = (side: Side) => input.sides.get(side)!.map(({ id }) => id);
  const uncompared = new Map(
    [...matrices].map(([side, data]) => [side, new Set(zeroRows(data, width).map((at) => ids(side)[at]!))]),
  );
  const pairs: EvidencePair[] = [];
  const cutAt = new Map<PairType, number>();
  let hubs = 0;
  for (const type of PAIR_TYPES) {
    const [left, right] = SIDES_OF[type];
    const base = matrices.get(left);
    const queries = matrices.get(right);
    if (base === undefined || queries === undefined) continue;
    const above = await pairsAbove({
      dim: width,
      threshold: input.params.cosineFloor,
      maxPerQuery: input.params.maxNeighbours,
      queries,
      queryCount: ids(right).length,
      base,
      excludeSelf: isWithin(type),
      engine: neighbours,
    });
    hubs += above.hubs.length;
    for (const { cosine, rank } of above.pairs)
      if (rank === input.params.maxNeighbours) cutAt.set(type, Math.max(cosine, cutAt.get(type) ?? -1));
    for (const pair of isWithin(type)
      ? teacherPairsWithin({ level, type, pairs: above.pairs, ids: ids(right) })
      : teacherPairsAcross({ level, type, pairs: above.pairs, trainIds: ids(left), evalIds: ids(right) }))
      pairs.push(pair);
  }
  const nearest = await nearestNeighbours({
    queries: matrices.get('eval')!,
    queryCount: ids('eval').length,
    base: matrices.get('train')!,
    dim: width,
    k: 1,
    engine: neighbours,
  });
  return {
    level,
    pairs,
    cutAt,
    hubs,
    uncompared,
    nearest: { index: nearest.indices, cosine: nearest.scores },
    distance,
  };
}

async function distanceOf(
  source: EmbeddingSource,
  {
    engine,
    matrices,
    dim,
  }: {
    readonly engine: MatrixEngine;
    readonly matrices: ReadonlyMap<Side, Float32Array>;
    readonly dim: number;
  },
  input: EmbeddingSearchInput,
): Promise<DomainDistance | null> {
  if (input.distances === null) return null;
  const side = (name: Side) => ({
    ids: input.sides.get(name)!.map(({ id }) => id as string),
    rows: matrices.get(name)!,
  });
  const given = await source.anchor();
  if (given !== null && given.dim !== dim) throw otherDimension(source.level, 'anchor', dim, given.dim);
  return domainDistance({
    engine,
    train: side('train'),
    evaluation: side('eval'),
    anchor:
      given === null
        ? null
        : { ids: Array.from({ length: given.rows }, (_, i) => `anchor ${i}`), rows: given.data },
    dim,
    groupOf: input.groupOf,
    options: input.distances,
    label: source.level,
    seed: input.seed,
    signal: input.signal,
  });
}

function otherDimension(level: string, side: string, wanted: number, got: number): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'embeddings of two sides have different dimensions',
    where: `${level}, ${side}`,
    wanted: `${wanted} dimensions, as the first side has`,
    got: String(got),
    next: 'embed both sides with one model',
  });
}
