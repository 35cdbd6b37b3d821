import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { balance, checkMix } from '../../src/curate/balance.ts';
import { waterFill } from '../../src/curate/water-fill.ts';
import { rowOf } from '../audit/sample-images.ts';
import { failing } from '../support/failing.ts';

const rowsOf = (sizes: Readonly<Record<string, number>>) =>
  Object.entries(sizes).flatMap(([label, size]) =>
    Array.from({ length: size }, (_, i) =>
      rowOf(`${label} ${i}`, { label: label === 'none' ? null : label }),
    ),
  );
const countBy = (labels: readonly (string | null)[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const label of labels) counts[label ?? 'none'] = (counts[label ?? 'none'] ?? 0) + 1;
  return counts;
};

describe('waterFill', () => {
  const counts = (sizes: Record<string, number>, total: number): number[] =>
    [...waterFill(new Map(Object.entries(sizes)), total, 1).values()].map(({ count }) => count);

  it('takes small classes whole and shares the rest evenly', () => {
    expect(counts({ a: 2, b: 50, c: 100 }, 42)).toEqual([2, 20, 20]);
    expect(counts({ a: 5, b: 5 }, 100)).toEqual([5, 5]);
    expect(counts({ a: 5, b: 5 }, 0)).toEqual([0, 0]);
  });

  it('reaches the total exactly, within each class, and no class above another that still had images', () => {
    const sizesOf = fc.dictionary(fc.string({ minLength: 1, maxLength: 3 }), fc.nat(40), { maxKeys: 8 });
    fc.assert(
      fc.property(sizesOf, fc.nat(200), fc.nat(5), (record, total, seed) => {
        const sizes = new Map(Object.entries(record));
        const quotas = waterFill(sizes, total, seed);
        const available = [...sizes.values()].reduce((a, b) => a + b, 0);
        const sum = (f: 'count' | 'expected'): number => [...quotas.values()].reduce((a, q) => a + q[f], 0);
        expect(sum('count')).toBe(Math.min(total, available));
        expect(sum('expected')).toBeCloseTo(Math.min(total, available), 9);
        for (const [x, qx] of quotas) {
          expect(qx.count).toBeLessThanOrEqual(sizes.get(x)!);
          for (const qy of quotas.values()) {
            if (qx.count < sizes.get(x)!) expect(qy.count).toBeLessThanOrEqual(qx.count + 1);
          }
        }
      }),
    );
  });
});

describe('balance', () => {
  it('caps each class, images without a label being one', () => {
    const { kept, rejected } = balance({
      rows: rowsOf({ cat: 9, dog: 2, none: 5 }),
      policy: { kind: 'cap', perClass: 3 },
      seed: 7,
    });
    expect(countBy(kept.map(({ row }) => row.label))).toEqual({ cat: 3, dog: 2, none: 3 });
    expect(rejected.length).toBe(8);
    expect(rejected.map(({ detail }) => detail)).toContain('class "cat" keeps 3 of 9');
    expect(kept.find(({ row }) => row.label === 'cat')!.inclusionProbability).toBe(1 / 3);
    expect(kept.find(({ row }) => row.label === 'dog')!.inclusionProbability).toBe(1);
  });

  it('keeps all with probability one when there is nothing to balance', () => {
    const rows = rowsOf({ cat: 4 });
    const { kept } = balance({ rows, policy: { kind: 'none' }, seed: 1 });
    expect(kept.map(({ inclusionProbability }) => inclusionProbability)).toEqual([1, 1, 1, 1]);
  });

  it('keeps each image as often, over seeds, as its inclusion probability says', () => {
    const rows = rowsOf({ a: 3, b: 7, c: 11 });
    const seeds = 1500;
    const times = new Map<string, number>();
    const chance = new Map<string, number>();
    for (let seed = 0; seed < seeds; seed++) {
      for (const { row, inclusionProbability } of balance({
        rows,
        policy: { kind: 'equal-share', total: 12 },
        seed,
      }).kept) {
        times.set(row.name, (times.get(row.name) ?? 0) + 1);
        chance.set(row.name, inclusionProbability);
      }
    }
    // 3 + 4.5 + 4.5: the odd image goes to b or c
    expect(chance.get('a 0')).toBe(1);
    expect(chance.get('b 0')).toBeCloseTo(4.5 / 7, 12);
    expect(chance.get('c 0')).toBeCloseTo(4.5 / 11, 12);
    for (const { name } of rows) {
      const p = chance.get(name)!;
      expect(Math.abs(times.get(name)! / seeds - p)).toBeLessThan(
        5 * Math.sqrt((p * (1 - p)) / seeds) + 1e-9,
      );
    }
  });

  it('choice survives the loss of a rejected image', () => {
    const rows = rowsOf({ cat: 20 });
    const input = { policy: { kind: 'cap', perClass: 5 }, seed: 3 } as const;
    const { kept, rejected } = balance({ ...input, rows });
    const fewer = rows.filter(({ id }) => id !== rejected[0]!.imageId);
    expect(balance({ ...input, rows: fewer }).kept.map(({ row }) => row.id)).toEqual(
      kept.map(({ row }) => row.id),
    );
  });
});

