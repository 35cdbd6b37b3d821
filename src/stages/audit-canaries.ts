/**
 * Known copies that every run must find: altered evaluation images join the training stream as hashes, under ids that no image
 * has, and are taken out again. A run that misses one of them did not look, and its "0 leaks" means nothing.
 */
import pLimit from 'p-limit';
import { CANARY_ALTERATIONS } from '../audit/calibration/alterations.ts';
import type { EvidencePair } from '../audit/evidence.ts';
import { type DihedralHashedImage, type HashedImage, hashPairsAcross } from '../audit/hash-pairs.ts';
import { DEFAULT_AC_ENERGY_FLOOR, perceptualHashOf } from '../audit/perceptual-hash.ts';
import { sha256 } from '../core/digest.ts';
import type { ImageId } from '../core/ids.ts';
import { Rng } from '../core/rng.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { RgbImage } from '../images/rgb-image.ts';
import { type ImageHashes, hashOf, variantsOf } from './audit-hashes.ts';

export interface CanaryOptions {
  readonly evaluation: readonly ImageRow[];
  readonly hashes: ReadonlyMap<ImageId, ImageHashes>;
  readonly decode: (row: ImageRow) => Promise<RgbImage>;
  readonly radius: { readonly phash: number; readonly dhash: number };
  /** Evaluation images to copy; each one in every alteration. */
  readonly count: number;
  readonly workers: number;
  readonly seed: number;
}

export interface CanaryFacts {
  readonly planted: number;
  readonly found: number;
  /** `alteration of <image id>`, sorted. */
  readonly missed: readonly string[];
}

/** Four times the floor of flat images: an image that is nearly flat may lose what is left of it to a JPEG. */
const TEXTURED = 4 * DEFAULT_AC_ENERGY_FLOOR;

export async function flyCanaries(options: CanaryOptions): Promise<CanaryFacts> {
  const { hashes, seed, count, radius } = options;
  const rng = new Rng(seed, 'canaries');
  const byId = [...new Map(options.evaluation.map((row) => [row.id, row])).values()].sort((a, b) =>
    a.id < b.id ? -1 : 1,
  );
  const chosen = rng.shuffled(byId.filter(({ id }) => hashes.get(id)!.acEnergy >= TEXTURED)).slice(0, count);
  const planted = await pLimit(options.workers).map(chosen, async (row) => {
    const image = await options.decode(row);
    const copies: { readonly of: ImageId; readonly alteration: string; readonly hashed: HashedImage }[] = [];
    for (const { name, apply } of CANARY_ALTERATIONS) {
      const altered = await apply(image, new Rng(seed, 'canary', row.id, name));
      // an id that stands for no bytes: the digest of these words is the digest of no image file
      const id = sha256(`stillhouse canary ${name} ${row.id}`) as string as ImageId;
      copies.push({ of: row.id, alteration: name, hashed: { id, hash: perceptualHashOf(altered) } });
    }
    return copies;
  });
  const canaries = planted.flat();
  const evaluation = chosen.map((row): DihedralHashedImage => {
    const known = hashes.get(row.id)!;
    return { id: row.id, hash: hashOf(known), variants: variantsOf(known) };
  });
  const { pairs } = hashPairsAcross({
    train: canaries.map(({ hashed }) => hashed),
    evaluation,
    radius,
  });
  const found = new Set(pairs.map(({ a, b }: EvidencePair) => `${a} ${b}`));
  const missed = canaries
    .filter(({ of, hashed }) => !found.has(`${hashed.id} ${of}`))
    .map(({ of, alteration }) => `${alteration} of ${of}`)
    .sort();
  return { planted: canaries.length, found: canaries.length - missed.length, missed };
}
