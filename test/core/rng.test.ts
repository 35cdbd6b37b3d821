import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/core/rng.ts';

const drawsOf = (rng: Rng, count: number): number[] => Array.from({ length: count }, () => rng.uint32());

/** xoshiro128** in whole numbers, from the paper's listing. */
function* xoshiro([a, b, c, d]: readonly [bigint, bigint, bigint, bigint]): Generator<number> {
  const word = (x: bigint) => BigInt.asUintN(32, x);
  const rotate = (x: bigint, k: bigint) => word((x << k) | (x >> (32n - k)));
  const s = [a, b, c, d];
  for (;;) {
    yield Number(word(rotate(word(s[1]! * 5n), 7n) * 9n));
    const t = word(s[1]! << 9n);
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    s[3] = rotate(s[3]!, 11n);
  }
}

/** Pearson's statistic against equal shares. */
function chiSquare(counts: readonly number[]): number {
  const wanted = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - wanted) ** 2 / wanted, 0);
}

describe('seeded randomness', () => {
  it('is xoshiro128** from the first 16 bytes of the sha256 of seed and labels', () => {
    const state = createHash('sha256').update('["7","views","3"]').digest();
    const word = (at: number) => BigInt(state.readUInt32LE(at));
    const wanted = xoshiro([word(0), word(4), word(8), word(12)]);
    for (const got of drawsOf(new Rng(7, 'views', 3), 1000)) expect(got).toBe(wanted.next().value);
  });

  it('repeats itself for the same seed and labels', () => {
    expect(drawsOf(new Rng(1, 'a', 2), 50)).toEqual(drawsOf(new Rng(1, 'a', 2), 50));
  });

  it('gives another stream for every seed and every list of labels', () => {
    const streams = [
      new Rng(1),
      new Rng(2),
      new Rng(1, 'a'),
      new Rng(1, 'b'),
      new Rng(1, 'a', 'b'),
      new Rng(1, 'ab'),
      new Rng(1, 'a,b'),
      new Rng(1, 'a","b'),
      new Rng(1, ''),
    ].map((rng) => drawsOf(rng, 4).join());
    expect(new Set(streams).size).toBe(streams.length);
  });

  it('keeps a stream where it is when another one draws', () => {
    const alone = drawsOf(new Rng(1, 'a'), 10);
    const [a, b] = [new Rng(1, 'a'), new Rng(1, 'b')];
    const between = Array.from({ length: 10 }, () => {
      drawsOf(b, 3);
      return a.uint32();
    });
    expect(between).toEqual(alone);
  });

  it('draws streams of different labels that do not go together', () => {
    const n = 20_000;
    const [a, b] = [new Rng(1, 'a'), new Rng(1, 'b')];
    let sum = 0;
    for (let i = 0; i < n; i++) sum += (a.uniform() - 0.5) * (b.uniform() - 0.5) * 12;
    expect(Math.abs(sum / n)).toBeLessThan(4 / Math.sqrt(n));
  });

  // 99.9 % points of chi-square for bins - 1 degrees of freedom
  it.each([
    { bound: 2, bins: 2, limit: 10.8 },
    { bound: 10, bins: 10, limit: 27.9 },
    { bound: 100, bins: 100, limit: 148.2 },
    // a plain remainder would give the first third twice its share
    { bound: 3 * 2 ** 30, bins: 3, limit: 13.8 },
    { bound: 2 ** 32, bins: 16, limit: 37.7 },
  ])('below($bound) gives every part its share', ({ bound, bins, limit }) => {
    const rng = new Rng(5, 'below', bound);
    const counts = Array.from({ length: bins }, () => 0);
    for (let i = 0; i < 100_000; i++) {
      const bin = Math.floor((rng.below(bound) * bins) / bound);
      counts[bin] = (counts[bin] ?? NaN) + 1;
    }
    expect(counts).toHaveLength(bins);
    expect(chiSquare(counts)).toBeLessThan(limit);
  });

  it('below refuses bounds that no whole number lies under, or that 32 bits cannot reach', () => {
    for (const bound of [0, -1, 1.5, NaN, Infinity, 2 ** 32 + 1])
      expect(() => new Rng(1).below(bound), String(bound)).toThrow('internal: bound must be');
    expect(new Rng(1).below(1)).toBe(0);
  });

  it('uniform stays in [0, 1) with the mean and variance of the uniform law', () => {
    const rng = new Rng(3, 'uniform');
    const draws = Array.from({ length: 50_000 }, () => rng.uniform());
    const mean = draws.reduce((sum, x) => sum + x, 0) / draws.length;
    const variance = draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws.length;
    expect(draws.every((x) => x >= 0 && x < 1)).toBe(true);
    expect(mean).toBeCloseTo(0.5, 2);
    expect(variance).toBeCloseTo(1 / 12, 2);
    // 53 bits: some draws need more than 32
    expect(draws.some((x) => !Number.isInteger(x * 2 ** 32))).toBe(true);
  });

  it('between spans its limits', () => {
    const rng = new Rng(3, 'between');
    const draws = Array.from({ length: 1000 }, () => rng.between(-2, 6));
    expect(Math.min(...draws)).toBeGreaterThanOrEqual(-2);
    expect(Math.min(...draws)).toBeLessThan(-1.9);
    expect(Math.max(...draws)).toBeGreaterThan(5.9);
    expect(Math.max(...draws)).toBeLessThan(6);
  });

  it('normal has mean 0, variance 1 and is always finite', () => {
    const rng = new Rng(3, 'normal');
    const draws = Array.from({ length: 50_000 }, () => rng.normal());
    const moment = (power: number) => draws.reduce((sum, x) => sum + x ** power, 0) / draws.length;
    expect(draws.every(Number.isFinite)).toBe(true);
    expect(Math.abs(moment(1))).toBeLessThan(0.02);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.03);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.25);
  });

  it('shuffled is a permutation and leaves its input alone', () => {
    for (const n of [0, 1, 2, 17, 1000]) {
      const items = Object.freeze(Array.from({ length: n }, (_, i) => i));
      const shuffled = new Rng(9, n).shuffled(items);
      expect([...shuffled].sort((a, b) => a - b)).toEqual(items);
      if (n > 2) expect(shuffled).not.toEqual(items);
    }
  });

  it('shuffled gives each of the six orders of three things its share', () => {
    const rng = new Rng(9, 'orders');
    const counts = new Map<string, number>();
    for (let i = 0; i < 60_000; i++) {
      const order = rng.shuffled(['a', 'b', 'c']).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    expect(chiSquare([...counts.values()])).toBeLessThan(20.5);
  });
});
