import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { openLoader } from '../../src/loader/open-loader.ts';
import { countedStore, machine } from '../cache/remote-rig.ts';
import { group, images, keyOf, openWriter, partFor } from '../cache/rig.ts';
import { failing } from '../support/failing.ts';

it('a loader over damaged copies of a remote cache gives the same batches, and each copy is fetched once', async () => {
  const { store } = await countedStore();
  const { root, fs, replica } = await machine(store);
  const { writer } = await openWriter(root, 'w', fs);
  const summary = group().spaces[0]!;
  for (const from of [0, 8]) await writer.commit([partFor(summary, images(from + 8).slice(from))]);
  await writer.abandon();
  const keys = images(16).map(({ image }) => keyOf(image));
  const batches = async (): Promise<number[][]> => {
    const snapshot = await openCatalogue(root, { fs });
    const dataset = { name: 'photos', keys };
    const spaces = ['sums@2.summary'];
    const loader = await openLoader({ snapshot, dataset, spaces, batchSize: 4, seed: 1, workers: 0 });
    const read: number[][] = [];
    for await (const batch of loader) read.push([...Object.values(batch.teachers)[0]!.summary!.data]);
    await loader.close();
    return read;
  };
  const truth = await batches();
  const { parts } = [...(await openCatalogue(root, { fs })).spaces.values()][0]!;
  expect([truth.length, parts.length]).toEqual([4, 2]);
  for (const { path, layout } of parts) {
    const bytes = await readFile(path);
    await writeFile(path, bytes.fill(255, layout.at.payload, layout.at.payload + 8 * layout.rowBytes));
  }
  expect(await batches()).toEqual(truth);
  expect(replica.counts.fetches).toBe(2);
});

const PARTS = 8;
const PART_ROWS = 2;

/** A remote cache of 8 parts of 2 rows, and a machine without any copy of them. */
async function remote() {
  const counted = await countedStore();
  const filling = await machine(counted.store);
  const { writer } = await openWriter(filling.root, 'w', filling.fs);
  for (let from = 0; from < PARTS * PART_ROWS; from += PART_ROWS)
    await writer.commit([partFor(group().spaces[0]!, images(from + PART_ROWS).slice(from))]);
  await writer.close();
  const reading = await machine(counted.store);
  const keys = images(PARTS * PART_ROWS).map(({ image }) => keyOf(image));
  const open = async (changes: Partial<Parameters<typeof openLoader>[0]> = {}) => {
    const loader = await openLoader({
      snapshot: await openCatalogue(reading.root, { fs: reading.fs }),
      dataset: { name: 'photos', keys },
      spaces: ['sums@2.summary'],
      batchSize: 2,
      seed: 1,
      workers: 0,
      ...changes,
    });
    onTestFinished(() => loader.close());
    return loader;
  };
  const read = async (loader: Awaited<ReturnType<typeof open>>, to = PARTS): Promise<unknown[]> => {
    const seen: unknown[] = [];
    for await (const { step, ids, teachers } of loader.batches(undefined, to))
      seen.push({ step, ids, values: [...Object.values(teachers)[0]!.summary!.data] });
    return seen;
  };
  /** Parts asked of the store, from here on. */
  const wholeParts = (from: number): string[] =>
    counted.calls.slice(from).filter((call) => /^get data\/.*\.arrow$/.test(call));
  return { ...counted, reading, open, read, wholeParts };
}

it('parts of a remote cache are on their way before they are due, each fetched once whoever wants it', async () => {
  const { calls, open, read, wholeParts, reading } = await remote();
  const [one, two] = [await open(), await open()];
  const from = calls.length;
  const first = one.batches(0, PARTS);
  await first.next();
  // the consumer asks for nothing more
  for (let waits = 0; reading.replica.counts.fetches < PARTS && waits < 200; waits++)
    await new Promise((wait) => setTimeout(wait, 5));
  expect(reading.replica.counts.fetches).toBe(PARTS);
  await first.return();
  const both = await Promise.all([read(one), read(two)]);
  expect(both[1].slice(1)).toEqual(both[0]);
  expect(wholeParts(from).sort()).toEqual([...new Set(wholeParts(from))].sort());
  expect(wholeParts(from)).toHaveLength(PARTS);
});

it.each(['error', 'mask-teacher'] as const)(
  'a store that goes away in the middle of an epoch stops a loader under policy %s, which goes on where it stood',
  async (policy) => {
    const { calls, state, open, read, wholeParts } = await remote();
    const truth = await read(await (await remote()).open());
    const loader = await open({ policy });
    const from = calls.length;
    state.isDown = (call) => call.startsWith('get data/') && wholeParts(from).length > 3;
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const { step, ids, teachers } of loader.batches(0, PARTS))
        seen.push({ step, ids, values: [...Object.values(teachers)[0]!.summary!.data] });
    })();
    // what is out of reach is no damaged target: no policy masks it or leaves it out
    await expect(reading).rejects.toThrow(failing(5, { what: 'the object store is out of reach' }));
    expect(seen.length).toBeLessThan(PARTS);
    expect(seen).toEqual(truth.slice(0, seen.length));
    expect(loader.counts).toMatchObject({ masked: {}, skipped: 0 });
    state.isDown = () => false;
    const saved = JSON.parse(JSON.stringify(loader.state())) as ReturnType<typeof loader.state>;
    expect(await read(await open({ policy, state: saved }))).toEqual(truth.slice(seen.length));
    expect(await read(loader)).toEqual(truth.slice(seen.length));
  },
);

it('a store that holds other bytes than were written is damage, which the policy is for', async () => {
  const { folder, open, read, reading } = await remote();
  const loader = await open({ policy: 'mask-teacher' });
  const [space] = (await openCatalogue(reading.root, { fs: reading.fs })).spaces.values();
  const { entry, layout } = space!.parts[0]!;
  const path = join(folder, 'data', entry.file);
  const bytes = await readFile(path);
  await chmod(path, 0o644);
  await writeFile(path, bytes.fill(255, layout.at.payload));
  expect(await read(loader)).toHaveLength(PARTS);
  expect(loader.counts.masked).toEqual({ damaged: PART_ROWS });
});
