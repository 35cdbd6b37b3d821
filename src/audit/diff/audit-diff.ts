/**
 * What changed between two audits: images, matching pairs, rates, distances, the gate. Counts balance, and of two rates it is said
 * whether their intervals overlap: where they do, the difference may be sampling.
 */
import { SIDES, type Side, type Threshold } from '../evidence.ts';
import type { AuditDistance, AuditRate, AuditRecord } from './audit-record.ts';
import { type PairDiff, pairDiff } from './pair-changes.ts';

/** before = stayed + vanished, after = stayed + appeared. */
export interface ImageCounts {
  readonly side: Side;
  readonly before: number;
  readonly after: number;
  readonly stayed: number;
  readonly appeared: number;
  readonly vanished: number;
  /** Names that stand for other bytes now; each is one of `appeared` and one of `vanished`. */
  readonly replaced: number;
}

export type IntervalRelation = 'overlap' | 'apart';

export interface RateChange {
  readonly level: string;
  readonly type: string;
  /** Null where one audit did not search the level, or had no such sides. */
  readonly before: Omit<AuditRate, 'level' | 'type'> | null;
  readonly after: Omit<AuditRate, 'level' | 'type'> | null;
  /** after - before. */
  readonly difference: number | null;
  readonly intervals: IntervalRelation | null;
}

export interface DistanceChange {
  readonly level: string;
  readonly metric: string;
  readonly before: Omit<AuditDistance, 'level' | 'metric'> | null;
  readonly after: Omit<AuditDistance, 'level' | 'metric'> | null;
  readonly intervals: IntervalRelation | null;
}

export interface GateChange {
  readonly before: string | null;
  readonly after: string | null;
  /** Rules whose verdict differs; null where the other policy has no such rule. */
  readonly rules: readonly {
    readonly rule: string;
    readonly before: string | null;
    readonly after: string | null;
  }[];
  /** Rules with one verdict and another measured value. */
  readonly remeasured: readonly string[];
}

export interface AuditDiff {
  readonly images: readonly ImageCounts[];
  readonly pairs: PairDiff;
  readonly rates: readonly RateChange[];
  readonly distances: readonly DistanceChange[];
  /** Null when neither audit was held against a policy. */
  readonly gate: GateChange | null;
  /** Levels whose cuts differ: there a changed rate is no changed overlap. */
  readonly cuts: readonly { readonly level: string; readonly before: Threshold; readonly after: Threshold }[];
  /** Nothing at all differs. */
  readonly isSame: boolean;
}

export function diffAudits(before: AuditRecord, after: AuditRecord): AuditDiff {
  const images = SIDES.flatMap((side) => imageCounts(side, before, after));
  const pairs = pairDiff(before, after);
  const rates = joined(before.rates, after.rates, ({ level, type }) => [level, type]).map(
    ({ key: [level, type], was, is }): RateChange => ({
      level: level!,
      type: type!,
      before: was === null ? null : rateOf(was),
      after: is === null ? null : rateOf(is),
      difference: was?.rate == null || is?.rate == null ? null : is.rate - was.rate,
      intervals: was?.rate == null || is?.rate == null ? null : relationOf(was, is),
    }),
  );
  const distances = joined(before.distances, after.distances, ({ level, metric }) => [level, metric]).map(
    ({ key: [level, metric], was, is }): DistanceChange => ({
      level: level!,
      metric: metric!,
      before: was === null ? null : distanceOf(was),
      after: is === null ? null : distanceOf(is),
      intervals: was === null || is === null ? null : relationOf(was, is),
    }),
  );
  const gate = gateChange(before, after);
  const cuts = changedCuts(before, after);
  const isSame =
    pairs.changes.length + cuts.length === 0 &&
    pairs.counts.every(({ remeasured }) => remeasured === 0) &&
    images.every(({ appeared, vanished }) => appeared + vanished === 0) &&
    [...rates, ...distances].every((one) => JSON.stringify(one.before) === JSON.stringify(one.after)) &&
    (gate === null || (gate.before === gate.after && gate.rules.length + gate.remeasured.length === 0));
  return { images, pairs, rates, distances, gate, cuts, isSame };
}

function imageCounts(side: Side, before: AuditRecord, after: AuditRecord): ImageCounts[] {
  const idsOf = ({ items }: AuditRecord): Map<string, string> =>
    new Map(items.filter((item) => item.side === side).map(({ imageId, name }) => [imageId, name]));
  const [old, now] = [idsOf(before), idsOf(after)];
  if (old.size === 0 && now.size === 0) return [];
  const vanished = [...old].filter(([id]) => !now.has(id));
  const appeared = [...now].filter(([id]) => !old.has(id));
  const names = new Set(appeared.map(([, name]) => name));
  return [
    {
      side,
      before: old.size,
      after: now.size,
      stayed: old.size - vanished.length,
      appeared: appeared.length,
      vanished: vanished.length,
      replaced: vanished.filter(([, name]) => names.has(name)).length,
    },
  ];
}

/** Rows of both lists by key, in the order of the second, then what only the first has. */
function joined<T>(
  before: readonly T[],
  after: readonly T[],
  keyOf: (row: T) => readonly string[],
): { key: readonly string[]; was: T | null; is: T | null }[] {
  const text = (row: T): string => keyOf(row).join('\n');
  const old = new Map(before.map((row) => [text(row), row]));
  const now = new Set(after.map(text));
  return [
    ...after.map((row) => ({ key: keyOf(row), was: old.get(text(row)) ?? null, is: row })),
    ...before.filter((row) => !now.has(text(row))).map((row) => ({ key: keyOf(row), was: row, is: null })),
  ];
}

interface Bounds {
  readonly low: number | null;
  readonly high: number | null;
}

function relationOf(x: Bounds, y: Bounds): IntervalRelation | null {
  if (x.low === null || x.high === null || y.low === null || y.high === null) return null;
  return x.low <= y.high && y.low <= x.high ? 'overlap' : 'apart';
}

const rateOf = ({ images, matched, rate, low, high }: AuditRate): RateChange['before'] => ({
  images,
  matched,
  rate,
  low,
  high,
});

const distanceOf = ({ value, low, high, relative }: AuditDistance): DistanceChange['before'] => ({
  value,
  low,
  high,
  relative,
});

function gateChange(before: AuditRecord, after: AuditRecord): GateChange | null {
  if (before.gate === null && after.gate === null) return null;
  const rules = joined(before.gate?.rules ?? [], after.gate?.rules ?? [], ({ rule }) => [rule]);
  return {
    before: before.gate?.verdict ?? null,
    after: after.gate?.verdict ?? null,
    remeasured: rules.flatMap(({ key, was, is }) =>
      was !== null && is !== null && was.verdict === is.verdict && was.measured !== is.measured
        ? [key[0]!]
        : [],
    ),
    rules: rules
      .map(({ key, was, is }) => ({
        rule: key[0]!,
        before: was?.verdict ?? null,
        after: is?.verdict ?? null,
      }))
      .filter((one) => one.before !== one.after),
  };
}

function changedCuts(before: AuditRecord, after: AuditRecord): AuditDiff['cuts'] {
  return after.thresholds.flatMap((is) => {
    const was = before.thresholds.find(({ level }) => level === is.level);
    return was === undefined || JSON.stringify(was) === JSON.stringify(is)
      ? []
      : [{ level: is.level, before: was, after: is }];
  });
}
