import { join } from 'node:path';
import { readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { collectGarbage } from '../../src/cache/collect.ts';
import { dropSpaces } from '../../src/cache/drop.ts';
import { publishSnapshot } from '../../src/cache/publish.ts';
import { holdCatalogue } from '../../src/cache/reader-lease.ts';
import { spaceIdOf } from '../../src/cache/space.ts';
import type { CommitFs } from '../../src/store/commit-fs.ts';
import { systemError } from '../support/failing-fs.ts';
import { quickFs } from '../support/quick-fs.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { fixedClock, group, images, keyOf, openWriter, partFor, reader } from './rig.ts';

const sums = group();
const summary = sums.spaces[0]!;

async function cache() {
  const root = await tempFolder();
  const { writer } = await openWriter(root);
  await writer.commit(sums.spaces.map((space) => partFor(space, images(3))));
  await writer.abandon();
  const at = { root, writer: 'upkeep', clock: fixedClock, fs: quickFs };
  const gc = () => collectGarbage({ ...at, keepSnapshots: 1, graceMs: 0, dryRun: false });
  return { root, at, gc };
}

const readAll = async (catalogue: Awaited<ReturnType<typeof openCatalogue>>): Promise<boolean[]> => {
  const space = catalogue.spaces.get(spaceIdOf(summary))!;
  const targets = reader();
  return Promise.all(
    images(3).map(({ image }) => targets.readInto(space, keyOf(image), new Float32Array(3))),
  );
};

describe('a catalogue that is held', () => {
  it('can be read though its spaces are dropped and collected; released, what it needed goes', async () => {
    const { root, at, gc } = await cache();
    const catalogue = await openCatalogue(root);
    const lease = await holdCatalogue(catalogue, at);
    await dropSpaces(at, 'sums');
    await gc();
    await gc();
    expect(await readAll(catalogue)).toEqual([true, true, true]);
    await lease.release();
    await lease.release();
    expect((await gc()).swept.filter((file) => file.startsWith('data/'))).toHaveLength(2);
    await expect(readAll(catalogue)).rejects.toThrow(/removed/);
  });

  it('that was not published is published first; one that was needs no new snapshot', async () => {
    const { root, at } = await cache();
    expect(await readdir(root)).not.toContain('snapshots');
    const first = await holdCatalogue(await openCatalogue(root), at);
    const second = await holdCatalogue(await openCatalogue(root), at);
    expect([first.snapshot, second.snapshot]).toEqual([1, 1]);
    expect(await readdir(join(root, 'leases'))).toHaveLength(2);
    await first.release();
    await second.release();
    expect(await readdir(join(root, 'leases'))).toEqual([]);
  });

  it('whose snapshot is collected before the lease is seen pins a newer one', async () => {
    const { root, at, gc } = await cache();
    await publishSnapshot(at);
    const catalogue = await openCatalogue(root);
    let raced = false;
    const racing: CommitFs = {
      ...quickFs,
      writeNew: async (path, bytes) => {
        if (!raced && path.includes('/leases/')) {
          raced = true;
          const { writer } = await openWriter(root, 'more');
          await writer.commit([partFor(summary, images(9).slice(8))]);
          await writer.abandon();
          await gc();
        }
        return quickFs.writeNew(path, bytes);
      },
    };
    const lease = await holdCatalogue(catalogue, { ...at, fs: racing });
    expect([raced, lease.snapshot]).toEqual([true, 2]);
    expect(await readAll(catalogue)).toEqual([true, true, true]);
    await lease.release();
  });

  it('in a cache that cannot be written is read without a lease', async () => {
    const { root, at } = await cache();
    const readOnly: CommitFs = {
      ...quickFs,
      writeNew: () => Promise.reject(systemError('EROFS')),
      makeFolder: () => Promise.reject(systemError('EROFS')),
    };
    const catalogue = await openCatalogue(root);
    const lease = await holdCatalogue(catalogue, { ...at, fs: readOnly });
    expect(lease.snapshot).toBeNull();
    expect(await readAll(catalogue)).toEqual([true, true, true]);
    await lease.release();
  });

  it('of a cache that does not exist makes none', async () => {
    const root = join(await tempFolder(), 'nothing');
    const lease = await holdCatalogue(await openCatalogue(root), { ...(await cache()).at });
    expect(lease.snapshot).toBeNull();
    await expect(readdir(root)).rejects.toThrow('ENOENT');
  });
});
