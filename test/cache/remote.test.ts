import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { collectGarbage, restoreTrash } from '../../src/cache/collect.ts';
import { dropSpaces } from '../../src/cache/drop.ts';
import { publishSnapshot } from '../../src/cache/publish.ts';
import { TargetReader } from '../../src/cache/read.ts';
import { spaceIdOf } from '../../src/cache/space.ts';
import { setTag } from '../../src/cache/tags.ts';
import { verifyCache } from '../../src/cache/verify.ts';
import type { CommitFs } from '../../src/store/commit-fs.ts';
import { objectFs } from '../../src/store/object-fs.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import {
  contentOf,
  engine,
  fill,
  fixedClock,
  group,
  images,
  keyOf,
  openWriter,
  partFor,
  reader,
} from './rig.ts';
import { countedStore, machine } from './remote-rig.ts';

const sums = group();
const summary = sums.spaces[0]!;

describe('a cache in an object store', () => {
  it('holds what the same fill writes to a folder, and is read as such a folder', async () => {
    const { folder, store } = await countedStore();
    const here = await machine(store);
    const local = await tempFolder();
    const world = { wanted: images(10), engines: [engine(sums)] };
    await fill({ ...world, root: local });
    await fill({ ...world, ...here });
    const truth = await contentOf(local);
    expect(await contentOf(here.root, here.fs)).toEqual(truth);
    expect(await contentOf(folder)).toEqual(truth);
    const again = await fill({ ...world, ...(await machine(store)), writer: 'other' });
    expect(again.plan.units).toEqual([]);
  });

  it('leaves no staged file on this machine', async () => {
    const here = await machine((await countedStore()).store);
    await fill({ wanted: images(6), engines: [engine(sums)], ...here });
    const left = (await readdir(here.root, { recursive: true })).filter((name) => name.endsWith('.tmp'));
    expect(left).toEqual([]);
  });

  it('is planned from ranges and index files: no part is fetched', async () => {
    const { store, calls } = await countedStore();
    const one = await machine(store);
    const opened = await openWriter(one.root, 'w', one.fs);
    await opened.writer.commit([partFor(summary, images(5))]);
    await opened.writer.abandon();
    const other = await machine(store);
    calls.length = 0;
    const unpublished = await openCatalogue(other.root, { fs: other.fs });
    expect(unpublished.spaces.get(spaceIdOf(summary))!.rows.size).toBe(5);
    expect(calls.filter((call) => call.startsWith('get data/')).length).toBeGreaterThan(0);
    expect(other.replica.counts.fetches).toBe(0);
    await publishSnapshot({ root: one.root, fs: one.fs, writer: 'p', clock: fixedClock });
    calls.length = 0;
    await openCatalogue(other.root, { fs: other.fs });
    expect(calls.filter((call) => call.startsWith('get data/'))).toEqual([]);
  });

  it('loses nothing to writers on two machines at once, nor to publishing at once', async () => {
    const { store } = await countedStore();
    const machines = [await machine(store), await machine(store), await machine(store)];
    await Promise.all(
      machines.map(async ({ root, fs }, i) => {
        const { writer } = await openWriter(root, `w${i}`, fs);
        for (const from of [0, 2])
          await writer.commit([partFor(summary, images(10 * i + from + 2).slice(10 * i + from))]);
        await writer.close();
      }),
    );
    const last = await machine(store);
    const catalogue = await openCatalogue(last.root, { fs: last.fs });
    expect(catalogue.spaces.get(spaceIdOf(summary))!.rows.size).toBe(12);
    const { findings } = await verifyCache({ root: last.root, level: 'rows', repair: null, fs: last.fs });
    expect(findings).toEqual([]);
  });

  it('is collected, brought back and tagged as one in a folder', async () => {
    const { store } = await countedStore();
    const here = await machine(store);
    await fill({ wanted: images(4), engines: [engine(sums)], ...here });
    const truth = await contentOf(here.root, here.fs);
    const at = { root: here.root, fs: here.fs, writer: 'upkeep', clock: fixedClock };
    await publishSnapshot(at);
    await setTag({ ...at, name: 'v1', n: 1, expected: null, note: '' });
    await dropSpaces(at, 'sums');
    const gc = () => collectGarbage({ ...at, keepSnapshots: 1, graceMs: 1000, dryRun: false });
    expect((await gc()).swept).toEqual([]);
    await setTag({ ...at, name: 'v1', n: null, expected: 1, note: '' });
    expect((await gc()).swept.length).toBeGreaterThan(2);
    expect((await contentOf(here.root, here.fs)).size).toBe(0);
    await restoreTrash(at);
    expect(await contentOf(here.root, here.fs)).toEqual(truth);
  });

  it('damaged in the store is found by verify though a good copy lies here, and is not copied', async () => {
    const { folder, store } = await countedStore();
    const here = await machine(store);
    await fill({ wanted: images(4), engines: [engine(sums)], ...here });
    const truth = await contentOf(here.root, here.fs);
    const catalogue = await openCatalogue(here.root, { fs: here.fs });
    const { entry, layout } = catalogue.spaces.get(spaceIdOf(summary))!.parts[0]!;
    const { file } = entry;
    const path = join(folder, 'data', file);
    const bytes = await readFile(path);
    bytes[layout.at.payload]! ^= 1;
    await writeFile(path, bytes);
    expect(await contentOf(here.root, here.fs)).toEqual(truth);
    const check = (fs: CommitFs) => verifyCache({ root: here.root, level: 'digests', repair: null, fs });
    const checkFs = objectFs({ store, root: here.root, replica: null });
    expect((await check(checkFs)).findings).toMatchObject([{ file }]);
    const other = await machine(store);
    await expect(contentOf(other.root, other.fs)).rejects.toThrow(
      failing(4, { where: `${store.url}/data/${file}` }),
    );
  });

  describe('with a damaged copy', () => {
    const many = images(12);
    const filled = async () => {
      const { store } = await countedStore();
      const here = await machine(store);
      const { writer } = await openWriter(here.root, 'w', here.fs);
      await writer.commit([partFor(summary, many)]);
      await writer.abandon();
      const catalogue = await openCatalogue(here.root, { fs: here.fs });
      const space = catalogue.spaces.get(spaceIdOf(summary))!;
      const readAll = async (from = reader()): Promise<number[][]> =>
        Promise.all(
          many.map(async ({ image }) => {
            const out = new Float32Array(3);
            expect(await from.readInto(space, keyOf(image), out)).toBe(true);
            return [...out];
          }),
        );
      const { path, layout } = space.parts[0]!;
      return { ...here, store, path, layout, readAll, truth: await readAll() };
    };

    it.each([
      ['whose rows were changed', (bytes: Buffer, at: number) => bytes.fill(255, at, at + 72)],
      ['that was cut off', (bytes: Buffer, at: number) => bytes.subarray(0, at + 7)],
    ])('%s gives right targets all the same: it is fetched once, however many read it', async (_, damage) => {
      const { path, layout, readAll, truth, replica } = await filled();
      await writeFile(path, damage(await readFile(path), layout.at.payload));
      const [two, three] = [reader(), new TargetReader({ residentBytes: 1 << 20 })];
      onTestFinished(() => three.close());
      const read = await Promise.all([readAll(two), readAll(two), readAll(reader()), readAll(three)]);
      for (const values of read) expect(values).toEqual(truth);
      expect(replica.counts.fetches).toBe(1);
    });

    it('of a part or of an index file is opened all the same', async () => {
      const { root, fs, store, path, truth, readAll } = await filled();
      await writeFile(path, 'torn');
      expect((await openCatalogue(root, { fs })).spaces.get(spaceIdOf(summary))!.rows.size).toBe(12);
      await publishSnapshot({ root, fs, writer: 'p', clock: fixedClock });
      const other = await machine(store);
      await openCatalogue(other.root, { fs: other.fs });
      const index = (await readdir(other.root, { recursive: true })).filter((name) =>
        /index.*arrow$/.test(name),
      );
      expect(index).toHaveLength(1);
      await writeFile(join(other.root, index[0]!), 'torn');
      const { spaces } = await openCatalogue(other.root, { fs: other.fs });
      expect(spaces.get(spaceIdOf(summary))!.rows.size).toBe(12);
      expect(other.replica.counts.fetches).toBe(2);
      expect(await readAll()).toEqual(truth);
    });
  });

  it('names the store when what lies there is no cache', async () => {
    const { folder, store } = await countedStore();
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'FORMAT'), 'something else');
    const { root, fs } = await machine(store);
    await expect(openWriter(root, 'w', fs)).rejects.toThrow(failing(4, {}));
  });
});
