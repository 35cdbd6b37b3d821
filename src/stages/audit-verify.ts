/** Pixel evidence for pairs that the digests and hashes propose. Each candidate image is decoded once, if it was not before. */
import { setImmediate } from 'node:timers/promises';
import pLimit from 'p-limit';
import { type EvidencePair, isExact } from '../audit/evidence.ts';
import type { Dihedral } from '../audit/dihedral.ts';
import {
  type GreyThumb,
  type SummedThumb,
  greyThumbOf,
  pixelsThatAgree,
  summed,
  turned,
} from '../audit/pixel-verification.ts';
import type { ImageId } from '../core/ids.ts';
import type { ImageRow } from '../images/image-row.ts';
import { type RgbImage, greyPlaneOf } from '../images/rgb-image.ts';

export interface VerifyOptions {
  /** Exact, hash and copy evidence; pairs of other evidence are not laid over each other. */
  readonly candidates: readonly EvidencePair[];
  readonly rows: readonly ImageRow[];
  readonly decode: (row: ImageRow) => Promise<RgbImage>;
  /** Of images that were decoded before. */
  readonly thumbs?: ReadonlyMap<ImageId, GreyThumb>;
  /** Told of each image that was decoded. */
  readonly onThumb?: (id: ImageId, thumb: GreyThumb) => void;
  readonly workers: number;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
  /** Pairs that agree less are not listed. */
  readonly floor: { readonly ncc: number };
}

/** One verified row per pair, the best transform where hashes propose several. Ordered by type, then ends. */
export async function verifiedPairs(options: VerifyOptions): Promise<EvidencePair[]> {
  // sorted, so that proposals of one pair lie beside each other: a map of millions of pairs would be larger than the pairs
  const candidates = [...options.candidates].sort(byTypeAndEnds);
  const wanted = new Set<ImageId>();
  for (const pairs of runsOf(candidates))
    if (!pairs.some(({ evidence }) => isExact(evidence))) wanted.add(pairs[0]!.a).add(pairs[0]!.b);
  const thumbs = await thumbsOf(wanted, options);
  const laidOut = summedThumbs(thumbs);
  const found: EvidencePair[] = [];
  let compared = 0;
  for (const pairs of runsOf(candidates)) {
    // a million pairs take minutes: without a pause no signal would be heard
    if (++compared % PAIRS_BETWEEN_PAUSES === 0) {
      await setImmediate();
      options.signal.throwIfAborted();
    }
    const { type, a, b } = pairs[0]!;
    if (pairs.some(({ evidence }) => isExact(evidence))) {
      found.push({ type, a, b, evidence: { level: 'verified', ncc: 1, ssim: 1, transform: 'identity' } });
      continue;
    }
    const transforms = new Set(
      pairs.map(({ evidence }) => ('transform' in evidence ? evidence.transform : 'identity')),
    );
    let best: EvidencePair | null = null;
    let bestSsim = -Infinity;
    for (const transform of transforms) {
      const agreement = pixelsThatAgree(laidOut(a, 'identity'), laidOut(b, transform), options.floor.ncc);
      if (agreement === null || agreement.ssim <= bestSsim) continue;
      best = { type, a, b, evidence: { level: 'verified', ...agreement, transform } };
      bestSsim = agreement.ssim;
    }
    if (best !== null) found.push(best);
  }
  return found;
}

function byTypeAndEnds(x: EvidencePair, y: EvidencePair): number {
  if (x.type !== y.type) return x.type < y.type ? -1 : 1;
  if (x.a !== y.a) return x.a < y.a ? -1 : 1;
  return x.b < y.b ? -1 : x.b > y.b ? 1 : 0;
}

/** Runs of one pair, in a sorted list. */
function* runsOf(sorted: readonly EvidencePair[]): Generator<readonly EvidencePair[]> {
  for (let first = 0, end = 1; first < sorted.length; first = end++) {
    while (end < sorted.length && byTypeAndEnds(sorted[first]!, sorted[end]!) === 0) end++;
    yield sorted.slice(first, end);
  }
}

const PAIRS_BETWEEN_PAUSES = 1000;

/** 40 MB of tables. An image is in many pairs, and pairs are ordered by their first image. */
const MOST_SUMMED = 1024;

/** Tables of a picture as it is turned, made anew only for those that were not asked for lately. */
function summedThumbs(
  thumbs: ReadonlyMap<ImageId, GreyThumb>,
): (id: ImageId, transform: Dihedral) => SummedThumb {
  const recent = new Map<string, SummedThumb>();
  return (id, transform) => {
    const key = `${transform} ${id}`;
    const known = recent.get(key);
    const found = known ?? summed(turned(thumbs.get(id)!, transform));
    // a map keeps the order of insertion: the first is the one that was not asked for the longest
    if (known) recent.delete(key);
    else if (recent.size >= MOST_SUMMED) recent.delete(recent.keys().next().value!);
    recent.set(key, found);
    return found;
  };
}

async function thumbsOf(ids: ReadonlySet<ImageId>, options: VerifyOptions): Promise<Map<ImageId, GreyThumb>> {
  const rows = [...new Map(options.rows.map((row) => [row.id, row])).values()].filter(({ id }) =>
    ids.has(id),
  );
  let done = 0;
  const thumbs = await pLimit(options.workers).map(rows, async (row) => {
    options.signal.throwIfAborted();
    let thumb = options.thumbs?.get(row.id);
    if (thumb === undefined) {
      thumb = greyThumbOf(greyPlaneOf(await options.decode(row)));
      options.onThumb?.(row.id, thumb);
    }
    options.onProgress(++done, rows.length);
    return [row.id, thumb] as const;
  });
  return new Map(thumbs);
}
