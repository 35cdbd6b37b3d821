import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { type BatchCost, epochCosts } from '../../src/loader/batch-costs.ts';
import { planLoad } from '../../src/loader/load-plan.ts';
import { openLoader } from '../../src/loader/open-loader.ts';
import {
  type Machine,
  type SpreadTried,
  orderFigures,
  simulateEpoch,
  suggestedAhead,
  suggestedSpread,
} from '../../src/loader/simulate.ts';
import { group, image, images, keyOf, openWriter, partFor } from '../cache/rig.ts';

const [summary, spatial] = group().spaces as [never, never];
const LABELS = ['sums@2.summary', 'sums@2.spatial'] as const;
const COUNT = 48;
const PART = 12;
const keys = Array.from({ length: COUNT }, (_, i) => keyOf(image(i)));
let root = '';

beforeAll(async () => {
  root = fs.mkdtempSync(join(tmpdir(), 'stillhouse-simulate-'));
  const { writer } = await openWriter(root);
  for (let from = 0; from < COUNT; from += PART) {
    const rows = images(COUNT).slice(from, from + PART);
    await writer.commit([partFor(summary, rows), partFor(spatial, rows)]);
  }
});
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

const request = async (batchSize = 8) => ({
  snapshot: await openCatalogue(root),
  dataset: { name: 'photos', keys },
  spaces: LABELS,
  batchSize,
  seed: 5,
  shuffle: { kind: 'blocks', spread: 2 } as const,
});

const FAST: Machine = {
  bandwidthBytesPerSecond: Infinity,
  latencyMs: 0,
  threads: 2,
  decodeBytesPerSecond: Infinity,
  stepMs: 0,
  batchesAhead: 3,
  wholeParts: false,
};
const batch = (changes: Partial<BatchCost> = {}): BatchCost => ({
  samples: 10,
  reads: 4,
  bytesRead: 1000,
  rowBytes: 900,
  newParts: 1,
  newPartBytes: 5000,
  ...changes,
});
const many = (count: number, changes: Partial<BatchCost> = {}) =>
  Array.from({ length: count }, () => batch(changes));

describe('the costs of an epoch', () => {
  it('are the reads and bytes that the loader really makes, for every number of ranks', async () => {
    for (const worldSize of [1, 2, 4]) {
      const options = await request();
      const { batches } = epochCosts(planLoad(options), { rank: 0, worldSize, workers: 0 });
      const loader = await openLoader({ ...options, worldSize, workers: 0 });
      for await (const one of loader.batches(0, loader.batchesPerEpoch)) expect(one.size).toBe(8 / worldSize);
      await loader.close();
      const sum = (of: (one: BatchCost) => number) => batches.reduce((all, one) => all + of(one), 0);
      expect([batches.length, sum(({ samples }) => samples)]).toEqual([6, COUNT / worldSize]);
      expect([sum(({ reads }) => reads), sum(({ bytesRead }) => bytesRead)]).toEqual([
        loader.counts.reads,
        loader.counts.bytesRead,
      ]);
    }
  });

  it('name every part once, where it is touched first', async () => {
    const { snapshot, ...options } = await request();
    const { batches } = epochCosts(planLoad({ snapshot, ...options }), {
      rank: 0,
      worldSize: 1,
      workers: 2,
    });
    const parts = [...snapshot.spaces.values()].flatMap(({ parts }) => parts);
    expect(batches.reduce((sum, { newParts }) => sum + newParts, 0)).toBe(parts.length);
    expect(batches.reduce((sum, { newPartBytes }) => sum + newPartBytes, 0)).toBe(
      parts.reduce((sum, { entry }) => sum + entry.sizeBytes, 0),
    );
  });

  it('tell the row groups of a batch, and hold all of them live where everything is shuffled', async () => {
    const options = await request();
    const all = orderFigures(
      epochCosts(planLoad({ ...options, shuffle: { kind: 'global' } }), {
        rank: 0,
        worldSize: 1,
        workers: 1,
      }),
    );
    expect([all.rowGroups, all.batches]).toEqual([COUNT / PART, 6]);
    expect(all.liveBytes.max).toBeCloseTo(all.rowGroups * all.rowGroupBytes);
    expect(all.rowGroupsPerBatch).toBeGreaterThan(3);
    const stored = orderFigures(
      epochCosts(planLoad({ ...options, shuffle: { kind: 'blocks', spread: 1 } }), {
        rank: 0,
        worldSize: 1,
        workers: 1,
      }),
    );
    expect(stored.rowGroupsPerBatch).toBeLessThan(all.rowGroupsPerBatch);
  });
});

