/** Rates of the evaluation side per class and per level, what each source's overlap with itself is, and how the levels agree. */
import { type TransferCell, classTransfer } from '../audit/class-transfer.ts';
import {
  type EvidenceLevel,
  type EvidencePair,
  PAIR_TYPES,
  type PairType,
  SIDES_OF,
  type Side,
  type Threshold,
  isWithin,
  meets,
} from '../audit/evidence.ts';
import { clopperPearson } from '../audit/clopper-pearson.ts';
import type { Bound } from '../audit/overlap.ts';
import { type LevelAgreement, levelAgreement } from '../audit/level-agreement.ts';
import { type ClassRate, classRates } from '../audit/statistics/class-rates.ts';
import { chanceWithinRadius } from '../audit/statistics/binomial.ts';
import { nullRate } from '../audit/statistics/null-rates.ts';
import type { ImageId } from '../core/ids.ts';
import { Rng } from '../core/rng.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { EmbeddingEvidence } from './audit-embeddings.ts';
import type { SideRows } from './audit-evidence.ts';

export interface RatesInput {
  readonly train: readonly ImageRow[];
  readonly evaluation: readonly ImageRow[];
  readonly pairs: readonly EvidencePair[];
  readonly levels: readonly EvidenceLevel[];
  readonly thresholds: readonly Threshold[];
  readonly degenerate: ReadonlySet<ImageId>;
  readonly uncompared: (level: EvidenceLevel, side: Side) => ReadonlySet<ImageId>;
  readonly boundOf: (level: EvidenceLevel, type: PairType) => Bound;
  readonly openAt: (level: EvidenceLevel, type: PairType) => ReadonlySet<ImageId> | null;
  readonly seed: number;
}

export interface LevelClassRate extends ClassRate {
  readonly level: EvidenceLevel;
}

/**
 * Classes of the evaluation side at each level, of images that the level could compare. Empty when that side has no labels. Upper ends
 * are those of all open images matching.
 */
export function classesByLevel(input: RatesInput): LevelClassRate[] {
  const textured = distinct(input.evaluation).filter(({ id }) => !input.degenerate.has(id));
  return input.levels.flatMap((level) => {
    const uncompared = input.uncompared(level, 'eval');
    const items = textured.filter(({ id }) => !uncompared.has(id));
    const matched = matchedOf(input, level);
    const open = input.openAt(level, 'train-eval');
    const openOf = (label: string): number =>
      items.filter((item) => item.label === label && !matched.has(item.id) && (open?.has(item.id) ?? true))
        .length;
    return classRates({ items, matched }).map((one) => ({
      level,
      ...one,
      interval:
        input.boundOf(level, 'train-eval') === 'images'
          ? { ...one.interval, high: clopperPearson(one.matched + openOf(one.label), one.images).high }
          : one.interval,
    }));
  });
}

function matchedOf({ pairs, thresholds, degenerate }: RatesInput, level: EvidenceLevel): Set<string> {
  const matched = new Set<string>();
  for (const { type, a, b, evidence } of pairs)
    if (type === 'train-eval' && evidence.level === level && meets(evidence, thresholds))
      if (!degenerate.has(a) && !degenerate.has(b)) matched.add(b);
  return matched;
}

