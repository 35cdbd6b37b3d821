/**
 * Does overlap matter for the score? From per-item scores of one or more models: accuracy on all, clean and overlapping items with
 * the tests of CLIP (Radford et al. 2021, section 5), a comparison within classes that takes out what overlap items are like, the
 * whole curve over cuts, and whether models change places on the clean items (audit-and-curation.md §2.7, §5.6).
 */
import type { Rng } from '../../core/rng.ts';
import { type Interval, clopperPearson } from '../clopper-pearson.ts';
import { binomialUpperTail } from '../statistics/binomial.ts';
import { bonferroni } from '../statistics/multiple-testing.ts';
import { quantile } from '../statistics/detector-error.ts';

export interface ScoredItem {
  readonly id: string;
  readonly label: string | null;
  /** Score of the item in [0, 1]: 1 or 0 for right or wrong. */
  readonly score: number;
  /** Closeness of the nearest match in training, higher is closer; null without one. */
  readonly closeness: number | null;
}

export interface MeanScore {
  readonly items: number;
  /** Null without items. */
  readonly value: number | null;
}

export interface ModelImpact {
  readonly model: string;
  readonly all: MeanScore;
  readonly clean: MeanScore;
  readonly overlap: MeanScore;
  /** All minus clean: what overlap adds to the published figure. With a bootstrap interval over items. */
  readonly inflation: { readonly value: number; readonly interval: Interval } | null;
  /** Overlap items right by more than the clean rate explains, one-sided exact binomial; null for scores that are not 0 or 1. */
  readonly binomialP: number | null;
  /** Over all models. */
  readonly bonferroniP: number | null;
  /** Clopper-Pearson of the overlap rate, 99.5 % as CLIP prints it. */
  readonly overlapInterval: Interval | null;
  /** Within classes: overlap minus clean of the same class, weighted by overlap items, with a permutation p within classes. */
  readonly matched: { readonly difference: number; readonly items: number; readonly pValue: number } | null;
  readonly leftOut: readonly string[];
}

export interface SensitivityPoint {
  /** Items at least this close count as overlap. */
  readonly cut: number;
  readonly model: string;
  readonly overlapItems: number;
  readonly inflation: number | null;
}

export interface RankChange {
  readonly model: string;
  readonly rankAll: number;
  readonly rankClean: number;
}

export interface ImpactInput {
  readonly models: ReadonlyMap<string, readonly ScoredItem[]>;
  /** Items at least this close count as overlap. */
  readonly cut: number;
  readonly rng: Rng;
  readonly bootstrap?: number;
  readonly permutations?: number;
}

/** Fewer overlap items than this say nothing about a rate. */
export const LEAST_OVERLAP_ITEMS = 5;

export function impactOf(input: ImpactInput): ModelImpact[] {
  const found = [...input.models].map(([model, items]) => modelImpact(model, items, input));
  const tested = found.filter(({ binomialP }) => binomialP !== null);
  const adjusted = bonferroni(tested.map(({ binomialP }) => binomialP!));
  return found.map((one) => {
    const at = tested.indexOf(one);
    return at < 0 ? one : { ...one, bonferroniP: adjusted[at]! };
  });
}

function modelImpact(model: string, items: readonly ScoredItem[], input: ImpactInput): ModelImpact {
  const isOverlap = ({ closeness }: ScoredItem): boolean => closeness !== null && closeness >= input.cut;
  const overlap = items.filter(isOverlap);
  const clean = items.filter((item) => !isOverlap(item));
  const [a, c, o] = [meanOf(items), meanOf(clean), meanOf(overlap)];
  const leftOut: string[] = [];
  const binary = items.every(({ score }) => score === 0 || score === 1);
  const enough = overlap.length >= LEAST_OVERLAP_ITEMS && clean.length > 0;
  if (clean.length === 0) leftOut.push('every item overlaps: there is nothing clean to compare with');
  else if (!enough) leftOut.push(`tests need ${LEAST_OVERLAP_ITEMS} overlap items, got ${overlap.length}`);
  if (!binary) leftOut.push('scores are not 0 or 1: no binomial test');
  const right = overlap.reduce((sum, { score }) => sum + score, 0);
  const matched = enough ? withinClasses(clean, overlap, input) : null;
  if (enough && matched === null) leftOut.push('no class has both overlap and clean items: nothing to match');
  return {
    model,
    all: a,
    clean: c,
    overlap: o,
    inflation:
      a.value === null || c.value === null
        ? null
        : { value: a.value - c.value, interval: inflationInterval(items, isOverlap, input) },
    binomialP: enough && binary ? binomialUpperTail(right, overlap.length, c.value!) : null,
    bonferroniP: null,
    overlapInterval: binary && overlap.length > 0 ? clopperPearson(right, overlap.length, 0.995) : null,
    matched,
    leftOut,
  };
}

