/**
 * How far two sides overlap, per level of evidence: unique images with a match, never edges, with an interval
 * (audit-and-curation.md §2.6, §5.2). The three pair types and flat images are kept apart.
 */
import type { ImageId } from '../core/ids.ts';
import { type Interval, clopperPearson } from './clopper-pearson.ts';
import { type EvidenceLevel, type EvidencePair, PAIR_TYPES, type PairType } from './evidence.ts';

export interface OverlapInput {
  readonly train: readonly ImageId[];
  readonly evaluation: readonly ImageId[];
  /** Already cut at the thresholds that the report names. */
  readonly pairs: readonly EvidencePair[];
  /** Levels that were searched; one without any pair is reported as zero, which is a finding. */
  readonly levels: readonly EvidenceLevel[];
  /** Flat images: counted in a bucket of their own, in no rate. */
  readonly degenerate?: ReadonlySet<ImageId>;
  /** Of the interval; default 0.95. */
  readonly confidence?: number;
}

export interface MatchCount {
  /** Unique images of the side that the rate speaks of: evaluation for train-eval, else the side itself. */
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
  /**
   * Clopper-Pearson. Every image was checked, so it speaks of further images from the same source; errors of the detector
   * come on top and are not in it.
   */
  readonly interval: Interval;
  /** Flat images, and pairs with a flat end. */
  readonly degenerate: MatchCount;
}

/**
 * One row per level and pair type, in the order of `levels`, then PAIR_TYPES.
 * @throws Error (a defect) when a pair names an image of neither side, or a level that was not searched.
 */
export function overlap(input: OverlapInput): OverlapRow[] {
  const train = new Set(input.train);
  const evaluation = new Set(input.evaluation);
  checkPairs(input, train, evaluation);
  const flat = input.degenerate ?? new Set<ImageId>();
  return input.levels.flatMap((level) =>
    PAIR_TYPES.map((type) => {
      const images = type === 'within-train' ? train : evaluation;
      const pairs = input.pairs.filter((pair) => pair.type === type && pair.evidence.level === level);
      const isFlat = (pair: EvidencePair): boolean => flat.has(pair.a) || flat.has(pair.b);
      const normal = countOf(
        [...images].filter((id) => !flat.has(id)),
        pairs.filter((pair) => !isFlat(pair)),
      );
      return {
        level,
        type,
        ...normal,
        rate: normal.images === 0 ? null : normal.matched / normal.images,
        interval: clopperPearson(normal.matched, normal.images, input.confidence),
        degenerate: countOf(
          [...images].filter((id) => flat.has(id)),
          pairs.filter(isFlat),
        ),
      };
    }),
  );
}

function countOf(images: readonly ImageId[], pairs: readonly EvidencePair[]): MatchCount {
  const matched = new Set(pairs.flatMap(({ type, a, b }) => (type === 'train-eval' ? [b] : [a, b])));
  return {
    images: images.length,
    matched: images.filter((id) => matched.has(id)).length,
    pairs: pairs.length,
  };
}

function checkPairs(
  { pairs, levels }: OverlapInput,
  train: ReadonlySet<ImageId>,
  evaluation: ReadonlySet<ImageId>,
): void {
  for (const { type, a, b, evidence } of pairs) {
    const known =
      (type === 'within-eval' ? evaluation : train).has(a) &&
      (type === 'within-train' ? train : evaluation).has(b);
    if (!known) throw new Error(`internal: ${type} pair of unknown images ${a}, ${b}`);
    if (!levels.includes(evidence.level))
      throw new Error(`internal: level ${evidence.level} was not searched`);
  }
}
