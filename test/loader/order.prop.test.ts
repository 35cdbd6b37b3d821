import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchOrder, epochOrder } from '../../src/loader/order.ts';

describe('the order of an epoch', () => {
  it('is pinned: another one is another algorithm version', () => {
    expect([...epochOrder(8, 7, 0)]).toMatchInlineSnapshot(`
      [
        2,
        3,
        0,
        6,
        1,
        4,
        7,
        5,
      ]
    `);
  });

  it('is a permutation that depends on seed and epoch alone', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(), fc.nat({ max: 20 }), (count, seed, epoch) => {
        const order = epochOrder(count, seed, epoch);
        expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
        expect(epochOrder(count, seed, epoch)).toEqual(order);
      }),
    );
  });

  it('differs between epochs', () => {
    expect(epochOrder(100, 1, 0)).not.toEqual(epochOrder(100, 1, 1));
  });
});

describe('batches of an order', () => {
  it('show each sample at most once per epoch and leave out only the remainder', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 9 }), (count, batchSize) => {
        fc.pre(count >= batchSize);
        const order = new BatchOrder({ count, batchSize, seed: 3 });
        const seen = Array.from({ length: order.batchesPerEpoch }, (_, step) => [...order.at(step)]).flat();
        expect(new Set(seen).size).toBe(seen.length);
        expect(count - seen.length).toBe(count % batchSize);
      }),
    );
  });

  it('are the same whatever was asked before', () => {
    const [a, b] = [0, 1].map(() => new BatchOrder({ count: 20, batchSize: 3, seed: 5 }));
    const straight = Array.from({ length: 14 }, (_, step) => [...a!.at(step)]);
    for (const step of [13, 0, 7, 7, 2]) expect([...b!.at(step)]).toEqual(straight[step]);
  });
});