function meanOf(items: readonly ScoredItem[]): MeanScore {
  const sum = items.reduce((total, { score }) => total + score, 0);
  return { items: items.length, value: items.length === 0 ? null : sum / items.length };
}

/** Percentile bootstrap over items; each resample keeps an item's score and its overlap together. */
function inflationInterval(
  items: readonly ScoredItem[],
  isOverlap: (item: ScoredItem) => boolean,
  { rng, bootstrap = 1000 }: ImpactInput,
): Interval {
  const flags = items.map(isOverlap);
  const values: number[] = [];
  for (let draw = 0; draw < bootstrap; draw++) {
    let [sum, cleanSum, cleanCount] = [0, 0, 0];
    for (let i = 0; i < items.length; i++) {
      const at = rng.below(items.length);
      const { score } = items[at]!;
      sum += score;
      if (flags[at] === true) continue;
      cleanSum += score;
      cleanCount += 1;
    }
    if (cleanCount > 0) values.push(sum / items.length - cleanSum / cleanCount);
  }
  return values.length === 0
    ? { low: -1, high: 1 }
    : { low: quantile(values, 0.025), high: quantile(values, 0.975) };
}

/**
 * Each overlap item against the mean of clean items of its own class, so that a class that leaks and is easy does not pass for
 * memory. Null when no class has both kinds.
 */
function withinClasses(
  clean: readonly ScoredItem[],
  overlap: readonly ScoredItem[],
  { rng, permutations = 999 }: ImpactInput,
): { difference: number; items: number; pValue: number } | null {
  const strata = new Map<string, { scores: number[]; overlaps: number }>();
  for (const [list, isOverlap] of [
    [overlap, true],
    [clean, false],
  ] as const)
    for (const { label, score } of list) {
      if (label === null) continue;
      const stratum = strata.get(label) ?? { scores: [], overlaps: 0 };
      strata.set(label, stratum);
      stratum.scores.push(score);
      if (isOverlap) stratum.overlaps += 1;
    }
  const usable = [...strata.values()].filter(
    ({ scores, overlaps }) => overlaps > 0 && overlaps < scores.length,
  );
  const items = usable.reduce((sum, { overlaps }) => sum + overlaps, 0);
  if (items === 0) return null;
  const differenceOf = (orders: readonly (readonly number[])[]): number =>
    usable.reduce((sum, { overlaps }, s) => {
      const scores = orders[s]!;
      const mean = (from: number, to: number): number => {
        let total = 0;
        for (let i = from; i < to; i++) total += scores[i]!;
        return total / (to - from);
      };
      return sum + (overlaps / items) * (mean(0, overlaps) - mean(overlaps, scores.length));
    }, 0);
  const seen = differenceOf(usable.map(({ scores }) => scores));
  let atLeast = 0;
  for (let p = 0; p < permutations; p++)
    if (differenceOf(usable.map(({ scores }) => rng.shuffled(scores))) >= seen - 1e-12) atLeast += 1;
  return { difference: seen, items, pValue: (1 + atLeast) / (1 + permutations) };
}

/** Inflation of every model at every cut. */
export function sensitivity(models: ImpactInput['models'], cuts: readonly number[]): SensitivityPoint[] {
  return cuts.flatMap((cut) =>
    [...models].map(([model, items]): SensitivityPoint => {
      const clean = items.filter(({ closeness }) => closeness === null || closeness < cut);
      const [all, kept] = [meanOf(items).value, meanOf(clean).value];
      return {
        cut,
        model,
        overlapItems: items.length - clean.length,
        inflation: all === null || kept === null ? null : all - kept,
      };
    }),
  );
}

/** Places by the score on all and on clean items, 1 the best; equal scores share the better place. */
export function rankChanges(impacts: readonly ModelImpact[]): RankChange[] {
  const rankOf = (value: number | null, of: (one: ModelImpact) => number | null): number =>
    1 + impacts.filter((other) => (of(other) ?? -Infinity) > (value ?? -Infinity)).length;
  return impacts.map((one) => ({
    model: one.model,
    rankAll: rankOf(one.all.value, ({ all }) => all.value),
    rankClean: rankOf(one.clean.value, ({ clean }) => clean.value),
  }));
}
