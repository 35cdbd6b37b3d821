import { readFile, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { openLoader } from '../../src/loader/open-loader.ts';
import { countedStore, machine } from '../cache/remote-rig.ts';
import { group, images, keyOf, openWriter, partFor } from '../cache/rig.ts';

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
