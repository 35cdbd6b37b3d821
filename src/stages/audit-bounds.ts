/** What an audit's lists leave open: where pairs were cut off, a count is a lower bound, and says so. */
import type { EvidenceLevel, PairType, Side } from '../audit/evidence.ts';
import { type HashList, isWhole } from '../audit/hash-pairs.ts';
import type { Bound } from '../audit/overlap.ts';
import type { ImageId } from '../core/ids.ts';
import type { EmbeddingEvidence } from './audit-embeddings.ts';
import type { AuditParams } from './audit-params.ts';

export interface AuditLists {
  readonly hashLists: readonly HashList[];
  readonly embedded: readonly EmbeddingEvidence[];
  readonly params: Pick<AuditParams, 'match' | 'cosineFloor'>;
}

export function boundOf(
  { hashLists, embedded, params }: AuditLists,
  level: EvidenceLevel,
  type: PairType,
): Bound {
  if (level === 'byte' || level === 'pixel') return 'no';
  const lists = hashLists.filter((list) => list.type === type);
  // a copy may be among the candidates that were not listed
  if (level === 'verified') return lists.every(isWhole) ? 'no' : 'images';
  if (level === 'phash' || level === 'dhash') {
    const { radius, listedTo, hubs } = lists.find((list) => list.level === level)!;
    if (radius < params.match[level]) return 'images';
    // the nearest of each image is always listed
    return listedTo < params.match[level] || hubs > 0 ? 'pairs' : 'no';
  }
  const cut = level.startsWith('copy:') ? params.match.copy : params.match.cosine;
  if (params.cosineFloor > cut) return 'images';
  const { cutAt } = embedded.find((one) => one.level === level)!;
  return (cutAt.get(type) ?? -Infinity) >= cut ? 'pairs' : 'no';
}

/** Images with pairs that were not looked at; null for all of them. */
export function openAt(
  { hashLists }: AuditLists,
  level: EvidenceLevel,
  type: PairType,
): ReadonlySet<ImageId> | null {
  if (level !== 'verified') return null;
  return new Set(hashLists.filter((list) => list.type === type).flatMap(({ open }) => [...open]));
}

const NOBODY: ReadonlySet<ImageId> = new Set();

/** Images that a level could not compare, besides flat ones. */
export function uncomparedAt(
  embedded: readonly EmbeddingEvidence[],
  level: EvidenceLevel,
  side: Side,
): ReadonlySet<ImageId> {
  return embedded.find((one) => one.level === level)?.uncompared.get(side) ?? NOBODY;
}
