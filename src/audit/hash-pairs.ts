/**
 * Pairs of images whose perceptual hashes lie near (audit-and-curation.md §2.2). Candidates, not verdicts: chance pairs grow
 * with the number of comparisons. Flat images are left out and named, since their hashes match by accident.
 */
import type { ImageId } from '../core/ids.ts';
import { type EvidencePair, type HashLevel, type PairType, type WithinType, sortedEnds } from './evidence.ts';
import { type HammingList, hammingPairs, hammingSelfPairs, packHashes } from './hamming-search.ts';
import {
  DEFAULT_AC_ENERGY_FLOOR,
  type DihedralHash,
  type PerceptualHash,
  isDegenerate,
} from './perceptual-hash.ts';

export interface HashedImage {
  readonly id: ImageId;
  readonly hash: PerceptualHash;
}

/** Most pairs of one image: one that is near more than these is near everything, and its pairs say nothing. */
const MOST_PAIRS_PER_IMAGE = 256;

/** Most pairs of one level between two sides, unless told otherwise: some 25 MB of them; laying that many pictures over each other takes half a minute. */
export const DEFAULT_PAIR_BUDGET = 100_000;

/** An image of the small side, with the hashes of its rotations and mirror images. */
export interface DihedralHashedImage extends HashedImage {
  readonly variants: readonly DihedralHash[];
}

/** Largest Hamming distance per level; a level that is absent is not searched. */
export type HashRadius = { readonly [level in HashLevel]?: number };

export interface HashPairs {
  /** Ordered by level, then `a`, then `b`. */
  readonly pairs: readonly EvidencePair[];
  /** Flat images of either side, ascending, each once. */
  readonly degenerate: readonly ImageId[];
  /** How far each level was listed, in the order of the pairs. */
  readonly lists: readonly HashList[];
}

/**
 * What a list of hash pairs holds: all pairs up to a distance, and beyond it, up to the radius, the nearest of each image. So whether
 * an image has a match is always known; how many, and what else lies near it, only as far as `listedTo`.
 */
export interface HashList {
  readonly level: HashLevel;
  readonly type: PairType;
  /** What was asked for. */
  readonly radius: number;
  /** Less than `radius` where the budget was too small for all pairs; -1 where not even equal hashes fit. */
  readonly listedTo: number;
  /** Images near more than 256 others, of which only the nearest 256 are listed. */
  readonly hubs: number;
  /** Images of the second side, or of the one side, with more pairs within the radius than are listed. */
  readonly open: ReadonlySet<ImageId>;
}

/** Whether everything within the radius was listed. */
export function isWhole({ radius, listedTo, hubs }: HashList): boolean {
  return listedTo === radius && hubs === 0;
}

export interface HashAcross {
  /** Default `train-eval`. */
  readonly type?: PairType;
  readonly train: readonly HashedImage[];
  /** The small side. */
  readonly evaluation: readonly DihedralHashedImage[];
  readonly radius: HashRadius;
  readonly acEnergyFloor?: number;
  /** Most pairs of a level. Default {@link DEFAULT_PAIR_BUDGET}. */
  readonly budget?: number;
}

/** Each train image against each evaluation image and its transforms; the nearest transform speaks for the pair. */
export function hashPairsAcross(search: HashAcross): HashPairs {
  const {
    type = 'train-eval',
    train,
    evaluation,
    radius,
    acEnergyFloor,
    budget = DEFAULT_PAIR_BUDGET,
  } = search;
  const left = split(train, acEnergyFloor);
  const right = split(evaluation, acEnergyFloor);
  const transforms = right.textured[0]?.variants.map(({ transform }) => transform) ?? [];
  const found = levelsOf(radius).map(([level, r]) => {
    const list = hammingPairs({
      // transforms come in the order of DIHEDRAL, so the first of equal ones stays
      queries: packHashes(
        right.textured.flatMap(({ variants }) => variants.map((variant) => variant[level])),
      ),
      variants: Math.max(1, transforms.length),
      base: packHashes(left.textured.map(({ hash }) => hash[level])),
      radius: r,
      mostPerQuery: MOST_PAIRS_PER_IMAGE,
      budget,
    });
    const pairs = list.pairs.map(({ query, base, distance, variant }): EvidencePair => ({
      type,
      a: left.textured[base]!.id,
      b: right.textured[query]!.id,
      evidence: { level, distance, transform: transforms[variant]! },
    }));
    const open = new Set(list.open.queries.map((at) => right.textured[at]!.id));
    return { pairs, list: listOf(list, { type, level, radius: r, open }) };
  });
  return joined(found, [...left.flat, ...right.flat]);
}

