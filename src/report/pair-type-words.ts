/** Pair types as words, for tables, captions and notes. */
import type { PairType } from './input.ts';

export const PAIR_TYPE_WORDS: Readonly<Record<PairType, string>> = {
  'eval-train': 'evaluation and training',
  'val-train': 'validation and training',
  'eval-val': 'evaluation and validation',
  'within-train': 'within training',
  'within-val': 'within validation',
  'within-eval': 'within evaluation',
};
