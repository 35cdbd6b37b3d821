// What a consumer may do, with real threads and rows large enough that reading ahead without bound would show: bytes are counted by
// the loader, descriptors by the system.
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Catalogue, openCatalogue } from '../../src/cache/catalogue.ts';
import { storedPart } from '../../src/cache/target-part.ts';
import { openLoader } from '../../src/loader/open-loader.ts';
import { image, keyOf, openWriter, space } from '../cache/rig.ts';

const ROWS = 128;
const BATCH = 8;
const WIDTH = 32_768;
/** Of one batch of half floats: 512 KiB. */
const BATCH_BYTES = BATCH * WIDTH * 2;
/** Batches: one in use, three being filled. */
const BOUND = 4;
const BOUND_BYTES = BOUND * BATCH_BYTES;
const keys = Array.from({ length: ROWS }, (_, i) => keyOf(image(i)));
let root = '';
let snapshot: Catalogue;

beforeAll(async () => {
  root = fs.mkdtempSync(join(tmpdir(), 'stillhouse-consumers-'));
  const { writer } = await openWriter(root);
  const rows = keys.map((key) => ({ key }));
  const values = Uint16Array.from({ length: ROWS * WIDTH }, (_, i) => 0x3800 + (i % 997));
  await writer.commit([storedPart(space({ shape: [WIDTH] }), rows, values)]);
  await writer.close();
  snapshot = await openCatalogue(root);
});
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

const descriptors = (): number => fs.readdirSync('/proc/self/fd').length;
const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

/** A loader, and a check of what is left of it once it is closed. */
async function open(memoryBytes?: number) {
  const before = descriptors();
  const loader = await openLoader({
    snapshot,
    dataset: { name: 'rows', keys },
    spaces: ['sums@2.summary'],
    batchSize: BATCH,
    seed: 1,
    as: 'f16',
    workers: 2,
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
  });
  onTestFinished(() => loader.close());
  const close = async (): Promise<void> => {
    await loader.close();
    const leases = fs.readdirSync(join(root, 'leases')).filter((name) => name.startsWith('reader'));
    expect({ threads: loader.threads, leases }).toEqual({ threads: 0, leases: [] });
    // Node keeps one of its own once a thread was started
    expect(descriptors()).toBeLessThanOrEqual(before + 1);
  };
  const ahead = (consumed: number): number => loader.counts.bytesRead - consumed * BATCH_BYTES;
  return { loader, close, ahead };
}

describe('a consumer that', () => {
  it('never reads costs no byte, no thread and no descriptor', async () => {
    const { loader, close } = await open();
    await pause(50);
    expect(loader.counts.bytesRead).toBe(0);
    const { batchBytes, ...held } = loader.memory;
    // beside the rows, what each thread needs to check them
    expect(batchBytes - BATCH_BYTES).toBeLessThan(128 * 1024);
    expect(held).toEqual({ heldBytes: 0, mostHeldBytes: 0 });
    await close();
  });

  it('reads once and then never again finds the bound read ahead, and not a byte more', async () => {
    const { loader, close, ahead } = await open();
    const batches = loader.batches(0, Infinity);
    await batches.next();
    await pause(300);
    // the batch in its hands, and three that wait for it
    expect(loader.counts.bytesRead).toBe(BOUND_BYTES);
    await pause(100);
    expect(ahead(0)).toBe(BOUND_BYTES);
    expect(loader.memory.mostHeldBytes).toBe(BOUND * loader.memory.batchBytes);
    await close();
    expect(await batches.next()).toEqual({ done: true, value: undefined });
  });

  it.each([
    ['is slow', 15, 20],
    ['is fast', 0, 400],
  ])('%s has at most the bound in flight, batch after batch', async (_, stepMs, count) => {
    const { loader, close, ahead } = await open();
    let consumed = 0;
    for await (const batch of loader.batches(0, count)) {
      expect(ahead(consumed)).toBeLessThanOrEqual(BOUND_BYTES);
      expect(loader.memory.heldBytes).toBeLessThanOrEqual(BOUND * loader.memory.batchBytes);
      expect(batch.size).toBe(BATCH);
      consumed += 1;
      if (stepMs > 0) await pause(stepMs);
    }
    expect(consumed).toBe(count);
    expect(loader.counts.bytesRead).toBe(count * BATCH_BYTES);
    expect(loader.memory.mostHeldBytes).toBeLessThanOrEqual(BOUND * loader.memory.batchBytes);
    await close();
  });

  it('allows less memory has less in flight', async () => {
    const { loader, close } = await open(3 * BATCH_BYTES);
    for await (const { size } of loader.batches(0, 40)) expect(size).toBe(BATCH);
    expect(loader.memory.mostHeldBytes).toBe(2 * loader.memory.batchBytes);
    expect(loader.memory.mostHeldBytes).toBeLessThanOrEqual(3 * BATCH_BYTES);
    await close();
  });

  it('keeps every batch owns them; the loader holds no more than before', async () => {
    const { loader, close } = await open();
    const kept = new Set<ArrayBufferLike>();
    for await (const batch of loader.batches(0, 16)) {
      batch.keep();
      kept.add(batch.teachers['sums@2'].summary.data.buffer);
    }
    expect(kept.size).toBe(16);
    expect(loader.memory.mostHeldBytes).toBeLessThanOrEqual(BOUND * loader.memory.batchBytes);
    await close();
  });

  it.each<[string, (loader: Awaited<ReturnType<typeof open>>['loader']) => Promise<void>]>([
    [
      'breaks off',
      async (loader) => {
        for await (const { step } of loader.batches(0, Infinity)) if (step === 3) break;
      },
    ],
    [
      'throws',
      async (loader) => {
        const reading = (async () => {
          for await (const { step } of loader.batches(0, Infinity))
            if (step === 3) throw new Error('consumer');
        })();
        await expect(reading).rejects.toThrow('consumer');
      },
    ],
    [
      'cancels its stream',
      async (loader) => {
        const reader = loader.stream(0, Infinity).getReader();
        for (let i = 0; i < 4; i++) await reader.read();
        await reader.cancel();
      },
    ],
    [
      'forgets its stream in the middle of a read',
      async (loader) => {
        const reader = loader.stream(0, Infinity).getReader();
        for (let i = 0; i < 4; i++) await reader.read();
        void reader.read().catch(() => undefined);
      },
    ],
  ])('%s leaves nothing running, and the loader can be closed at once', async (_, consume) => {
    const { loader, close } = await open();
    await consume(loader);
    expect(loader.counts.bytesRead).toBeLessThanOrEqual(4 * BATCH_BYTES + BOUND_BYTES);
    await close();
    const read = loader.counts.bytesRead;
    await pause(50);
    expect(loader.counts.bytesRead).toBe(read);
    expect(loader.memory.mostHeldBytes).toBeLessThanOrEqual(BOUND * loader.memory.batchBytes);
  });

  it('closes while batches are being filled waits for them and no longer', async () => {
    const { loader, close } = await open();
    const batches = loader.batches(0, Infinity);
    const first = batches.next();
    await close();
    // it was under way: given, or ended, never left waiting
    const got = await first;
    expect(got.done === true || got.value.step === 0).toBe(true);
    expect(await batches.next()).toEqual({ done: true, value: undefined });
  });
});