export interface LevelNull {
  readonly level: EvidenceLevel;
  readonly side: 'train' | 'eval';
  readonly drawn: number;
  readonly draws: number;
  readonly mean: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

const DRAWS = 20;

/**
 * Train-train and test-test nulls of every level: as many images drawn as the evaluation side has, where that many are there. None at a
 * level whose pairs within that side were not all listed.
 */
export function nullsByLevel(input: RatesInput): LevelNull[] {
  return input.levels.flatMap((level) =>
    (['train', 'eval'] as const).map((side): LevelNull => {
      if (input.boundOf(level, `within-${side}`) !== 'no')
        return { level, side, drawn: 0, draws: 0, mean: null, low: null, high: null };
      const rows = distinct(side === 'train' ? input.train : input.evaluation);
      const uncompared = input.uncompared(level, side);
      const ids = rows
        .filter(({ id }) => !input.degenerate.has(id) && !uncompared.has(id))
        .map(({ id }) => id as string);
      const pairs = input.pairs.filter(
        ({ type, evidence }) =>
          isWithin(type) &&
          SIDES_OF[type][0] === side &&
          evidence.level === level &&
          meets(evidence, input.thresholds),
      );
      const rng = new Rng(input.seed, 'null-rate', level, side);
      return {
        level,
        side,
        ...nullRate({ ids: ids.sort(), pairs, draw: input.evaluation.length, draws: DRAWS, rng }),
      };
    }),
  );
}

/**
 * Pairs that would lie within the match radius if hashes were random bits: eight transforms of each evaluation image against
 * every training image. Hashes of pictures collide more often, so this is a floor.
 */
export function expectedChancePairs(train: number, evaluation: number, radius: number): number {
  return train * evaluation * 8 * chanceWithinRadius(radius);
}

/** Images with one label on one side and another on the other, at exact or verified evidence: mistakes of a labeller. */
export function labelConflicts(input: RatesInput): number {
  const labels = new Map([...input.train, ...input.evaluation].map((row) => [row.id, row.label]));
  const conflicts = new Set<string>();
  for (const { a, b, evidence } of input.pairs) {
    if (evidence.level !== 'verified' || !meets(evidence, input.thresholds)) continue;
    const [left, right] = [labels.get(a) ?? null, labels.get(b) ?? null];
    if (left !== null && right !== null && left !== right) conflicts.add(`${a} ${b}`);
  }
  return conflicts.size;
}

/**
 * How far the levels flag the same pairs, for every pair type whose sides are there. Pairs of flat images are left out, and nothing is
 * said of a level whose pairs were not all listed.
 */
export function agreementByType(
  sides: SideRows,
  { pairs, levels, thresholds, degenerate, boundOf }: RatesInput,
): (LevelAgreement & { readonly type: PairType })[] {
  const comparable = pairs.filter(({ a, b }) => !degenerate.has(a) && !degenerate.has(b));
  const countOf = (side: Side): number =>
    distinct(sides.get(side) ?? []).filter(({ id }) => !degenerate.has(id)).length;
  return PAIR_TYPES.filter((type) => SIDES_OF[type].every((side) => sides.has(side))).flatMap((type) => {
    const [left, right] = [countOf(SIDES_OF[type][0]), countOf(SIDES_OF[type][1])];
    const possiblePairs = isWithin(type) ? (left * (left - 1)) / 2 : left * right;
    const isOpen = (level: EvidenceLevel): boolean => boundOf(level, type) !== 'no';
    return levelAgreement({ pairs: comparable, type, levels, thresholds, possiblePairs }).map((one) => ({
      type,
      ...one,
      ...(isOpen(one.levelA) || isOpen(one.levelB) ? { shareOfA: null, jaccard: null, kappa: null } : {}),
    }));
  });
}

/** Classes of the matching training images, and of the nearest one whatever its distance. */
export function transferCells(
  { train, evaluation, pairs, thresholds, degenerate }: RatesInput,
  embedded: readonly EmbeddingEvidence[],
): TransferCell[] {
  const labelsOf = (rows: readonly ImageRow[]): Map<string, string | null> =>
    new Map(rows.map(({ id, label }) => [id, label]));
  return classTransfer({
    pairs,
    thresholds,
    trainLabels: labelsOf(train),
    evalLabels: labelsOf(evaluation),
    degenerate,
    nearest: embedded.map(({ level, nearest }) => ({
      level,
      pairs: evaluation.flatMap(({ id }, i) => {
        const index = nearest.index[i]!;
        return index < 0 ? [] : [{ train: train[index]!.id, evaluation: id }];
      }),
    })),
  });
}

function distinct(rows: readonly ImageRow[]): ImageRow[] {
  return [...new Map(rows.map((row) => [row.id, row])).values()];
}
