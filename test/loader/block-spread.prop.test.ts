import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EpochOrder, type EpochSpec, type Shuffle } from '../../src/loader/block-spread.ts';
import { shuffleQuality } from '../../src/loader/shuffle-quality.ts';

function epoch(blocks: readonly number[], shuffle: Shuffle, changes: Partial<EpochSpec> = {}): EpochOrder {
  const blockStarts = Int32Array.from([0, ...blocks]);
  for (let i = 1; i < blockStarts.length; i++) blockStarts[i]! += blockStarts[i - 1]!;
  return new EpochOrder({ blockStarts, shuffle, seed: 3, label: 'photos', epoch: 0, ...changes });
}
const all = (order: EpochOrder): number[] => Array.from({ length: order.samples }, (_, q) => order.at(q));

const blocks = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 60 });
const shuffle = fc.oneof(
  fc.record({ kind: fc.constant('blocks' as const), spread: fc.double({ min: 0, max: 70, noNaN: true }) }),
  fc.constant({ kind: 'global' } as const),
  fc.constant({ kind: 'none' } as const),
);

describe('the order of an epoch', () => {
  it('shows every sample once, whatever the blocks and the spread', () => {
    fc.assert(
      fc.property(blocks, shuffle, fc.nat({ max: 5 }), (lengths, how, n) => {
        const seen = all(epoch(lengths, how, { epoch: n })).sort((a, b) => a - b);
        expect(seen).toEqual(seen.map((_, i) => i));
      }),
    );
  });

  it('is the same wherever one starts to read it', () => {
    const lengths = Array.from({ length: 300 }, (_, i) => 20 + (i % 9));
    const how = { kind: 'blocks', spread: 12 } as const;
    const straight = all(epoch(lengths, how));
    // stretches are ordered one by one; a neighbourhood cut too short would lose samples at their seams
    expect([...straight].sort((a, b) => a - b)).toEqual(straight.map((_, i) => i));
    const jumping = epoch(lengths, how);
    for (let i = 0; i < 400; i++) {
      const q = (i * 7919) % straight.length;
      expect(jumping.at(q)).toBe(straight[q]);
    }
    const backwards = epoch(lengths, how);
    for (let q = straight.length - 1; q >= 0; q--) expect(backwards.at(q)).toBe(straight[q]);
  });

  it('differs by epoch, seed and dataset', () => {
    const lengths = [9, 9, 9, 9];
    const how = { kind: 'blocks', spread: 2 } as const;
    const orders = [{}, { epoch: 1 }, { seed: 4 }, { label: 'web' }].map((changes) =>
      all(epoch(lengths, how, changes)).join(),
    );
    expect(new Set(orders).size).toBe(4);
  });

  it('as stored is as stored', () => {
    expect(all(epoch([2, 3], { kind: 'none' }))).toEqual([0, 1, 2, 3, 4]);
  });

  it('keeps at most about `spread` blocks in use', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.nat(), (spread, seed) => {
        const order = epoch(Array<number>(80).fill(16), { kind: 'blocks', spread }, { seed });
        const { live } = shuffleQuality(
          all(order).map((sample) => Math.floor(sample / 16)),
          32,
        );
        expect(live.max).toBeLessThanOrEqual(spread + 2);
      }),
    );
  });
});

describe('the quality of block spread', () => {
  // the setting of formats-and-loaders.md §2.2, so that the figures can be laid beside those of other loaders
  const of = (how: Shuffle) =>
    shuffleQuality(
      all(epoch(Array<number>(256).fill(1024), how)).map((sample) => Math.floor(sample / 1024)),
      1024,
    );

  it('at 32 blocks mixes as py1e does (32 distinct, .034) with fewer blocks live (36) and smaller bursts (19)', () => {
    const { blocksPerBatch, sameBlockNext, live, worstNewPerBatch } = of({ kind: 'blocks', spread: 32 });
    expect(blocksPerBatch).toBeGreaterThan(31);
    expect(sameBlockNext).toBeLessThan(0.036);
    expect(live.max).toBeLessThanOrEqual(33);
    expect(worstNewPerBatch).toBeLessThanOrEqual(10);
  });

  it('reaches that of a global shuffle only with everything live', () => {
    const global = of({ kind: 'global' });
    expect(global.blocksPerBatch).toBeGreaterThan(249);
    expect(global.live.max).toBe(256);
  });

  it('of an order that is read off by hand', () => {
    expect(shuffleQuality([0, 0, 1, 0, 2, 2], 3)).toEqual({
      blocksPerBatch: 2,
      sameBlockNext: 2 / 5,
      live: { max: 2, mean: (1 + 1 + 2 + 1 + 1 + 1) / 6 },
      worstNewPerBatch: 2,
    });
  });
});
