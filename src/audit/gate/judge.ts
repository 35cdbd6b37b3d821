/**
 * Holds an audit against a policy. Three answers: pass, violated, invalid. What could not be measured is invalid, never pass; a
 * violation that was found stays one, whatever else could not be measured.
 */
import type { Rng } from '../../core/rng.ts';
import {
  type EvidencePair,
  PAIR_TYPES,
  type PairType,
  SIDES_OF,
  type Side,
  type Threshold,
  isExact,
  isWithin,
  meets,
} from '../evidence.ts';
import type { GatePolicy } from './policy.ts';
import { type CalibratedLevel, rateRule } from './rate-rule.ts';
import { type RuleResult, type Verdict, atLeast, atMost, invalid } from './rule-result.ts';
import { type SortedWaivers, waiverKey } from './waivers.ts';

export interface GateItem {
  readonly imageId: string;
  readonly side: string;
  readonly name: string;
  readonly label: string | null;
  readonly degenerate: boolean;
  /** Levels that could not compare it. */
  readonly uncompared: readonly string[];
}

export interface GateInput {
  readonly policy: GatePolicy;
  readonly items: readonly GateItem[];
  readonly pairs: readonly EvidencePair[];
  readonly levels: readonly string[];
  readonly thresholds: readonly Threshold[];
  readonly waivers: SortedWaivers;
  readonly canaries: { readonly planted: number; readonly found: number; readonly missed: readonly string[] };
  /** Null without a calibration. */
  readonly calibration: readonly CalibratedLevel[] | null;
  readonly distances: readonly {
    readonly level: string;
    readonly summary: readonly { readonly metric: string; readonly relative: number | null }[];
    readonly leftOut: readonly { readonly metric: string; readonly reason: string }[];
  }[];
  /** By level and pair type: images without a match that have pairs nobody looked at. Absent: none. */
  readonly open: ReadonlyMap<string, number>;
  /** For the bound `corrected95`. */
  readonly rng: Rng;
}

export interface GateResult {
  readonly verdict: Verdict;
  readonly rules: readonly RuleResult[];
  /** Matching pairs of each type that a waiver lets pass: shown, and in no rate. */
  readonly waived: Readonly<Record<string, number>>;
  /** Pairs that break a rule on pairs, once each; the strongest evidence speaks. */
  readonly offending: readonly EvidencePair[];
}

export function judgeAudit(input: GateInput): GateResult {
  const offending = new Map<string, EvidencePair>();
  const rules = [
    ...waiverRules(input),
    ...canaryRules(input),
    ...PAIR_TYPES.flatMap((type) => pairRules(input, type, offending)),
    ...classRules(input),
    ...calibrationRules(input),
    ...distanceRules(input),
  ];
  const waived: Record<string, number> = {};
  const counted = new Set<string>();
  for (const pair of input.pairs) {
    const key = waiverKey(pair);
    if (counted.has(key) || !input.waivers.holding.has(key) || !meets(pair.evidence, input.thresholds))
      continue;
    counted.add(key);
    waived[pair.type] = (waived[pair.type] ?? 0) + 1;
  }
  const has = (verdict: Verdict): boolean => rules.some((rule) => rule.verdict === verdict);
  return {
    verdict: has('violated') ? 'violated' : has('invalid') || rules.length === 0 ? 'invalid' : 'pass',
    rules,
    waived,
    offending: [...offending.values()],
  };
}

function waiverRules({ waivers }: GateInput): RuleResult[] {
  const names = (list: SortedWaivers['stale']): string =>
    list
      .slice(0, 5)
      .map(({ a, b }) => `${a.slice(0, 12)} ${b.slice(0, 12)}`)
      .join(', ');
  const rules: RuleResult[] = [];
  if (waivers.stale.length > 0)
    rules.push(
      atMost(
        'waivers/stale',
        waivers.stale.length,
        0,
        `for content that this audit did not see: ${names(waivers.stale)}`,
      ),
    );
  if (waivers.expired.length > 0)
    rules.push({
      rule: 'waivers/expired',
      verdict: 'pass',
      measured: waivers.expired.length,
      limit: null,
      detail: `no longer hold, their pairs count again: ${names(waivers.expired)}`,
    });
  return rules;
}

