/** Overlap per class (audit-and-curation.md §5.5): which classes leak more or less than the rest, without fooling oneself. */
import { type Interval, clopperPearson } from '../clopper-pearson.ts';
import { fitBetaPrior, shrunkRate } from './beta-binomial.ts';
import { fisherExact } from './binomial.ts';
import { benjaminiHochberg, bonferroni, holm } from './multiple-testing.ts';

export interface LabelledItem {
  readonly id: string;
  /** Items without a label are in no class; they are counted by the caller. */
  readonly label: string | null;
}

export interface ClassRate {
  readonly label: string;
  readonly images: number;
  readonly matched: number;
  readonly rate: number;
  /** Clopper-Pearson. */
  readonly interval: Interval;
  /** Fisher's exact test of the class against all other classes, two-sided. Null for a class below `minImages`. */
  readonly pValue: number | null;
  /** Adjusted over the tested classes. */
  readonly bonferroni: number | null;
  readonly holm: number | null;
  readonly qValue: number | null;
  /** Empirical-Bayes rate: rank by this. */
  readonly shrunk: number;
}

export interface ClassRatesInput {
  /** Non-degenerate items of the side that the rate speaks of, each once. */
  readonly items: readonly LabelledItem[];
  readonly matched: ReadonlySet<string>;
  /** Smaller classes are listed but not tested. Default 5. */
  readonly minImages?: number;
  readonly confidence?: number;
}

/** Highest shrunk rate first, then by label. Empty when nothing is labelled. */
export function classRates({ items, matched, minImages = 5, confidence }: ClassRatesInput): ClassRate[] {
  const counts = new Map<string, { images: number; matched: number }>();
  const total = { images: 0, matched: 0 };
  for (const { id, label } of items) {
    if (label === null) continue;
    const count = counts.get(label) ?? { images: 0, matched: 0 };
    counts.set(label, count);
    const hit = matched.has(id) ? 1 : 0;
    for (const one of [count, total]) {
      one.images += 1;
      one.matched += hit;
    }
  }
  const classes = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  const prior = fitBetaPrior(
    classes.map(([, count]) => ({ successes: count.matched, trials: count.images })),
  );
  const tested = classes.filter(([, { images }]) => images >= minImages && counts.size > 1);
  const p = tested.map(([, count]) =>
    fisherExact({
      hits: count.matched,
      drawn: count.images,
      restHits: total.matched - count.matched,
      rest: total.images - count.images,
    }),
  );
  const [family, stepwise, q] = [bonferroni(p), holm(p), benjaminiHochberg(p)];
  const placeOf = new Map(tested.map(([label], i) => [label, i]));
  const at = (values: readonly number[], label: string): number | null => {
    const place = placeOf.get(label);
    return place === undefined ? null : values[place]!;
  };
  return classes
    .map(([label, count]): ClassRate => ({
      label,
      ...count,
      rate: count.matched / count.images,
      interval: clopperPearson(count.matched, count.images, confidence),
      pValue: at(p, label),
      bonferroni: at(family, label),
      holm: at(stepwise, label),
      qValue: at(q, label),
      shrunk: shrunkRate({ successes: count.matched, trials: count.images }, prior),
    }))
    .sort((x, y) => y.shrunk - x.shrunk || (x.label < y.label ? -1 : 1));
}