describe('a simulated epoch', () => {
  it.each([
    ['bandwidth', { bandwidthBytesPerSecond: 10_000 }, 100],
    ['latency', { latencyMs: 25 }, 200],
    ['decoding', { decodeBytesPerSecond: 4500 }, 100],
    ['consumer', { stepMs: 50 }, 200],
  ] as const)('whose %s alone costs goes at its pace', (limitedBy, changes, samplesPerSecond) => {
    const told = simulateEpoch(many(200), { ...FAST, ...changes });
    expect(told.limitedBy).toBe(limitedBy);
    expect(told.samplesPerSecond).toBeCloseTo(samplesPerSecond, 6);
  });

  it('copies parts whole, once, where they lie elsewhere', () => {
    const batches = [batch(), batch({ newParts: 0, newPartBytes: 0 })];
    const told = simulateEpoch(batches, { ...FAST, wholeParts: true, bandwidthBytesPerSecond: 5000 });
    expect(told).toMatchObject({ bytesRead: 5000, reads: 1, coldStartMs: 1000, seconds: 1 });
  });

  it('is never slower than each of its parts, never faster than the slowest, whatever the machine', () => {
    const positive = fc.double({ min: 0.1, max: 1e4, noNaN: true });
    const machine = fc.record({
      bandwidthBytesPerSecond: positive,
      latencyMs: positive,
      threads: fc.integer({ min: 1, max: 8 }),
      decodeBytesPerSecond: positive,
      stepMs: positive,
      batchesAhead: fc.integer({ min: 1, max: 8 }),
      wholeParts: fc.boolean(),
    });
    const costs = fc.array(
      fc.record({
        samples: fc.integer({ min: 1, max: 64 }),
        reads: fc.nat(50),
        bytesRead: fc.nat(1e5),
        rowBytes: fc.nat(1e5),
        newParts: fc.nat(3),
        newPartBytes: fc.nat(1e6),
      }),
      { minLength: 1, maxLength: 30 },
    );
    fc.assert(
      fc.property(costs, machine, (batches, one) => {
        const free = { bandwidthBytesPerSecond: Infinity, latencyMs: 0, decodeBytesPerSecond: Infinity };
        const told = simulateEpoch(batches, one).seconds;
        const alone = [
          { ...one, ...free },
          { ...one, latencyMs: 0, decodeBytesPerSecond: Infinity, stepMs: 0 },
          { ...one, bandwidthBytesPerSecond: Infinity, decodeBytesPerSecond: Infinity, stepMs: 0 },
          { ...one, bandwidthBytesPerSecond: Infinity, latencyMs: 0, stepMs: 0 },
        ].map((part) => simulateEpoch(batches, part).seconds);
        expect(told).toBeGreaterThanOrEqual(Math.max(...alone) * (1 - 1e-9));
        expect(told).toBeLessThanOrEqual(alone.reduce((sum, seconds) => sum + seconds, 0) * (1 + 1e-9));
        // more batches ahead never cost time
        const further = simulateEpoch(batches, { ...one, batchesAhead: one.batchesAhead + 1 }).seconds;
        expect(further).toBeLessThanOrEqual(told * (1 + 1e-9));
      }),
    );
  });

  it('agrees with a real loader whose consumer takes its time, within a fifth', async () => {
    const options = await request();
    const stepMs = 40;
    const { batches } = epochCosts(planLoad(options), { rank: 0, worldSize: 1, workers: 0 });
    const told = simulateEpoch(batches, { ...FAST, stepMs });
    const loader = await openLoader({ ...options, workers: 0 });
    const ends = loader.batches(0, loader.batchesPerEpoch)[Symbol.asyncIterator]();
    // the files are opened before the first batch, which is not what is simulated
    await ends.next();
    const started = performance.now();
    for (let done = false; !done;) {
      await new Promise((wake) => setTimeout(wake, stepMs));
      done = (await ends.next()).done === true;
    }
    const seconds = (performance.now() - started) / 1000;
    await loader.close();
    expect(seconds / told.seconds).toBeGreaterThan(0.95);
    expect(seconds / told.seconds).toBeLessThan(1.2);
  });
});

describe('what is suggested', () => {
  it('is one batch ahead where all cost the same, and more where some batches cost much more', () => {
    const machine = { ...FAST, bandwidthBytesPerSecond: 20_000, stepMs: 100 };
    expect(suggestedAhead(many(100), machine)).toBe(1);
    const bursts = Array.from({ length: 100 }, (_, i) => batch({ bytesRead: i % 10 === 5 ? 10_000 : 500 }));
    const ahead = suggestedAhead(bursts, machine);
    expect(ahead).toBeGreaterThan(2);
    const pace = (batchesAhead: number) =>
      simulateEpoch(bursts, { ...machine, batchesAhead }).samplesPerSecond;
    expect(pace(ahead)).toBeGreaterThanOrEqual(0.99 * pace(64));
    expect(pace(ahead - 1)).toBeLessThan(0.99 * pace(64));
  });

  it('is the narrowest spread that mixes well, else the widest that fits, else none', () => {
    const figures = (rowGroupsPerBatch: number, max: number): SpreadTried['figures'] => ({
      batches: 1,
      rowGroups: 64,
      rowGroupBytes: 1,
      rowGroupsPerBatch,
      worstNewPerBatch: 1,
      liveBytes: { max, mean: max },
    });
    const tried: SpreadTried[] = [
      { spread: 1, figures: figures(2, 10) },
      { spread: 8, figures: figures(28, 80) },
      { spread: 16, figures: figures(30, 160) },
      { spread: null, figures: figures(31, 640) },
    ];
    expect(suggestedSpread(tried, 1000)?.spread).toBe(8);
    expect(suggestedSpread(tried, 50)?.spread).toBe(1);
    expect(suggestedSpread(tried, 5)).toBeNull();
  });
});