function canaryRules({ policy, canaries }: GateInput): RuleResult[] {
  if (!policy.requireCanaries) return [];
  const rule = 'canaries';
  if (canaries.planted === 0)
    return [invalid(rule, 'no copy could be planted, so nothing shows that the search works')];
  if (canaries.found < canaries.planted)
    return [
      invalid(
        rule,
        `${canaries.planted - canaries.found} of ${canaries.planted} planted copies were missed: ${canaries.missed.slice(0, 3).join('; ')}`,
        canaries.planted,
      ),
    ];
  return [
    atLeast(rule, canaries.found, canaries.planted, `all ${canaries.planted} planted copies were found`),
  ];
}

function pairRules(input: GateInput, type: PairType, offending: Map<string, EvidencePair>): RuleResult[] {
  const rule = input.policy.pairs[type];
  if (rule === undefined) return [];
  const name = `pairs/${type}`;
  const wanted = [
    ...(rule.maxRate === undefined ? [] : [`${name}/maxRate`]),
    ...(rule.maxExact === undefined ? [] : [`${name}/maxExact`]),
  ];
  const side = SIDES_OF[type][1];
  const textured = new Map(
    input.items
      .filter((item) => item.side === side && !item.degenerate)
      .map(({ imageId, uncompared }) => [imageId, uncompared]),
  );
  const images = [...textured.values()].filter((levels) => !levels.includes(rule.level)).length;
  const missing = SIDES_OF[type].find((one) => !input.items.some((item) => item.side === one));
  if (missing !== undefined) return wanted.map((one) => invalid(one, `the audit has no ${missing} side`));
  if (textured.size === 0)
    return wanted.map((one) => invalid(one, `the ${side} side has no image that can be compared`));
  const results: RuleResult[] = [];
  if (rule.maxExact !== undefined) {
    const exact = matched(input, type, (pair) => isExact(pair.evidence));
    const result = atMost(
      `${name}/maxExact`,
      exact.images.size,
      rule.maxExact,
      `${exact.images.size} images with a byte or pixel copy`,
    );
    results.push(result);
    if (result.verdict === 'violated') exact.pairs.forEach((pair) => keep(offending, pair));
  }
  if (rule.maxRate !== undefined) {
    if (!input.levels.includes(rule.level))
      return [...results, invalid(`${name}/maxRate`, `level ${rule.level} was not searched`, rule.maxRate)];
    const found = matched(
      input,
      type,
      ({ evidence }) => evidence.level === rule.level && meets(evidence, input.thresholds),
    );
    if (images === 0)
      return [
        ...results,
        invalid(`${name}/maxRate`, `no ${side} image could be compared at level ${rule.level}`, rule.maxRate),
      ];
    const { maxRate, level } = rule;
    const result = ifCompared(input, {
      type,
      level,
      judged: (more) =>
        rateRule({
          ...input,
          name: `${name}/maxRate`,
          rule: { ...rule, maxRate },
          matched: Math.min(images, found.images.size + more),
          images,
        }),
    });
    results.push(result);
    if (result.verdict === 'violated') found.pairs.forEach((pair) => keep(offending, pair));
  }
  return results;
}

interface Judgement {
  readonly type: PairType;
  readonly level: string;
  /** The rule with so many more images matching than were found. */
  readonly judged: (more: number) => RuleResult;
}

/**
 * A rate is no pass while images of either side could not be compared, since each of them may match; nor where it would break the rule
 * if every image with pairs that nobody looked at had a match among those.
 */
function ifCompared({ items, open }: GateInput, { type, level, judged }: Judgement): RuleResult {
  const result = judged(0);
  if (result.verdict !== 'pass') return result;
  const words = [...new Set(SIDES_OF[type])].flatMap((side) => {
    const count = new Set(
      items
        .filter((item) => item.side === side && !item.degenerate && item.uncompared.includes(level))
        .map(({ imageId }) => imageId),
    ).size;
    return count === 0 ? [] : [`${count} ${side}`];
  });
  if (words.length > 0)
    return invalid(
      result.rule,
      `${words.join(' and ')} images could not be compared at level ${level}`,
      result.limit,
    );
  const more = open.get(openKey(level, type)) ?? 0;
  if (more === 0 || judged(more).verdict === 'pass') return result;
  return invalid(
    result.rule,
    `${result.detail}, and ${more} more have pairs that were not compared at level ${level}: raise pairBudget`,
    result.limit,
  );
}

export const openKey = (level: string, type: string): string => `${level} ${type}`;

function keep(offending: Map<string, EvidencePair>, pair: EvidencePair): void {
  const key = waiverKey(pair);
  if (!offending.has(key)) offending.set(key, pair);
}

