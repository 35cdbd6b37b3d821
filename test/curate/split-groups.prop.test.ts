import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitGroupSizes } from '../../src/curate/fit-group-sizes.ts';
import { largestRemainder } from '../../src/curate/largest-remainder.ts';
import { type SplitInput, splitGroups } from '../../src/curate/split-groups.ts';
import { rowOf } from '../audit/sample-images.ts';
import { failing } from '../support/failing.ts';

const rowsOf = (count: number, labels = 3) =>
  Array.from({ length: count }, (_, i) => rowOf(`r${i}`, { label: `c${i % labels}` }));
const alone = (id: string): string => id;
const split = (over: Partial<SplitInput>) =>
  splitGroups({
    rows: rowsOf(30),
    parts: { shares: { train: 8, val: 1, test: 1 } },
    groupOf: alone,
    byClass: true,
    seed: 1,
    ...over,
  });

describe('largestRemainder', () => {
  it('sums to the total, and each share is its exact share rounded up or down', () => {
    const weights = fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(weights, fc.nat(1000), (list, total) => {
        const sum = list.reduce((a, b) => a + b, 0);
        fc.pre(sum > 0.001);
        const shares = largestRemainder(list, total);
        expect(shares.reduce((a, b) => a + b, 0)).toBe(total);
        shares.forEach((share, i) => {
          expect(Math.abs(share - (total * list[i]!) / sum)).toBeLessThan(1 + 1e-9);
          if (list[i] === 0) expect(share).toBe(0);
        });
      }),
    );
    expect(largestRemainder([1, 1, 1], 10)).toEqual([4, 3, 3]);
  });
});

describe('splitGroups', () => {
  it('tears no group apart, accounts for every image, and does not depend on the order of rows', () => {
    const input = fc.record({
      count: fc.integer({ min: 1, max: 60 }),
      groups: fc.integer({ min: 1, max: 30 }),
    });
    fc.assert(
      fc.property(input, fc.nat(4), ({ count, groups }, seed) => {
        const rows = rowsOf(count);
        const place = new Map(rows.map(({ id }, i) => [id as string, i]));
        const groupOf = (id: string): string => `${(place.get(id)! * 7) % groups}`;
        const result = split({ rows, groupOf, seed });
        const partsOfGroup = new Map<string, Set<string>>();
        for (const [id, part] of result.partOf) {
          const parts = partsOfGroup.get(groupOf(id)) ?? new Set();
          partsOfGroup.set(groupOf(id), parts.add(part));
        }
        expect([...partsOfGroup.values()].every(({ size }) => size === 1)).toBe(true);
        expect(result.partOf.size).toBe(count);
        expect(result.parts.reduce((sum, { images }) => sum + images, 0)).toBe(count);
        expect(split({ rows: [...rows].reverse(), groupOf, seed })).toEqual(result);
      }),
    );
  });

  it('has exact sizes where images stand alone, and each class in each part within one image', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 10, max: 90 }),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(3),
        (count, labels, seed) => {
          const rows = rowsOf(count, labels);
          const { parts, partOf } = split({ rows, seed });
          for (const { images, wanted } of parts) expect(images).toBe(wanted);
          for (const { name, wanted } of parts)
            for (let c = 0; c < labels; c++) {
              const inClass = rows.filter(({ label }) => label === `c${c}`);
              const got = inClass.filter(({ id }) => partOf.get(id) === name).length;
              expect(Math.abs(got - (wanted * inClass.length) / count)).toBeLessThan(2);
            }
        },
      ),
    );
  });

  it('takes exact sizes, the rest going to the part that is named for it', () => {
    const { parts } = split({ parts: { sizes: { val: 7, test: 3 }, rest: 'train' } });
    expect(parts.map(({ name, images }) => [name, images])).toEqual([
      ['test', 3],
      ['train', 20],
      ['val', 7],
    ]);
  });

  it('has exact sizes wherever groups allow them, also where the largest group first would miss them', () => {
    // 3 to the larger part leaves no 2 + 2 for it
    const sizes = [3, 2, 2];
    const groupOfAll = sizes.flatMap((size, group) => Array.from({ length: size }, () => `g${group}`));
    const rows = rowsOf(7);
    const place = new Map(rows.map(({ id }, i) => [id as string, i]));
    const groupOf = (id: string): string => groupOfAll[place.get(id)!]!;
    const { parts } = split({ rows, groupOf, parts: { sizes: { val: 3, train: 4 } } });
    expect(parts.map(({ name, images }) => [name, images])).toEqual([
      ['train', 4],
      ['val', 3],
    ]);
  });

  it('fits group sizes into parts exactly when a plain search over all assignments does', () => {
    const plain = (sizes: readonly number[], left: readonly number[]): boolean =>
      sizes.length === 0
        ? left.every((room) => room === 0)
        : left.some(
            (room, i) =>
              room >= sizes[0]! &&
              plain(
                sizes.slice(1),
                left.map((other, j) => (j === i ? other - sizes[0]! : other)),
              ),
          );
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 7 }),
        fc.array(fc.nat(20), { minLength: 1, maxLength: 2 }),
        (list, cuts) => {
          const total = list.reduce((a, b) => a + b, 0);
          const ends = [...cuts.map((cut) => Math.min(cut, total)).sort((x, y) => x - y), total];
          const parts = ends.map((end, i) => end - (ends[i - 1] ?? 0));
          const distinct = [...new Set(list)].sort((x, y) => y - x);
          const sizes = distinct.map((size) => ({ size, count: list.filter((one) => one === size).length }));
          const found = fitGroupSizes(sizes, parts);
          if (!plain(list, parts)) {
            expect(found).toBe('none');
            return;
          }
          if (typeof found === 'string') throw new Error(`${found} for ${list.join()} in ${parts.join()}`);
          expect(found.map((shares) => shares.reduce((a, b) => a + b, 0))).toEqual(
            sizes.map(({ count }) => count),
          );
          expect(
            parts.map((_, i) => found.reduce((sum, shares, k) => sum + shares[i]! * distinct[k]!, 0)),
          ).toEqual(parts);
        },
      ),
    );
    expect(
      fitGroupSizes(
        [
          { size: 2, count: 5 },
          { size: 3, count: 4 },
        ],
        [11, 11],
        1,
      ),
    ).toBe('unknown');
  });

  it.each<[string, Partial<SplitInput>]>([
    ['a split asks for more images than there are', { parts: { sizes: { val: 31 }, rest: 'train' } }],
    ['the sizes of a split leave images over', { parts: { sizes: { val: 5, train: 20 } } }],
    ['the shares of a split sum to 0', { parts: { shares: { train: 0, val: 0 } } }],
    [
      'groups that must stay together do not fit the sizes of a split',
      { parts: { sizes: { val: 5 }, rest: 'train' }, groupOf: () => 'all' },
    ],
  ])('refuses: %s', (what, over) => {
    expect(() => split(over)).toThrow(failing(3, { what }));
  });

  it('reports what groups make of the shares', () => {
    const { parts, groups } = split({ groupOf: () => 'all' });
    expect(groups).toBe(1);
    expect(parts.find(({ name }) => name === 'train')).toEqual({ name: 'train', wanted: 24, images: 30 });
  });
});
