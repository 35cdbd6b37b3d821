/** Exact, hash and pixel evidence between all sides of an audit. */
import { type EvidencePair, PAIR_TYPES, SIDES_OF, type Side, isExact, isWithin } from '../audit/evidence.ts';
import { exactPairsAcross, exactPairsWithin } from '../audit/exact-pairs.ts';
import {
  type DihedralHashedImage,
  type HashList,
  hashPairsAcross,
  hashPairsWithin,
} from '../audit/hash-pairs.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { ImageId } from '../core/ids.ts';
import { type ImageHashes, hashOf, variantsOf } from './audit-hashes.ts';

export type SideRows = ReadonlyMap<Side, readonly ImageRow[]>;

export function exactEvidence(sides: SideRows, hashes: ReadonlyMap<ImageId, ImageHashes>): EvidencePair[] {
  return (['byte', 'pixel'] as const).flatMap((level) => {
    const keyed = (side: Side) =>
      sides.get(side)!.map(({ id }) => ({ id, key: level === 'byte' ? id : hashes.get(id)!.pixelDigest }));
    return typesOf(sides).flatMap((type) => {
      const [left, right] = SIDES_OF[type];
      return isWithin(type)
        ? exactPairsWithin({ level, type, images: keyed(left) })
        : exactPairsAcross({ level, type, train: keyed(left), evaluation: keyed(right) });
    });
  });
}

export interface HashEvidenceSet {
  readonly pairs: readonly EvidencePair[];
  /** Flat images of any side. */
  readonly degenerate: ReadonlySet<ImageId>;
  readonly lists: readonly HashList[];
}

export function hashEvidence(
  sides: SideRows,
  hashes: ReadonlyMap<ImageId, ImageHashes>,
  limits: { readonly radius: { readonly phash: number; readonly dhash: number }; readonly budget: number },
): HashEvidenceSet {
  const hashed = new Map<Side, DihedralHashedImage[]>();
  for (const [side, rows] of sides)
    hashed.set(
      side,
      rows.map(({ id }) => {
        const known = hashes.get(id)!;
        // transforms of the large side are never looked at
        return { id, hash: hashOf(known), variants: side === 'train' ? [] : variantsOf(known) };
      }),
    );
  const found = typesOf(sides).map((type) => {
    const [left, right] = SIDES_OF[type];
    return isWithin(type)
      ? hashPairsWithin({ type, images: hashed.get(left)!, ...limits })
      : hashPairsAcross({ type, train: hashed.get(left)!, evaluation: hashed.get(right)!, ...limits });
  });
  return {
    pairs: found.flatMap(({ pairs }) => pairs),
    degenerate: new Set(found.flatMap(({ degenerate }) => degenerate)),
    lists: found.flatMap(({ lists }) => lists),
  };
}

/** What is worth laying over each other: pairs that are equal, near by a hash, or near by a copy detector. */
export function verifiable(pairs: readonly EvidencePair[]): EvidencePair[] {
  return pairs.filter(
    ({ a, b, evidence }) =>
      a !== b && (isExact(evidence) || 'distance' in evidence || evidence.level.startsWith('copy:')),
  );
}

/** Byte-equal images share an id: their pair is exact and has no pixels to compare. */
export function sameImagePairs(exact: readonly EvidencePair[]): EvidencePair[] {
  return exact
    .filter(({ a, b, evidence }) => a === b && evidence.level === 'byte')
    .map(({ type, a, b }) => ({
      type,
      a,
      b,
      evidence: { level: 'verified', ncc: 1, ssim: 1, transform: 'identity' },
    }));
}

/**
 * The group that must not be torn apart by a fold: images joined by a declared group or by evidence of being copies, however
 * long the chain. The smallest id names it.
 */
export function duplicateGroupOf(
  rows: readonly ImageRow[],
  copies: readonly EvidencePair[],
): (id: string) => string {
  const parent = new Map<string, string>();
  const rootOf = (id: string): string => {
    let root = id;
    while ((parent.get(root) ?? root) !== root) root = parent.get(root)!;
    for (let at = id; at !== root;) {
      const next = parent.get(at) ?? root;
      parent.set(at, root);
      at = next;
    }
    return root;
  };
  const join = (a: string, b: string): void => {
    const [x, y] = [rootOf(a), rootOf(b)];
    if (x !== y) parent.set(x < y ? y : x, x < y ? x : y);
  };
  const first = new Map<string, string>();
  for (const { id, group } of rows) {
    if (group === null) continue;
    const known = first.get(group);
    if (known === undefined) first.set(group, id);
    else join(known, id);
  }
  for (const { a, b } of copies) join(a, b);
  return rootOf;
}

function typesOf(sides: SideRows) {
  return PAIR_TYPES.filter((type) => SIDES_OF[type].every((side) => sides.has(side)));
}
