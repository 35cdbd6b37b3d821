/** From which class of the training set do the matches of each evaluation class come? One cell per two classes. */
import { type EvidenceLevel, type EvidencePair, type Threshold, meets } from './evidence.ts';

export interface TransferCell {
  /** `match`: images with a matching pair. `nearest`: every image, by the training image nearest to it, however far. */
  readonly basis: 'match' | 'nearest';
  readonly level: EvidenceLevel;
  readonly trainLabel: string;
  readonly evalLabel: string;
  /** Unique evaluation images. One with matches in two classes counts in both. */
  readonly images: number;
}

export interface TransferInput {
  readonly pairs: readonly EvidencePair[];
  readonly thresholds: readonly Threshold[];
  /** Labels by image id of either side; an image without one is in no cell. */
  readonly trainLabels: ReadonlyMap<string, string | null>;
  readonly evalLabels: ReadonlyMap<string, string | null>;
  /** Images too flat to compare. */
  readonly degenerate: ReadonlySet<string>;
  /** By embedding level: the nearest training image of each evaluation image. */
  readonly nearest: readonly {
    readonly level: EvidenceLevel;
    readonly pairs: readonly { readonly train: string; readonly evaluation: string }[];
  }[];
}

/** Sorted by basis, level, training label, evaluation label. Empty when a side has no labels. */
export function classTransfer(input: TransferInput): TransferCell[] {
  const cells = new Map<string, { cell: Omit<TransferCell, 'images'>; images: Set<string> }>();
  const add = (
    basis: TransferCell['basis'],
    level: EvidenceLevel,
    train: string,
    evaluation: string,
  ): void => {
    const trainLabel = input.trainLabels.get(train) ?? null;
    const evalLabel = input.evalLabels.get(evaluation) ?? null;
    if (trainLabel === null || evalLabel === null) return;
    if (input.degenerate.has(train) || input.degenerate.has(evaluation)) return;
    const key = JSON.stringify([basis, level, trainLabel, evalLabel]);
    const known = cells.get(key) ?? { cell: { basis, level, trainLabel, evalLabel }, images: new Set() };
    cells.set(key, known);
    known.images.add(evaluation);
  };
  for (const { type, a, b, evidence } of input.pairs)
    if (type === 'train-eval' && meets(evidence, input.thresholds)) add('match', evidence.level, a, b);
  for (const { level, pairs } of input.nearest)
    for (const { train, evaluation } of pairs) add('nearest', level, train, evaluation);
  return [...cells]
    .sort(([x], [y]) => (x < y ? -1 : 1))
    .map(([, { cell, images }]) => ({ ...cell, images: images.size }));
}
