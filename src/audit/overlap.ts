/**
 * How far two sides overlap, per level of evidence: unique images with a match, never edges, with an interval
 * (audit-and-curation.md §2.6, §5.2). The three pair types and flat images are kept apart.
 */
import type { ImageId } from '../core/ids.ts';
import { type Interval, clopperPearson } from './clopper-pearson.ts';
import {
  type EvidenceLevel,
  type EvidencePair,
  PAIR_TYPES,
  type PairType,
  SIDES_OF,
  type Side,
  isWithin,
} from './evidence.ts';

export interface OverlapInput {
  readonly train: readonly ImageId[];
  /** A third set, where there is one. */
  readonly val?: readonly ImageId[];
  readonly evaluation: readonly ImageId[];
  /** Already cut at the thresholds that the report names. */
  readonly pairs: readonly EvidencePair[];
  /** Levels that were searched; one without any pair is reported as zero, which is a finding. */
  readonly levels: readonly EvidenceLevel[];
  /** Flat images: counted in a bucket of their own, in no rate. */
  readonly degenerate?: ReadonlySet<ImageId>;
  /** Images that a level could not compare: counted beside its rates, in none. Default: none. */
  readonly uncompared?: (level: EvidenceLevel, side: Side) => ReadonlySet<ImageId>;
  /** What is only a lower bound. Default: nothing. */
  readonly boundOf?: (level: EvidenceLevel, type: PairType) => Bound;
  /** Where images are open: those with pairs that were not looked at; null for all. */
  readonly openAt?: (level: EvidenceLevel, type: PairType) => ReadonlySet<ImageId> | null;
  /** Of the interval; default 0.95. */
  readonly confidence?: number;
}

/**
 * What a search that did not list every pair leaves open: nothing (`no`), how many pairs there are (`pairs`), or also whether some
 * images have one (`images`). What is open is a lower bound.
 */
export const BOUNDS = ['no', 'pairs', 'images'] as const;
export type Bound = (typeof BOUNDS)[number];

export interface MatchCount {
  /** Unique images that were compared, of the side that the rate speaks of: the second of two, else the side itself. */
  readonly images: number;
  /** Those with at least one match. */
  readonly matched: number;
  readonly pairs: number;
}

export interface OverlapRow extends MatchCount {
  readonly level: EvidenceLevel;
  readonly type: PairType;
  /** matched / images, null when there are no images. */
  readonly rate: number | null;
  /** Images of that side that the level could not compare: whether they match is not known. Flat ones are not among them. */
  readonly uncompared: number;
  readonly bounded: Bound;
  /** Images without a match so far, with pairs that were not looked at: up to this many more may match. 0 unless `bounded` is `images`. */
  readonly open: number;
  /**
   * Clopper-Pearson. Every image was checked, so it speaks of further images from the same source; errors of the detector
   * come on top and are not in it. Its upper end is that of all open images matching.
   */
  readonly interval: Interval;
  /** Flat images, and pairs with a flat end. */
  readonly degenerate: MatchCount;
}

/**
 * One row per level and pair type of the sides given, in the order of `levels`, then PAIR_TYPES.
 * @throws Error (a defect) when a pair names an image of neither side, or a level that was not searched.
 */
export function overlap(input: OverlapInput): OverlapRow[] {
  const sides = new Map<Side, ReadonlySet<ImageId>>([
    ['train', new Set(input.train)],
    ['eval', new Set(input.evaluation)],
  ]);
  if (input.val !== undefined) sides.set('val', new Set(input.val));
  checkPairs(input, sides);
  const types = PAIR_TYPES.filter((type) => SIDES_OF[type].every((side) => sides.has(side)));
  const flat = input.degenerate ?? new Set<ImageId>();
  return input.levels.flatMap((level) =>
    types.map((type) => {
      const side = SIDES_OF[type][1];
      const images = sides.get(side)!;
      const uncompared = input.uncompared?.(level, side) ?? new Set<ImageId>();
      const textured = [...images].filter((id) => !flat.has(id));
      const pairs = input.pairs.filter((pair) => pair.type === type && pair.evidence.level === level);
      const isFlat = (pair: EvidencePair): boolean => flat.has(pair.a) || flat.has(pair.b);
      const compared = textured.filter((id) => !uncompared.has(id));
      const countedPairs = pairs.filter((pair) => !isFlat(pair));
      const normal = countOf(compared, countedPairs);
      const bound = input.boundOf?.(level, type) ?? 'no';
      const open =
        bound === 'images' ? openOf(compared, countedPairs, input.openAt?.(level, type) ?? null) : 0;
      const interval = clopperPearson(normal.matched, normal.images, input.confidence);
      const most = clopperPearson(normal.matched + open, normal.images, input.confidence);
      return {
        level,
        type,
        ...normal,
        rate: normal.images === 0 ? null : normal.matched / normal.images,
        uncompared: textured.length - normal.images,
        bounded: bound === 'images' && open === 0 ? 'pairs' : bound,
        open,
        interval: { low: interval.low, high: most.high },
        degenerate: countOf(
          [...images].filter((id) => flat.has(id)),
          pairs.filter(isFlat),
        ),
      };
    }),
  );
}

function matchedBy(pairs: readonly EvidencePair[]): Set<ImageId> {
  return new Set(pairs.flatMap(({ type, a, b }) => (isWithin(type) ? [a, b] : [b])));
}

function openOf(
  images: readonly ImageId[],
  pairs: readonly EvidencePair[],
  open: ReadonlySet<ImageId> | null,
): number {
  const matched = matchedBy(pairs);
  return images.filter((id) => !matched.has(id) && (open === null || open.has(id))).length;
}

function countOf(images: readonly ImageId[], pairs: readonly EvidencePair[]): MatchCount {
  const matched = matchedBy(pairs);
  return {
    images: images.length,
    matched: images.filter((id) => matched.has(id)).length,
    pairs: pairs.length,
  };
}

function checkPairs({ pairs, levels }: OverlapInput, sides: ReadonlyMap<Side, ReadonlySet<ImageId>>): void {
  for (const { type, a, b, evidence } of pairs) {
    const [left, right] = SIDES_OF[type];
    const known = (sides.get(left)?.has(a) ?? false) && (sides.get(right)?.has(b) ?? false);
    if (!known) throw new Error(`internal: ${type} pair of unknown images ${a}, ${b}`);
    if (!levels.includes(evidence.level))
      throw new Error(`internal: level ${evidence.level} was not searched`);
  }
}
