/**
 * Pairs of images whose perceptual hashes lie near (audit-and-curation.md §2.2). Candidates, not verdicts: chance pairs grow
 * with the number of comparisons. Flat images are left out and named, since their hashes match by accident.
 */
import type { ImageId } from '../core/ids.ts';
import { type EvidencePair, type HashLevel, sortedEnds } from './evidence.ts';
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
}

export interface HashAcross {
  readonly train: readonly HashedImage[];
  /** The small side. */
  readonly evaluation: readonly DihedralHashedImage[];
  readonly radius: HashRadius;
  readonly acEnergyFloor?: number;
}

/** Each train image against each evaluation image and its transforms; the nearest transform speaks for the pair. */
export function hashPairsAcross({ train, evaluation, radius, acEnergyFloor }: HashAcross): HashPairs {
  const left = split(train, acEnergyFloor);
  const right = split(evaluation, acEnergyFloor);
  const variants = right.textured.flatMap(({ id, variants }) =>
    variants.map((variant) => ({ id, ...variant })),
  );
  const pairs = levelsOf(radius).flatMap(([level, r]) => {
    const found = hammingPairs({
      queries: packHashes(variants.map((variant) => variant[level])),
      base: packHashes(left.textured.map(({ hash }) => hash[level])),
      radius: r,
    });
    const nearest = new Map<string, EvidencePair>();
    for (const { query, base, distance } of found) {
      const { id: b, transform } = variants[query]!;
      const a = left.textured[base]!.id;
      const known = nearest.get(`${a} ${b}`)?.evidence;
      // transforms come in the order of DIHEDRAL, so the first of equal ones stays
      if (known && 'distance' in known && known.distance <= distance) continue;
      nearest.set(`${a} ${b}`, { type: 'train-eval', a, b, evidence: { level, distance, transform } });
    }
    return [...nearest.values()].sort(byEnds);
  });
  return { pairs, degenerate: distinct([...left.flat, ...right.flat]) };
}

export interface HashWithin {
  readonly type: 'within-train' | 'within-eval';
  readonly images: readonly HashedImage[];
  readonly radius: HashRadius;
  readonly acEnergyFloor?: number;
}

/** Pairs of one side as they stand, without transforms. An image listed twice counts once. */
export function hashPairsWithin({ type, images, radius, acEnergyFloor }: HashWithin): HashPairs {
  const { textured, flat } = split(images, acEnergyFloor);
  const pairs = levelsOf(radius).flatMap(([level, r]) =>
    hammingSelfPairs(packHashes(textured.map(({ hash }) => hash[level])), r)
      .map(({ query, base, distance }): EvidencePair => {
        const [a, b] = sortedEnds(textured[query]!.id, textured[base]!.id);
        return { type, a, b, evidence: { level, distance, transform: 'identity' } };
      })
      .sort(byEnds),
  );
  return { pairs, degenerate: distinct(flat) };
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