export interface HashWithin {
  readonly type: WithinType;
  readonly images: readonly HashedImage[];
  readonly radius: HashRadius;
  readonly acEnergyFloor?: number;
  /** Most pairs of a level. Default {@link DEFAULT_PAIR_BUDGET}. */
  readonly budget?: number;
}

/** Pairs of one side as they stand, without transforms. An image listed twice counts once. */
export function hashPairsWithin(search: HashWithin): HashPairs {
  const { type, images, radius, acEnergyFloor, budget = DEFAULT_PAIR_BUDGET } = search;
  const { textured, flat } = split(images, acEnergyFloor);
  const found = levelsOf(radius).map(([level, r]) => {
    const list = hammingSelfPairs({
      hashes: packHashes(textured.map(({ hash }) => hash[level])),
      radius: r,
      mostPerQuery: MOST_PAIRS_PER_IMAGE,
      budget,
    });
    const pairs = list.pairs.map(({ query, base, distance }): EvidencePair => {
      const [a, b] = sortedEnds(textured[query]!.id, textured[base]!.id);
      return { type, a, b, evidence: { level, distance, transform: 'identity' } };
    });
    const open = new Set(list.open.queries.map((at) => textured[at]!.id));
    return { pairs, list: listOf(list, { type, level, radius: r, open }) };
  });
  return joined(found, flat);
}

function listOf({ listedTo, hubs }: HammingList, of: Omit<HashList, 'listedTo' | 'hubs'>): HashList {
  return { ...of, listedTo, hubs };
}

function joined(
  found: readonly { readonly pairs: EvidencePair[]; readonly list: HashList }[],
  flat: readonly ImageId[],
): HashPairs {
  return {
    pairs: found.flatMap(({ pairs }) => pairs.sort(byEnds)),
    degenerate: distinct(flat),
    lists: found.map(({ list }) => list),
  };
}

function levelsOf(radius: HashRadius): [HashLevel, number][] {
  const levels: HashLevel[] = ['phash', 'dhash'];
  return levels.flatMap((level) => {
    const r = radius[level];
    return r === undefined ? [] : [[level, r] satisfies [HashLevel, number]];
  });
}

function split<T extends HashedImage>(
  images: readonly T[],
  acEnergyFloor = DEFAULT_AC_ENERGY_FLOOR,
): { textured: T[]; flat: ImageId[] } {
  // by id: which of equally near pairs are listed must not depend on the order of a manifest
  const unique = [...new Map(images.map((image) => [image.id, image])).values()].sort((x, y) =>
    x.id < y.id ? -1 : 1,
  );
  return {
    textured: unique.filter(({ hash }) => !isDegenerate(hash, acEnergyFloor)),
    flat: unique.filter(({ hash }) => isDegenerate(hash, acEnergyFloor)).map(({ id }) => id),
  };
}

function byEnds(x: EvidencePair, y: EvidencePair): number {
  if (x.a !== y.a) return x.a < y.a ? -1 : 1;
  return x.b < y.b ? -1 : x.b > y.b ? 1 : 0;
}

function distinct(ids: readonly ImageId[]): ImageId[] {
  return [...new Set(ids)].sort();
}
