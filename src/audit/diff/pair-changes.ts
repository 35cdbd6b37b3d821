/** Which matching pairs appeared, vanished, or changed their strongest evidence between two audits, and why. */
import { canonicalJson } from '../../core/canonical-json.ts';
import { type EvidencePair, PAIR_TYPES, type PairType, SIDES_OF, meets } from '../evidence.ts';
import type { AuditRecord } from './audit-record.ts';

/** Strongest first. `none`: no evidence that meets its cut. */
export const PAIR_VERDICTS = ['exact', 'verified', 'hash', 'copy', 'teacher', 'none'] as const;
export type PairVerdict = (typeof PAIR_VERDICTS)[number];

/** Why a pair matches in one audit only: an image of it is new or gone, or the evidence or its cut differs. */
export type ChangeCause = 'images' | 'evidence';

export interface PairChange {
  readonly type: PairType;
  readonly a: string;
  readonly b: string;
  readonly before: PairVerdict;
  readonly after: PairVerdict;
  /** `evidence` for a pair that matches in both. */
  readonly cause: ChangeCause;
}

/** before = stayed + vanished, after = stayed + appeared; `changed` are those of `stayed` whose verdict differs. */
export interface PairCounts {
  readonly type: PairType;
  readonly before: number;
  readonly after: number;
  readonly stayed: number;
  readonly changed: number;
  /** Pairs that both list, matching or not, with other evidence: a distance, a correlation or a cosine that moved, or a level more or less. */
  readonly remeasured: number;
  readonly appeared: { readonly images: number; readonly evidence: number };
  readonly vanished: { readonly images: number; readonly evidence: number };
}

export interface PairDiff {
  readonly counts: readonly PairCounts[];
  /** By type, then by the stronger of the two verdicts, then by the images. */
  readonly changes: readonly PairChange[];
}

export function pairDiff(before: AuditRecord, after: AuditRecord): PairDiff {
  const [old, now] = [verdictsOf(before), verdictsOf(after)];
  const [had, has] = [placesOf(before), placesOf(after)];
  const remeasured = remeasuredPairs(before, after);
  const changes: PairChange[] = [];
  const counts = PAIR_TYPES.flatMap((type): PairCounts[] => {
    const [mine, theirs] = [old.get(type), now.get(type)];
    const moved = remeasured.get(type) ?? 0;
    if (mine === undefined && theirs === undefined && moved === 0) return [];
    const count = {
      stayed: 0,
      changed: 0,
      remeasured: moved,
      appeared: { images: 0, evidence: 0 },
      vanished: { images: 0, evidence: 0 },
    };
    for (const key of new Set([...(mine?.keys() ?? []), ...(theirs?.keys() ?? [])])) {
      const [a, b] = key.split(' ') as [string, string];
      const [was, is] = [mine?.get(key) ?? 'none', theirs?.get(key) ?? 'none'];
      const cause: ChangeCause =
        (was === 'none' && !isThere(had, type, a, b)) || (is === 'none' && !isThere(has, type, a, b))
          ? 'images'
          : 'evidence';
      if (was === 'none') count.appeared[cause] += 1;
      else if (is === 'none') count.vanished[cause] += 1;
      else count.stayed += 1;
      if (was === is) continue;
      if (was !== 'none' && is !== 'none') count.changed += 1;
      changes.push({ type, a, b, before: was, after: is, cause });
    }
    return [{ type, before: mine?.size ?? 0, after: theirs?.size ?? 0, ...count }];
  });
  return { counts, changes: changes.sort(compareChanges) };
}

/** Strongest matching evidence of each pair, by type and then by `a b`. */
function verdictsOf({ pairs, thresholds }: AuditRecord): Map<PairType, Map<string, PairVerdict>> {
  const byType = new Map<PairType, Map<string, PairVerdict>>();
  for (const pair of pairs) {
    if (!meets(pair.evidence, thresholds)) continue;
    const verdicts = byType.get(pair.type) ?? new Map<string, PairVerdict>();
    byType.set(pair.type, verdicts);
    const key = `${pair.a} ${pair.b}`;
    const verdict = verdictOf(pair);
    if (rank(verdict) < rank(verdicts.get(key) ?? 'none')) verdicts.set(key, verdict);
  }
  return byType;
}

/** By type, how many pairs that both audits list have other evidence in one than in the other. */
function remeasuredPairs(before: AuditRecord, after: AuditRecord): Map<PairType, number> {
  const old = evidenceOf(before);
  const counts = new Map<PairType, number>();
  for (const [key, { type, evidence }] of evidenceOf(after)) {
    const was = old.get(key);
    if (was !== undefined && was.evidence.sort().join() !== evidence.sort().join())
      counts.set(type, (counts.get(type) ?? 0) + 1);
  }
  return counts;
}

function evidenceOf({ pairs }: AuditRecord): Map<string, { type: PairType; evidence: string[] }> {
  const byPair = new Map<string, { type: PairType; evidence: string[] }>();
  for (const { type, a, b, evidence } of pairs) {
    const key = `${type} ${a} ${b}`;
    const known = byPair.get(key);
    if (known) known.evidence.push(canonicalJson({ ...evidence }));
    else byPair.set(key, { type, evidence: [canonicalJson({ ...evidence })] });
  }
  return byPair;
}

function verdictOf({ evidence: { level } }: EvidencePair): PairVerdict {
  if (level === 'byte' || level === 'pixel') return 'exact';
  if (level === 'verified') return 'verified';
  if (level === 'phash' || level === 'dhash') return 'hash';
  return level.startsWith('copy:') ? 'copy' : 'teacher';
}

const rank = (verdict: PairVerdict): number => PAIR_VERDICTS.indexOf(verdict);

/** `side imageId` of every item. */
function placesOf({ items }: AuditRecord): Set<string> {
  return new Set(items.map(({ side, imageId }) => `${side} ${imageId}`));
}

function isThere(places: ReadonlySet<string>, type: PairType, a: string, b: string): boolean {
  const [left, right] = SIDES_OF[type];
  return places.has(`${left} ${a}`) && places.has(`${right} ${b}`);
}

function compareChanges(x: PairChange, y: PairChange): number {
  const strongest = (one: PairChange): number => Math.min(rank(one.before), rank(one.after));
  return (
    PAIR_TYPES.indexOf(x.type) - PAIR_TYPES.indexOf(y.type) ||
    strongest(x) - strongest(y) ||
    (`${x.a} ${x.b}` < `${y.a} ${y.b}` ? -1 : 1)
  );
}
