import * as fs from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isStillhouseError } from '../../src/core/failure.ts';
import { BatchOrder, checkWorld, rankShare } from '../../src/loader/batch-order.ts';
import { apportion } from '../../src/loader/mix-pieces.ts';
import { ORDER_VERSION, type OrderSpec } from '../../src/loader/order-spec.ts';
import { bucket, sequence, spec } from './order-specs.ts';

const mixed = spec({
  sources: [
    { name: 'photos', weight: 5, buckets: [bucket('', 130, 8)] },
    { name: 'web', weight: 2, buckets: [bucket('', 61, 8)] },
    { name: 'maps', weight: 1, buckets: [bucket('', 9, 4)] },
  ],
});
const bucketed = spec({
  batchSize: 12,
  last: 'keep',
  sources: [{ name: 'photos', weight: 1, buckets: [bucket('224', 75, 8), bucket('448', 38, 8, 75)] }],
  resolutions: [3, 1],
});
const both = spec({
  sources: [
    { name: 'photos', weight: 3, buckets: [bucket('224', 60, 8), bucket('448', 30, 8, 60)] },
    { name: 'web', weight: 1, buckets: [bucket('224', 50, 8)] },
  ],
});

describe('golden orders', () => {
  const cases: Record<string, OrderSpec> = {
    'one dataset': spec(),
    'one dataset, kept': spec({ last: 'keep' }),
    global: spec({ shuffle: { kind: 'global' } }),
    mixed,
    bucketed,
    'mixed and bucketed': both,
  };
  const path = `test/golden/loader/order.v${ORDER_VERSION}.json`;

  it('of this algorithm version are pinned: another sequence is another version (UPDATE_GOLDEN=1, never in CI)', () => {
    const found = Object.fromEntries(
      Object.entries(cases).map(([name, one]) => {
        const order = new BatchOrder(one);
        const batches = Array.from({ length: 14 }, (_, step) => {
          const { bucket, resolution, epoch } = order.at(step);
          return `${epoch} ${bucket} ${resolution}: ${sequence(one, step, step + 1)[0]!.join(' ')}`;
        });
        return [name, batches];
      }),
    );
    if (process.env['UPDATE_GOLDEN'] === '1') {
      if (process.env['CI'] !== undefined) throw new Error('UPDATE_GOLDEN must not be set in CI');
      fs.writeFileSync(path, `${JSON.stringify(found, null, 1)}\n`);
    }
    expect(found).toEqual(JSON.parse(fs.readFileSync(path, 'utf8')));
  });
});

describe.each([
  ['of one dataset', spec()],
  ['of one dataset, last kept', spec({ last: 'keep' })],
  ['of a mix', mixed],
  ['of buckets', bucketed],
  ['of a mix of buckets', both],
])('batches %s', (_, one) => {
  it('are the same asked in any order', () => {
    const straight = sequence(one, 0, 30);
    const order = new BatchOrder(one);
    for (let i = 0; i < 60; i++) {
      const step = (i * 17) % 30;
      const { sources, samples } = order.at(step);
      expect(Array.from(samples, (sample, at) => `${sources[at]}:${sample}`)).toEqual(straight[step]);
    }
  });

  it.each([1, 2, 3, 4, 6, 8])(
    'are cut into the shares of %i ranks without a change of order',
    (worldSize) => {
      for (const batch of sequence(one, 0, 12)) {
        const shares = Array.from({ length: worldSize }, (_, rank) => {
          const { from, to } = rankShare(batch.length, rank, worldSize);
          return batch.slice(from, to);
        });
        expect(shares.flat()).toEqual(batch);
        const sizes = shares.map((share) => share.length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(
          batch.length % worldSize === 0 ? 0 : 1,
        );
      }
    },
  );
});

describe('an epoch', () => {
  it('shows each sample at most once and leaves out only what does not fill a batch', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 90 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 30 }),
        fc.nat({ max: 3 }),
        (count, block, batchSize, epoch) => {
          fc.pre(count >= batchSize);
          const sources = [{ name: 'a', weight: 1, buckets: [bucket('', count, block)] }];
          const order = new BatchOrder(spec({ sources, batchSize }));
          const from = epoch * order.batchesPerEpoch;
          const shown = sequence(order.spec, from, from + order.batchesPerEpoch).flat();
          expect(new Set(shown).size).toBe(shown.length);
          expect(count - shown.length).toBe(count % batchSize);
          expect(order.droppedPerEpoch).toBe(count % batchSize);
        },
      ),
    );
  });

  it('with the last batch kept shows every sample once, buckets apart, short batches last in their bucket', () => {
    const order = new BatchOrder(bucketed);
    expect(order.batchesPerEpoch).toBe(7 + 4);
    for (let epoch = 0; epoch < 4; epoch++) {
      const from = epoch * order.batchesPerEpoch;
      const shown = sequence(bucketed, from, from + order.batchesPerEpoch).flat();
      expect(shown.length).toBe(75 + 38);
      expect(new Set(shown).size).toBe(75 + 38);
      const sizes = new Map<string, number[]>();
      for (let step = from; step < from + order.batchesPerEpoch; step++) {
        const batch = order.at(step);
        expect(batch.epoch).toBe(epoch);
        for (const sample of batch.samples) expect(sample < 75 ? '224' : '448').toBe(batch.bucket);
        sizes.set(batch.bucket, [...(sizes.get(batch.bucket) ?? []), batch.samples.length]);
      }
      expect(sizes.get('224')).toEqual([12, 12, 12, 12, 12, 12, 3]);
      expect(sizes.get('448')).toEqual([12, 12, 12, 2]);
    }
  });

  it('differs from the one before', () => {
    const one = spec({ last: 'keep' });
    const { batchesPerEpoch } = new BatchOrder(one);
    expect(sequence(one, 0, batchesPerEpoch)).not.toEqual(
      sequence(one, batchesPerEpoch, 2 * batchesPerEpoch),
    );
  });

  it('of several resolutions gives each its share of the batches, a batch having one', () => {
    const order = new BatchOrder(spec({ resolutions: [3, 1], batchSize: 2 }));
    const counts = [0, 0];
    for (let step = 0; step < 400; step++) {
      counts[order.at(step).resolution]! += 1;
      expect(Math.abs(counts[0]! - (3 * (step + 1)) / 4)).toBeLessThan(1);
    }
    expect(counts).toEqual([300, 100]);
  });
});

