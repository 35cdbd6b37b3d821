import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Evidence, EvidencePair } from '../../src/audit/evidence.ts';
import { sortedEnds } from '../../src/audit/evidence.ts';
import { type CuratePolicy, curate } from '../../src/curate/curate.ts';
import { remainingPairs } from './remaining-pairs.ts';
import type { BalancePolicy } from '../../src/curate/balance.ts';
import { idOf, rowOf } from '../audit/sample-images.ts';
import { curateInput } from './curation-input.ts';

const NAMES = Array.from({ length: 8 }, (_, i) => `t${i}`);
const name = fc.constantFrom(...NAMES);
const evidence = fc.oneof(
  fc.constantFrom<Evidence>({ level: 'byte' }, { level: 'pixel' }),
  fc.record({
    level: fc.constant('phash' as const),
    distance: fc.nat(8),
    transform: fc.constantFrom('identity' as const, 'mirror' as const),
  }),
  fc.record({
    level: fc.constant('teacher:n' as const),
    cosine: fc.constantFrom(0.7, 0.8, 0.9),
    rank: fc.integer({ min: 1, max: 9 }),
  }),
);
const pair: fc.Arbitrary<EvidencePair> = fc
  .record({ across: fc.boolean(), x: name, y: name, e: fc.constantFrom('e0', 'e1', 't3'), evidence })
  .map(({ across, x, y, e, evidence: one }) => {
    const [a, b] = sortedEnds(idOf(x), idOf(y));
    return across
      ? { type: 'train-eval', a: idOf(x), b: idOf(e), evidence: one }
      : { type: 'within-train', a, b, evidence: one };
  });
const row = fc
  .record({
    name,
    copy: fc.nat(2),
    widthPx: fc.constantFrom(32, 64),
    label: fc.constantFrom('cat', 'dog', null),
  })
  .map(({ name: n, copy, widthPx, label }) =>
    rowOf(`${n} copy ${copy}`, { id: idOf(n), width: widthPx, label }),
  );
const balancing: fc.Arbitrary<BalancePolicy> = fc.oneof(
  fc.constant({ kind: 'none' } as const),
  fc.record({ kind: fc.constant('cap' as const), perClass: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant('equal-share' as const), total: fc.integer({ min: 1, max: 8 }) }),
);
const thresholds: CuratePolicy['deduplicate'] = [
  { level: 'pixel' },
  { level: 'phash', maxDistance: 6 },
  { level: 'teacher:n', minCosine: 0.8 },
];
const input = fc.record({
  rows: fc.uniqueArray(row, { maxLength: 24, selector: ({ uri }) => uri }),
  evidence: fc.array(pair, { maxLength: 25 }),
  policy: fc.record({
    decontaminate: fc.constant([{ level: 'byte' } as const, ...thresholds]),
    deduplicate: fc.constant(thresholds),
    balance: balancing,
    seed: fc.nat(3),
  }),
});

describe('curate', () => {
  it('accounts for every record exactly once, step by step', async () => {
    await fc.assert(
      fc.asyncProperty(input, async (given) => {
        const { kept, ledger, counts } = await curate(curateInput(given));
        const uris = [...kept.map(({ row: r }) => r.uri), ...ledger.map((r) => r.uri)].sort();
        expect(uris).toEqual(given.rows.map((r) => r.uri).sort());
        const rejected = Object.values(counts.rejected).reduce((a, b) => a + b, 0);
        expect(counts.seen).toBe(counts.kept + rejected);
        for (const [i, step] of counts.steps.entries()) {
          expect(step.seen).toBe(step.kept + step.removed);
          expect(step.seen).toBe(i === 0 ? counts.seen : counts.steps[i - 1]!.kept);
        }
        expect(counts.steps.at(-1)!.kept).toBe(counts.kept);
        for (const { inclusionProbability } of kept) {
          expect(inclusionProbability).toBeGreaterThan(0);
          expect(inclusionProbability).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it('leaves no pair that the same thresholds would still find', async () => {
    await fc.assert(
      fc.asyncProperty(input, async (given) => {
        const whole = curateInput(given);
        const kept = (await curate(whole)).kept.map(({ row: r }) => r);
        expect(remainingPairs(kept, await whole.findEvidence(given.rows), given.policy)).toEqual([]);
        expect(new Set(kept.map(({ id }) => id)).size).toBe(kept.length);
      }),
    );
  });

  it('rejects nothing when its own result is curated again', async () => {
    await fc.assert(
      fc.asyncProperty(input, async (given) => {
        const once = (await curate(curateInput(given))).kept.map(({ row: r }) => r);
        const again = await curate(curateInput({ ...given, rows: once }));
        expect(again.ledger).toEqual([]);
        expect(again.kept.map(({ row: r }) => r)).toEqual(once);
      }),
    );
  });

  it('does not depend on the order of rows or evidence', async () => {
    await fc.assert(
      fc.asyncProperty(input, fc.infiniteStream(fc.nat(1000)), async (given, stream) => {
        const mixed = <T>(items: readonly T[]): T[] =>
          items
            .map((item) => ({ item, at: stream.next().value as number }))
            .sort((x, y) => x.at - y.at)
            .map(({ item }) => item);
        const other = { ...given, rows: mixed(given.rows), evidence: mixed(given.evidence) };
        expect(await curate(curateInput(other))).toEqual(await curate(curateInput(given)));
      }),
    );
  });

  it('rejects only with cause: without evidence, repeats or a cap everything stays', async () => {
    await fc.assert(
      fc.asyncProperty(input, async (given) => {
        const rows = [...new Map(given.rows.map((r) => [r.id, r])).values()];
        const policy: Partial<CuratePolicy> = { ...given.policy, balance: { kind: 'none' } };
        expect((await curate(curateInput({ rows, policy }))).kept.length).toBe(rows.length);
      }),
    );
  });

  // cosines of centred features: what a search finds depends on what is still there
  it('holds when a search shows pairs only once others are gone', async () => {
    await fc.assert(
      fc.asyncProperty(input, async (given) => {
        const whole = curateInput(given);
        const hiding: typeof whole = {
          ...whole,
          // one pair per search
          findEvidence: async (rows) => {
            const found = await whole.findEvidence(rows);
            const telling = found.within.filter(
              (one) => remainingPairs(rows, { within: [one], evaluations: [] }, whole.policy).length > 0,
            );
            return { ...found, within: telling.slice(0, 1) };
          },
        };
        const { kept, searches } = await curate(hiding);
        const rows = kept.map(({ row: r }) => r);
        expect(remainingPairs(rows, await whole.findEvidence(given.rows), whole.policy)).toEqual([]);
        expect(searches).toBeGreaterThan(0);
      }),
      { numRuns: 50 },
    );
  });
});
