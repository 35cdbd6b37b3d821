import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { balance, waterFill } from '../../src/curate/balance.ts';
import { rowOf } from '../audit/sample-images.ts';

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