describe('a mix', () => {
  it('keeps exact proportions: within one sample at every moment, to the sample per period', () => {
    const counts = [0, 0, 0];
    let shown = 0;
    for (const batch of sequence(mixed, 0, 40))
      for (const ref of batch) {
        counts[Number(ref.split(':')[0])]! += 1;
        shown += 1;
        [5, 2, 1].forEach((weight, i) => expect(Math.abs(counts[i]! - (weight * shown) / 8)).toBeLessThan(1));
      }
    expect(counts).toEqual([600, 240, 120]);
  });

  it('shows every sample of a dataset once before any of them again', () => {
    const perDataset: string[][] = [[], [], []];
    for (const ref of sequence(mixed, 0, 80).flat()) perDataset[Number(ref.split(':')[0])]!.push(ref);
    perDataset.forEach((refs, i) => {
      const size = [130, 61, 9][i]!;
      for (let start = 0; start + size <= refs.length; start += size)
        expect(new Set(refs.slice(start, start + size)).size).toBe(size);
    });
  });

  it('of bucketed datasets keeps proportions between datasets exact while every batch has one bucket', () => {
    const counts = [0, 0];
    const order = new BatchOrder(both);
    const steps = 4000;
    for (let step = 0; step < steps; step++) {
      const { bucket: key, sources, samples } = order.at(step);
      samples.forEach((sample, i) => {
        counts[sources[i]!]! += 1;
        expect(sources[i] === 1 || sample < 60 ? '224' : '448').toBe(key);
      });
    }
    expect(Math.abs(counts[0]! / (counts[0]! + counts[1]!) - 0.75)).toBeLessThan(0.001);
  });

  it('of bucket shares gives out all units, at least one each', () => {
    expect(apportion([1, 1, 1], 10)).toEqual([4, 3, 3]);
    expect(apportion([1, 1_000_000], 100)).toEqual([1, 99]);
    expect(apportion([5], 1)).toEqual([1]);
  });
});

describe('what cannot be shown is refused', () => {
  const failing = (what: () => unknown): string => {
    try {
      what();
    } catch (error) {
      if (isStillhouseError(error, 'bad-input')) return error.message;
      throw error;
    }
    return 'nothing failed';
  };

  it('a batch larger than the dataset, unless short batches are kept', () => {
    expect(failing(() => new BatchOrder(spec({ batchSize: 131 })))).toContain('fewer samples than one batch');
    expect(sequence(spec({ batchSize: 131, last: 'keep' }), 0, 1)[0]).toHaveLength(130);
  });

  it('a bucket that never fills a batch: its samples would never be seen', () => {
    const sources = [{ name: 'a', weight: 1, buckets: [bucket('224', 75, 8), bucket('448', 5, 8, 75)] }];
    expect(failing(() => new BatchOrder(spec({ sources })))).toContain('448');
  });

  it('a dataset without samples, also in a mix', () => {
    const empty = { name: 'empty', weight: 1, buckets: [bucket('', 0, 8)] };
    expect(failing(() => new BatchOrder(spec({ sources: [empty] })))).toContain('empty');
    expect(failing(() => new BatchOrder(spec({ sources: [...mixed.sources, empty] })))).toContain('empty');
  });

  it('a world size that does not divide the batch, and a rank outside it', () => {
    for (const [rank, world] of [
      [0, 5],
      [4, 4],
      [-1, 2],
      [0, 0],
      [0, 1.5],
    ] as const)
      expect(failing(() => checkWorld(24, rank, world))).toContain('shared equally');
    expect(() => checkWorld(24, 7, 8)).not.toThrow();
  });
});
