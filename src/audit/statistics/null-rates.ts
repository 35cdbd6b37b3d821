/**
 * What overlap one source has with itself. A set drawn from the training side plays the evaluation side against what is left of
 * it (train-train), and one half of the evaluation side against the other (test-test). A leak rate near such a null says
 * "one source, sampled twice"; one far above says "copied".
 */
import type { Rng } from '../../core/rng.ts';

export interface NullRateInput {
  /** Items of one side, each once, degenerate ones left out. */
  readonly ids: readonly string[];
  /** Pairs within the side that count as a match. */
  readonly pairs: readonly { readonly a: string; readonly b: string }[];
  /** Items drawn to play the evaluation side; at most half of the side is taken. */
  readonly draw: number;
  readonly draws: number;
  readonly rng: Rng;
}

export interface NullRate {
  readonly drawn: number;
  readonly draws: number;
  /** Mean share of drawn items with a match among those that stayed; null with fewer than two items. */
  readonly mean: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** `low` and `high` are the smallest and largest of the draws. */
export function nullRate({ ids, pairs, draw, draws, rng }: NullRateInput): NullRate {
  const drawn = Math.min(draw, Math.floor(ids.length / 2));
  if (drawn < 1 || draws < 1) return { drawn: 0, draws: 0, mean: null, low: null, high: null };
  const known = new Set(ids);
  const usable = pairs.filter(({ a, b }) => a !== b && known.has(a) && known.has(b));
  const rates: number[] = [];
  for (let i = 0; i < draws; i++) {
    const chosen = new Set(rng.shuffled(ids).slice(0, drawn));
    const matched = new Set<string>();
    for (const { a, b } of usable) {
      if (chosen.has(a) && !chosen.has(b)) matched.add(a);
      if (chosen.has(b) && !chosen.has(a)) matched.add(b);
    }
    rates.push(matched.size / drawn);
  }
  return {
    drawn,
    draws,
    mean: rates.reduce((sum, rate) => sum + rate, 0) / draws,
    low: Math.min(...rates),
    high: Math.max(...rates),
  };
}
