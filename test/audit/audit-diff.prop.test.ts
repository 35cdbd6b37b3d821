/** Laws of the difference of two audits: nothing to itself, mirrored when turned round, and counts that balance. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diffAudits } from '../../src/audit/diff/audit-diff.ts';
import type { AuditRecord } from '../../src/audit/diff/audit-record.ts';
import { type EvidencePair, type Side, SIDES_OF } from '../../src/audit/evidence.ts';
import { clopperPearson } from '../../src/audit/clopper-pearson.ts';
import { type ImageId, imageId } from '../../src/core/ids.ts';

const id = (n: number): ImageId => imageId(n.toString(16).padStart(64, '0'));
const TYPES = ['train-eval', 'val-eval', 'within-train'] as const;

const evidence = fc.oneof(
  fc.constant({ level: 'pixel' as const }),
  fc.record({
    level: fc.constant('phash' as const),
    distance: fc.nat(8),
    transform: fc.constant('identity' as const),
  }),
  fc.record({
    level: fc.constant('teacher:t' as const),
    cosine: fc.constantFrom(0.7, 0.8, 0.9, 1),
    rank: fc.constant(1),
  }),
);
const rate = fc
  .record({ images: fc.integer({ min: 1, max: 50 }), share: fc.nat(100) })
  .map(({ images, share }) => {
    const matched = Math.floor((images * share) / 100);
    return { images, matched, rate: matched / images, ...clopperPearson(matched, images) };
  });

/** Most of four images on each of three sides, and pairs among those that are there: two of them share a lot. */
const PLACES = (['train', 'val', 'eval'] as const).flatMap((side) =>
  [0, 1, 2, 3].map((n) => [side, n] as const),
);
const record: fc.Arbitrary<AuditRecord> = fc
  .record({
    present: fc.subarray(PLACES, { minLength: 8 }),
    found: fc.array(fc.record({ type: fc.constantFrom(...TYPES), x: fc.nat(3), y: fc.nat(3), evidence })),
    distance: fc.integer({ min: 0, max: 8 }),
    rates: fc.dictionary(fc.constantFrom('phash', 'pixel'), rate),
    verdict: fc.option(fc.constantFrom('pass', 'violated')),
  })
  .map(({ present, found, distance, rates, verdict }) => {
    const has = (side: Side, n: number): boolean => present.some(([s, m]) => s === side && m === n);
    const pairs = found.flatMap(({ type, x, y, evidence: one }): EvidencePair[] => {
      const [left, right] = SIDES_OF[type];
      if (!has(left, x) || !has(right, y) || (left === right && x >= y)) return [];
      return [{ type, a: id(x), b: id(y), evidence: one }];
    });
    return {
      items: present.map(([side, n]) => ({ imageId: id(n), side, name: `${n % 4}.png` })),
      pairs,
      thresholds: [
        { level: 'pixel' },
        { level: 'phash', maxDistance: distance },
        { level: 'teacher:t', minCosine: 0.85 },
      ],
      rates: Object.entries(rates).map(([level, one]) => ({ level, type: 'train-eval', ...one })),
      distances: [],
      gate: verdict === null ? null : { verdict, rules: [{ rule: 'r', verdict, measured: 1 }] },
    };
  });

