/**
 * Do two levels of evidence flag the same pairs (audit-and-curation.md §5.2)? A pair that one level alone flags is where a person
 * learns most by looking.
 */
import { type EvidenceLevel, type EvidencePair, type PairType, type Threshold, meets } from './evidence.ts';

export interface LevelAgreement {
  readonly levelA: EvidenceLevel;
  readonly levelB: EvidenceLevel;
  /** Matching pairs of each, and of both. */
  readonly pairsA: number;
  readonly pairsB: number;
  readonly both: number;
  /** both / pairsA: of what A flags, the share that B flags too. Null where A flags nothing. */
  readonly shareOfA: number | null;
  /** both / pairs of either. */
  readonly jaccard: number | null;
  /** Cohen's kappa over all possible pairs; near Jaccard's 2j / (1 + j) where matches are rare. */
  readonly kappa: number | null;
}

export interface AgreementInput {
  readonly pairs: readonly EvidencePair[];
  readonly type: PairType;
  readonly levels: readonly EvidenceLevel[];
  readonly thresholds: readonly Threshold[];
  /** Pairs of the two sides: what a level could have flagged. */
  readonly possiblePairs: number;
}

/** Every ordered pair of levels, each level with itself included, in the order of `levels`. */
export function levelAgreement(input: AgreementInput): LevelAgreement[] {
  const flagged = flaggedPairs(input);
  return input.levels.flatMap((levelA) =>
    input.levels.map((levelB) => {
      const [a, b] = [flagged.get(levelA)!, flagged.get(levelB)!];
      let both = 0;
      for (const key of a) both += b.has(key) ? 1 : 0;
      const either = a.size + b.size - both;
      return {
        levelA,
        levelB,
        pairsA: a.size,
        pairsB: b.size,
        both,
        shareOfA: a.size === 0 ? null : both / a.size,
        jaccard: either === 0 ? null : both / either,
        kappa: kappaOf(a.size, b.size, both, input.possiblePairs),
      };
    }),
  );
}

/** Keys `a b` of the matching pairs of each level. */
function flaggedPairs({ pairs, type, levels, thresholds }: AgreementInput): Map<string, Set<string>> {
  const flagged = new Map<string, Set<string>>(levels.map((level) => [level, new Set()]));
  for (const pair of pairs)
    if (pair.type === type && meets(pair.evidence, thresholds))
      flagged.get(pair.evidence.level)?.add(`${pair.a} ${pair.b}`);
  return flagged;
}

/** Cohen (1960). Null where chance alone agrees on everything: nothing, or every pair, flagged by both. */
function kappaOf(a: number, b: number, both: number, possible: number): number | null {
  if (possible === 0) return null;
  const [pA, pB] = [a / possible, b / possible];
  const observed = (possible - (a + b - 2 * both)) / possible;
  const expected = pA * pB + (1 - pA) * (1 - pB);
  return expected === 1 ? null : (observed - expected) / (1 - expected);
}