describe('balance by weights', () => {
  const rows = rowsOf({ cat: 10, dog: 4, eel: 7 });
  const mix = (over: object) =>
    balance({ rows, policy: { kind: 'weights', weights: { cat: 2, dog: 1 }, ...over }, seed: 1 });
  const counted = (over: object) => countBy(mix(over).kept.map(({ row }) => row.label));

  it('keeps the exact proportions at the largest total that no class is too small for', () => {
    expect(counted({})).toEqual({ cat: 9, dog: 4 });
    // 13 in three equal shares is 5, 4, 4; with 14 there would be 5 dogs
    expect(counted({ weights: { cat: 1, dog: 1, eel: 1 } })).toEqual({ cat: 5, dog: 4, eel: 4 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 12, max: 40 })), {
          minLength: 1,
          maxLength: 5,
        }),
        (classes) => {
          const weights = Object.fromEntries(classes.map(([weight], i) => [`c${i}`, weight]));
          const all = rowsOf(Object.fromEntries(classes.map(([, size], i) => [`c${i}`, size])));
          const policy = { kind: 'weights', weights } as const;
          const once = balance({ rows: all, policy, seed: 1 }).kept;
          const counts = countBy(once.map(({ row }) => row.label));
          const sum = classes.reduce((a, [weight]) => a + weight, 0);
          classes.forEach(([weight], i) =>
            expect(Math.abs((counts[`c${i}`] ?? 0) - (once.length * weight) / sum)).toBeLessThan(1),
          );
          expect(balance({ rows: once.map(({ row }) => row), policy, seed: 1 }).rejected).toEqual([]);
        },
      ),
    );
  });

  it('drops classes without a weight as outside the mix, with chances that say how much of a class is left', () => {
    const { kept, rejected } = mix({});
    expect(rejected.filter(({ reason }) => reason === 'outside-mix')).toHaveLength(7);
    expect(rejected.filter(({ reason }) => reason === 'over-class-share')).toHaveLength(1);
    expect(kept.find(({ row }) => row.label === 'cat')!.inclusionProbability).toBe(0.9);
  });

  it('caps, repeats or refuses where a class is too small for its share of a total, as the policy says', () => {
    expect(counted({ total: 18 })).toEqual({ cat: 10, dog: 4 });
    const { kept } = mix({ total: 18, short: 'repeat' });
    const copies = (label: string) =>
      kept
        .filter(({ row }) => row.label === label)
        .map((one) => one.copies)
        .sort();
    expect(copies('cat')).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1].slice(0, 8).concat([2, 2]));
    expect(copies('dog')).toEqual([1, 1, 2, 2]);
    expect(() => mix({ total: 18, short: 'error' })).toThrow(
      failing(3, { what: 'a class is too small for its share of a mix', wanted: '12 images of class "cat"' }),
    );
  });

  it('mixes sources and licences as well', () => {
    const two = [...rows, rowOf('web 1', { source: 'web' })];
    const policy = { kind: 'weights', by: 'source', weights: { web: 1, test: 3 } } as const;
    expect(countBy(balance({ rows: two, policy, seed: 1 }).kept.map(({ row }) => row.source))).toEqual({
      web: 1,
      // 6 in shares of 1 to 3 is 1.5 and 4.5, the tie to the first by name; with 7 there would be 2 of web
      test: 5,
    });
  });

  it('refuses proportions that would leave a class with nothing', () => {
    const few = rowsOf({ a: 1, b: 1, c: 1 });
    const policy = { kind: 'weights', weights: { a: 3, b: 1, c: 1 } } as const;
    expect(() => balance({ rows: few, policy, seed: 1 })).toThrow(
      failing(3, { got: 'at most 3 images in all' }),
    );
  });

  it('lets a class that has no image left stand aside', () => {
    expect(counted({ weights: { cat: 2, dog: 1, cow: 5 } })).toEqual({ cat: 9, dog: 4 });
    expect(counted({ weights: { cat: 1, cow: 1 }, total: 10 })).toEqual({ cat: 5 });
    expect(() => mix({ weights: { cat: 1, cow: 1 }, total: 10, short: 'repeat' })).toThrow(
      failing(3, { wanted: '5 images of class "cow"' }),
    );
  });

  it('refuses weights that sum to 0 and classes that do not exist', () => {
    expect(() => mix({ weights: { cat: 0 } })).toThrow(failing(3, { what: 'the weights of a mix sum to 0' }));
    expect(() => mix({ weights: {} })).toThrow(failing(3, { what: 'the weights of a mix sum to 0' }));
    expect(() => checkMix({ kind: 'weights', weights: { cats: 1 } }, rows)).toThrow(
      failing(3, { got: '"cats"', wanted: expect.stringContaining('cat') as string }),
    );
  });
});