describe('the difference of two audits', () => {
  it('is nothing between an audit and itself', () => {
    fc.assert(
      fc.property(record, (one) => {
        const diff = diffAudits(one, one);
        expect(diff.isSame).toBe(true);
        expect(diff.rates.every(({ intervals }) => intervals === 'overlap')).toBe(true);
      }),
    );
  });

  it('tells values that were measured anew, also where no verdict changed', () => {
    const of = (cosine: number, measured: number): AuditRecord => ({
      items: [
        { imageId: id(1), side: 'train', name: 'a.png' },
        { imageId: id(2), side: 'eval', name: 'b.png' },
      ],
      pairs: [
        { type: 'train-eval', a: id(1), b: id(2), evidence: { level: 'teacher:t', cosine, rank: 1 } },
        { type: 'train-eval', a: id(1), b: id(2), evidence: { level: 'pixel' } },
      ],
      thresholds: [{ level: 'pixel' }, { level: 'teacher:t', minCosine: 0.85 }],
      rates: [],
      distances: [],
      gate: { verdict: 'pass', rules: [{ rule: 'r', verdict: 'pass', measured }] },
    });
    const diff = diffAudits(of(0.9, 1), of(0.91, 2));
    expect(diff.isSame).toBe(false);
    expect(diff.pairs).toMatchObject({ changes: [], counts: [{ stayed: 1, changed: 0, remeasured: 1 }] });
    expect(diff.gate).toMatchObject({ rules: [], remeasured: ['r'] });
    // below its cut it is listed all the same
    expect(diffAudits(of(0.1, 1), of(0.2, 1)).isSame).toBe(false);
    expect(diffAudits(of(0.9, 1), of(0.9, 2)).isSame).toBe(false);
    const [byPixel, byTeacher] = [of(0.9, 1), of(0.9, 1)];
    // the order of the rows is no evidence
    expect(diffAudits(byPixel, { ...byTeacher, pairs: [...byTeacher.pairs].reverse() }).isSame).toBe(true);
  });

  it('balances: what was before stayed or vanished, what is after stayed or appeared, each for one cause', () => {
    fc.assert(
      fc.property(record, record, (before, after) => {
        const { images, pairs } = diffAudits(before, after);
        for (const one of images) {
          expect(one.stayed + one.vanished).toBe(one.before);
          expect(one.stayed + one.appeared).toBe(one.after);
          expect(one.replaced).toBeLessThanOrEqual(one.vanished);
        }
        for (const { type, ...one } of pairs.counts) {
          expect(one.stayed + one.vanished.images + one.vanished.evidence).toBe(one.before);
          expect(one.stayed + one.appeared.images + one.appeared.evidence).toBe(one.after);
          const own = pairs.changes.filter((change) => change.type === type);
          expect(own.filter((change) => change.before === 'none' && change.cause === 'images').length).toBe(
            one.appeared.images,
          );
          expect(own.length).toBe(
            one.changed +
              one.appeared.images +
              one.appeared.evidence +
              one.vanished.images +
              one.vanished.evidence,
          );
        }
      }),
    );
  });

  it('is mirrored when the audits are turned round', () => {
    fc.assert(
      fc.property(record, record, (x, y) => {
        const [there, back] = [diffAudits(x, y), diffAudits(y, x)];
        expect(back.isSame).toBe(there.isSame);
        const turned = back.pairs.counts.map((one) => ({
          ...one,
          before: one.after,
          after: one.before,
          appeared: one.vanished,
          vanished: one.appeared,
        }));
        expect(turned).toEqual(there.pairs.counts);
        expect(back.images.map(({ appeared }) => appeared)).toEqual(
          there.images.map(({ vanished }) => vanished),
        );
        const intervals = (diff: typeof there) =>
          new Map(diff.rates.map(({ level, type, intervals: said }) => [`${level} ${type}`, said]));
        expect(intervals(back)).toEqual(intervals(there));
      }),
    );
  });

  it('says that intervals lie apart only where they share no point', () => {
    const of = (matched: number, images: number): AuditRecord => ({
      items: [],
      pairs: [],
      thresholds: [],
      rates: [
        {
          level: 'pixel',
          type: 'train-eval',
          images,
          matched,
          rate: matched / images,
          ...clopperPearson(matched, images),
        },
      ],
      distances: [],
      gate: null,
    });
    const said = (x: AuditRecord, y: AuditRecord) => diffAudits(x, y).rates[0]!.intervals;
    expect(said(of(1, 10), of(3, 10))).toBe('overlap');
    expect(said(of(10, 1000), of(300, 1000))).toBe('apart');
  });
});
