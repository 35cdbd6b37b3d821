/** Pairs of images with equal keys: the bytes (the id itself) or the pixels (audit-and-curation.md §2.1). A hash join. */
import type { ImageId } from '../core/ids.ts';
import {
  type EvidencePair,
  type ExactLevel,
  type PairType,
  type WithinType,
  sortedEnds,
} from './evidence.ts';

export interface KeyedImage {
  readonly id: ImageId;
  /** Equal keys mean equal images: the id for level byte, the pixel digest for level pixel. */
  readonly key: string;
}

/**
 * Beyond this many pairs of one key (thousands of copies of a black frame) only a spanning set is listed: every image keeps a
 * pair with the smallest id of the other side, so groups and decontamination see all of them, but pair counts are low.
 */
const MAX_PAIRS_PER_KEY = 10_000;

export interface ExactAcross {
  readonly level: ExactLevel;
  /** Default `train-eval`. */
  readonly type?: PairType;
  readonly train: readonly KeyedImage[];
  readonly evaluation: readonly KeyedImage[];
}

/** Ordered by key, then train id, then evaluation id. */
export function exactPairsAcross({
  level,
  type = 'train-eval',
  train,
  evaluation,
}: ExactAcross): EvidencePair[] {
  const trainByKey = idsByKey(train);
  const evalByKey = idsByKey(evaluation);
  return [...evalByKey.keys()].sort().flatMap((key) => {
    const right = distinct(evalByKey.get(key)!);
    const left = distinct(trainByKey.get(key) ?? []);
    const all = left.length * right.length <= MAX_PAIRS_PER_KEY;
    return left.flatMap((a, i) =>
      right
        .filter((_, j) => all || i === 0 || j === 0)
        .map((b): EvidencePair => ({ type, a, b, evidence: { level } })),
    );
  });
}

export interface ExactWithin {
  readonly level: ExactLevel;
  readonly type: WithinType;
  readonly images: readonly KeyedImage[];
}

/** An image listed more than once gives one pair of itself with itself, at level byte only. */
export function exactPairsWithin({ level, type, images }: ExactWithin): EvidencePair[] {
  const byKey = idsByKey(images);
  return [...byKey.keys()].sort().flatMap((key) => {
    const listed = byKey.get(key)!;
    const ids = distinct(listed);
    const all = (ids.length * (ids.length - 1)) / 2 <= MAX_PAIRS_PER_KEY;
    const pairs: EvidencePair[] = [];
    const add = (x: ImageId, y: ImageId): void => {
      const [a, b] = sortedEnds(x, y);
      pairs.push({ type, a, b, evidence: { level } });
    };
    if (level === 'byte' && listed.length > ids.length) add(ids[0]!, ids[0]!);
    for (let i = 0; i < (all ? ids.length : 1); i++) {
      for (let j = i + 1; j < ids.length; j++) add(ids[i]!, ids[j]!);
    }
    return pairs;
  });
}

function idsByKey(images: readonly KeyedImage[]): Map<string, ImageId[]> {
  const byKey = new Map<string, ImageId[]>();
  for (const { id, key } of images) {
    const ids = byKey.get(key);
    if (ids) ids.push(id);
    else byKey.set(key, [id]);
  }
  return byKey;
}

function distinct(ids: readonly ImageId[]): ImageId[] {
  return [...new Set(ids)].sort();
}