/** Non-degenerate images of the side that the type speaks of, with a match that no waiver covers. */
function matched(
  { pairs, waivers, items }: GateInput,
  type: PairType,
  counts: (pair: EvidencePair) => boolean,
): { images: Set<string>; pairs: EvidencePair[] } {
  const flat = new Set(items.filter(({ degenerate }) => degenerate).map(({ imageId }) => imageId));
  const images = new Set<string>();
  const kept: EvidencePair[] = [];
  for (const pair of pairs) {
    if (pair.type !== type || flat.has(pair.a) || flat.has(pair.b)) continue;
    if (!counts(pair) || waivers.holding.has(waiverKey(pair))) continue;
    kept.push(pair);
    images.add(pair.b);
    if (isWithin(type)) images.add(pair.a);
  }
  return { images, pairs: kept };
}

function classRules(input: GateInput): RuleResult[] {
  const rule = input.policy.classes;
  if (rule === undefined) return [];
  if (!input.levels.includes(rule.level))
    return [invalid('classes', `level ${rule.level} was not searched`, rule.maxRate)];
  const { images } = matched(
    input,
    'train-eval',
    ({ evidence }) => evidence.level === rule.level && meets(evidence, input.thresholds),
  );
  const classes = new Map<string, { hits: number; total: number }>();
  for (const { side, label, degenerate, uncompared, imageId } of input.items) {
    if (side !== ('eval' satisfies Side) || label === null || degenerate) continue;
    if (uncompared.includes(rule.level)) continue;
    const count = classes.get(label) ?? { hits: 0, total: 0 };
    classes.set(label, count);
    count.total += 1;
    count.hits += images.has(imageId) ? 1 : 0;
  }
  const large = [...classes]
    .filter(([, { total }]) => total >= rule.minImages)
    .sort(([x], [y]) => (x < y ? -1 : 1));
  if (classes.size === 0) return [invalid('classes', 'the evaluation side has no labels', rule.maxRate)];
  if (large.length === 0) return [invalid('classes', `no class has ${rule.minImages} images`, rule.maxRate)];
  return large.map(([label, { hits, total }]) =>
    ifCompared(input, {
      type: 'train-eval',
      level: rule.level,
      judged: (more) =>
        rateRule({
          ...input,
          name: `classes/${label}`,
          rule,
          // any of the open images may be of this class
          matched: Math.min(total, hits + more),
          images: total,
        }),
    }),
  );
}

function calibrationRules({ policy, calibration }: GateInput): RuleResult[] {
  const rule = policy.calibration;
  if (rule === undefined) return [];
  const wanted = [
    ['calibration/minRecall', rule.minRecall] as const,
    ['calibration/minPrecision', rule.minPrecision] as const,
  ].flatMap(([name, limit]) => (limit === undefined ? [] : [{ name, limit }]));
  const level = calibration?.find((one) => one.level === rule.level);
  return wanted.map(({ name, limit }) => {
    if (calibration === null) return invalid(name, 'the audit was not calibrated', limit);
    if (level === undefined) return invalid(name, `level ${rule.level} was not calibrated`, limit);
    if (level.validation === null)
      return invalid(name, level.reason ?? 'the calibration chose no cut', limit);
    const measured = name.endsWith('Recall') ? level.validation.recall.low : level.validation.precisionLow;
    return atLeast(name, measured, limit, `lower end of the 95 % interval at level ${rule.level}`);
  });
}

function distanceRules({ policy, distances }: GateInput): RuleResult[] {
  return policy.distances.flatMap(({ level, metric, maxRelative, minRelative }) => {
    const name = `distances/${level}/${metric}`;
    const found = distances.find((one) => one.level === level);
    const relative = found?.summary.find((one) => one.metric === metric)?.relative ?? null;
    const why =
      found === undefined
        ? `level ${level} has no domain distance`
        : (found.leftOut.find((one) => one.metric === metric)?.reason ?? `${metric} has no relative value`);
    const results: RuleResult[] = [];
    if (maxRelative !== undefined)
      results.push(
        relative === null
          ? invalid(`${name}/max`, why, maxRelative)
          : atMost(`${name}/max`, relative, maxRelative, 'relative distance'),
      );
    if (minRelative !== undefined)
      results.push(
        relative === null
          ? invalid(`${name}/min`, why, minRelative)
          : atLeast(`${name}/min`, relative, minRelative, 'relative distance'),
      );
    return results;
  });
}
