/** Pixels laid over each other for a curation: each pair once, however often the set is searched while it shrinks. */
import { DIHEDRAL } from '../audit/dihedral.ts';
import type { EvidencePair, Threshold } from '../audit/evidence.ts';
import type { GreyThumb } from '../audit/pixel-verification.ts';
import type { ImageId } from '../core/ids.ts';
import { sameImagePairs, verifiable } from './audit-evidence.ts';
import { verifiedPairs } from './audit-verify.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { RgbImage } from '../images/rgb-image.ts';

/** 134 MB; images beyond are decoded again in each search that proposes them. */
const MOST_THUMBS = 32_768;

interface Compared {
  /** Ways to lay the second over the first that were tried, a bit each. */
  readonly transforms: number;
  /** Null where they do not agree. */
  readonly pair: EvidencePair | null;
}

export interface VerifierOptions {
  /** Of the set and the evaluation sets. */
  readonly rows: readonly ImageRow[];
  readonly decode: (row: ImageRow) => Promise<RgbImage>;
  readonly workers: number;
  readonly signal: AbortSignal;
}

/** Adds to the pairs of one search what their pixels say, where the thresholds ask for it. */
export function pixelVerifier(
  options: VerifierOptions,
): (pairs: readonly EvidencePair[], thresholds: readonly Threshold[]) => Promise<readonly EvidencePair[]> {
  const { rows, decode, workers, signal } = options;
  const place = new Map<ImageId, number>();
  for (const { id } of rows) if (!place.has(id)) place.set(id, place.size);
  // a number, not a text of both ids: there may be a million candidates
  const keyOf = ({ type, a, b }: EvidencePair): number =>
    2 * (place.get(a)! * place.size + place.get(b)!) + (type === 'train-eval' ? 1 : 0);
  const compared = new Map<number, Compared>();
  const thumbs = new Map<ImageId, GreyThumb>();
  return async (pairs, thresholds) => {
    const cuts = thresholds.flatMap((one) => ('minNcc' in one ? [one.minNcc] : []));
    if (cuts.length === 0) return pairs;
    const candidates = verifiable(pairs);
    const proposed = new Map<number, number>();
    for (const pair of candidates) {
      const key = keyOf(pair);
      proposed.set(key, (proposed.get(key) ?? 0) | transformBit(pair));
    }
    // what was left out of a list before may propose a pair in another way now
    const isNew = (key: number): boolean => {
      const known = compared.get(key)?.transforms ?? 0;
      return (proposed.get(key)! & ~known) !== 0;
    };
    const fresh = candidates.filter((pair) => isNew(keyOf(pair)));
    const verified = await verifiedPairs({
      ...{ candidates: fresh, rows, decode, workers, signal, thumbs },
      onThumb: (id, thumb) => {
        if (thumbs.size < MOST_THUMBS) thumbs.set(id, thumb);
      },
      floor: { ncc: Math.min(...cuts) },
      onProgress: () => undefined,
    });
    for (const key of new Set(fresh.map(keyOf)))
      compared.set(key, { transforms: proposed.get(key)!, pair: null });
    for (const pair of verified) {
      const key = keyOf(pair);
      compared.set(key, { transforms: proposed.get(key)!, pair });
    }
    const out = [...pairs, ...sameImagePairs(pairs)];
    for (const key of proposed.keys()) {
      const { pair } = compared.get(key)!;
      if (pair !== null) out.push(pair);
    }
    return out;
  };
}

/** Exact pairs and those of a copy detector are laid over each other as they are. */
function transformBit({ evidence }: EvidencePair): number {
  return 1 << ('transform' in evidence ? DIHEDRAL.indexOf(evidence.transform) : 0);
}
