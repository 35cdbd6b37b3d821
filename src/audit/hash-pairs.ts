/**
 * Pairs of images whose perceptual hashes lie near (audit-and-curation.md §2.2). Candidates, not verdicts: chance pairs grow
 * with the number of comparisons. Flat images are left out and named, since their hashes match by accident.
 */
import type { ImageId } from '../core/ids.ts';
import { type EvidencePair, type HashLevel, type PairType, type WithinType, sortedEnds } from './evidence.ts';
import { hammingPairs, hammingSelfPairs, packHashes } from './hamming-search.ts';
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

/** Most pairs of one hash: an image that is near more than these is near everything, and its pairs say nothing. */
export const MOST_PAIRS_PER_HASH = 256;

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
  /** Lists of matches that were cut short: images whose hash is near everything. */
  readonly hubs: number;
}

export interface HashAcross {
  /** Default `train-eval`. */
  readonly type?: PairType;
  readonly train: readonly HashedImage[];
  /** The small side. */
  readonly evaluation: readonly DihedralHashedImage[];
  readonly radius: HashRadius;
  readonly acEnergyFloor?: number;
}

/** Each train image against each evaluation image and its transforms; the nearest transform speaks for the pair. */
export function hashPairsAcross(search: HashAcross): HashPairs {
  const { type = 'train-eval', train, evaluation, radius, acEnergyFloor } = search;
  const left = split(train, acEnergyFloor);
  const right = split(evaluation, acEnergyFloor);
  const cut = { hubs: 0 };
  const pairs = levelsOf(radius).flatMap(([level, r]) =>
    nearestTransforms({ type, left: left.textured, right: right.textured, level, radius: r, cut }),
  );
  return { pairs, degenerate: distinct([...left.flat, ...right.flat]), ...cut };
}

export interface HashWithin {
  readonly type: WithinType;
  readonly images: readonly HashedImage[];
  readonly radius: HashRadius;
  readonly acEnergyFloor?: number;
}

/** Pairs of one side as they stand, without transforms. An image listed twice counts once. */
export function hashPairsWithin({ type, images, radius, acEnergyFloor }: HashWithin): HashPairs {
  const { textured, flat } = split(images, acEnergyFloor);
  const cut = { hubs: 0 };
  const pairs = levelsOf(radius).flatMap(([level, r]) =>
    hammingSelfPairs({
      hashes: packHashes(textured.map(({ hash }) => hash[level])),
      radius: r,
      mostPerQuery: MOST_PAIRS_PER_HASH,
      onHub: () => cut.hubs++,
    })
      .map(({ query, base, distance }): EvidencePair => {
        const [a, b] = sortedEnds(textured[query]!.id, textured[base]!.id);
        return { type, a, b, evidence: { level, distance, transform: 'identity' } };
      })
      .sort(byEnds),
  );
  return { pairs, degenerate: distinct(flat), ...cut };
}

interface TransformSearch {
  readonly type: PairType;
  readonly left: readonly HashedImage[];
  readonly right: readonly DihedralHashedImage[];
  readonly level: HashLevel;
  readonly radius: number;
  readonly cut: { hubs: number };
}

function nearestTransforms({ type, left, right, level, radius, cut }: TransformSearch): EvidencePair[] {
  const variants = right.flatMap(({ id, variants: all }) => all.map((variant) => ({ id, ...variant })));
  const found = hammingPairs({
    queries: packHashes(variants.map((variant) => variant[level])),
    base: packHashes(left.map(({ hash }) => hash[level])),
    radius,
    mostPerQuery: MOST_PAIRS_PER_HASH,
    onHub: () => cut.hubs++,
  });
  const nearest = new Map<string, EvidencePair>();
  for (const { query, base, distance } of found) {
    const { id: b, transform } = variants[query]!;
    const a = left[base]!.id;
    const known = nearest.get(`${a} ${b}`)?.evidence;
    // transforms come in the order of DIHEDRAL, so the first of equal ones stays
    if (known && 'distance' in known && known.distance <= distance) continue;
    nearest.set(`${a} ${b}`, { type, a, b, evidence: { level, distance, transform } });
  }
  return [...nearest.values()].sort(byEnds);
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
  const unique = [...new Map(images.map((image) => [image.id, image])).values()];
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
