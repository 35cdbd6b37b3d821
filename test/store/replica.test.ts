import { mkdir, readFile, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestInName } from '../../src/cache/copied-files.ts';
import type { Clock } from '../../src/core/clock.ts';
import { sha256 } from '../../src/core/digest.ts';
import { folderStore } from '../../src/store/folder-store.ts';
import type { ObjectStore } from '../../src/store/object-store.ts';
import { Replica } from '../../src/store/replica.ts';
import { stagingHost } from '../../src/store/staging.ts';
import { failing } from '../support/failing.ts';
import { deadPid } from '../support/other-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

const content = (i: number): Buffer => Buffer.alloc(100, i);
const keyOf = (i: number): string => `data/space/100.${sha256(content(i)).slice(0, 32)}.arrow`;

/** A store of `count` parts of 100 bytes, every call counted, and a replica with room for `room` of them. */
async function replica({ count = 5, room = 3 } = {}) {
  const inner = folderStore(await tempFolder());
  for (let i = 0; i < count; i++) await inner.put(keyOf(i), content(i));
  const calls: string[] = [];
  const store: ObjectStore = {
    ...inner,
    get: (key, range) => (calls.push(key), inner.get(key, range)),
  };
  let seconds = 0;
  const clock: Clock = {
    elapsedMs: () => 0,
    nowIso: () => new Date(1_700_000_000_000 + 1000 * seconds++).toISOString(),
  };
  const root = await tempFolder();
  const options = { store, root, maxBytes: room * 100, digestOf: digestInName, clock, pieceBytes: 64 };
  const copies = async (): Promise<number[]> => {
    const names = await readdir(join(root, 'data', 'space'));
    return Array.from({ length: count }, (_, i) => i).filter((i) => names.includes(keyOf(i).split('/')[2]!));
  };
  return { inner, root, calls, copies, options, replica: new Replica(options) };
}

describe('a replica', () => {
  it('fetches an object once, in ranges, however many want it at once, and then reads the copy', async () => {
    const { replica: copies, calls } = await replica();
    const read = await Promise.all(Array.from({ length: 6 }, () => copies.read(keyOf(0))));
    for (const bytes of read) expect(Buffer.compare(bytes, content(0))).toBe(0);
    expect(calls).toEqual([keyOf(0), keyOf(0)]);
    await copies.read(keyOf(0));
    expect(copies.counts).toMatchObject({ fetches: 1, bytesFetched: 100, hits: 1 });
  });

  it('evicts what was not read for longest when there is no more room, and only copies', async () => {
    const { replica: copies, root, copies: there } = await replica();
    await writeFile(join(root, 'note.txt'), 'mine');
    await copies.read(keyOf(0));
    await copies.read(keyOf(1));
    await copies.read(keyOf(2));
    await copies.read(keyOf(0));
    await copies.read(keyOf(3));
    expect(await there()).toEqual([0, 2, 3]);
    expect(await readFile(join(root, 'note.txt'), 'utf8')).toBe('mine');
    expect(copies.counts.evicted).toBe(1);
  });

  it('keeps an object that is larger than its limit as the only copy, and reads it', async () => {
    const { replica: copies, copies: there } = await replica({ room: 0.5 });
    for (const i of [0, 1, 0]) expect(Buffer.compare(await copies.read(keyOf(i)), content(i))).toBe(0);
    expect(await there()).toEqual([0]);
  });

  it('stays within its limit however many fetches are under way, and when some of them fail', async () => {
    const made = await replica({ count: 12, room: 3 });
    let [most, fetching] = [0, 0];
    const store: ObjectStore = {
      ...made.inner,
      get: async (key, range) => {
        fetching += 1;
        const [folder] = await Promise.all([
          readdir(join(made.root, 'data', 'space')),
          new Promise((resolve) => setTimeout(resolve, 5)),
        ]);
        // two ranges per object: what is staged may still grow to a whole one
        most = Math.max(most, folder.length);
        fetching -= 1;
        if (key === keyOf(4)) throw new Error('broken');
        return made.inner.get(key, range);
      },
    };
    const copies = new Replica({ ...made.options, store });
    const all = Array.from({ length: 12 }, (_, i) => i);
    const read = await Promise.allSettled(all.map((i) => copies.read(keyOf(i))));
    expect(read.map(({ status }) => status === 'fulfilled')).toEqual(all.map((i) => i !== 4));
    expect(most).toBe(3);
    expect(fetching).toBe(0);
    expect((await made.copies()).length).toBe(3);
    // what failed takes no room: three more fit where three are evicted
    for (const i of [0, 1, 2]) await copies.read(keyOf(i));
    expect(await made.copies()).toEqual([0, 1, 2]);
  });

  it('removes what killed processes were fetching, and counts what living ones are', async () => {
    const { replica: copies, root, copies: there } = await replica();
    const folder = join(root, 'data', 'space');
    const stagedBy = (pid: number, host = stagingHost): string =>
      `.fetch.${host}-${pid}-${'0'.repeat(12)}-1.tmp`;
    await mkdir(folder, { recursive: true });
    const names = [stagedBy(deadPid()), stagedBy(process.ppid), stagedBy(deadPid(), '0'.repeat(8))];
    for (const name of names) await writeFile(join(folder, name), Buffer.alloc(100));
    for (const i of [0, 1]) await copies.read(keyOf(i));
    expect((await readdir(folder)).filter((name) => name.startsWith('.')).sort()).toEqual(
      names.slice(1).sort(),
    );
    expect(await there()).toEqual([1]);
  });

  it('goes on with the copies of an earlier process, and counts them', async () => {
    const { options, copies: there } = await replica();
    await new Replica(options).read(keyOf(0));
    await utimes(join(options.root, keyOf(0)), 1, 1);
    const later = new Replica(options);
    for (const i of [1, 2, 3]) await later.read(keyOf(i));
    expect(await there()).toEqual([1, 2, 3]);
  });

  it('leaves readable what is open while it is evicted', async () => {
    const { replica: copies } = await replica({ room: 1 });
    const file = await copies.open(keyOf(0));
    await copies.read(keyOf(1));
    expect(Buffer.compare(await file.readFile(), content(0))).toBe(0);
    await file.close();
  });

  it('refuses bytes that do not hash to the name, keeps nothing of them, and asks again next time', async () => {
    const { replica: copies, inner, root } = await replica();
    await inner.put(keyOf(0), content(9));
    await expect(copies.read(keyOf(0))).rejects.toThrow(
      failing(4, { what: 'the object store gave other bytes than were written' }),
    );
    expect(await readdir(join(root, 'data', 'space'))).toEqual([]);
    await inner.put(keyOf(0), content(0));
    expect(Buffer.compare(await copies.read(keyOf(0)), content(0))).toBe(0);
  });

  it('says ENOENT of an object that is gone', async () => {
    const { replica: copies } = await replica();
    await expect(copies.read(keyOf(77))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

it('only files whose name carries their digest are copied', () => {
  const digest = 'a'.repeat(32);
  expect(
    [`data/s/5.${digest}.arrow`, `index/s/${digest}.arrow`, `statistics/${digest}${digest}.safetensors`].map(
      digestInName,
    ),
  ).toEqual([digest, digest, digest + digest]);
  expect(
    ['FORMAT', 'log/w/000000000000.json', `trash/1/data/s/5.${digest}.arrow`, `statistics/x.json`].map(
      digestInName,
    ),
  ).toEqual([null, null, null, null]);
});
