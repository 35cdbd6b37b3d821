import { join } from 'node:path';
import { readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { collectGarbage } from '../../src/cache/collect.ts';
import { dropSpaces } from '../../src/cache/drop.ts';
import { publishSnapshot } from '../../src/cache/publish.ts';
import { type ReaderLease, holdCatalogue } from '../../src/cache/reader-lease.ts';
import { spaceIdOf } from '../../src/cache/space.ts';
import type { CommitFs } from '../../src/store/commit-fs.ts';
import { asS3Failure } from '../../src/store/s3-trouble.ts';
import { failing } from '../support/failing.ts';
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

  it('whose snapshot the collector takes away right after it was seen in place can be read all the same', async () => {
    const { root, at } = await cache();
    await publishSnapshot(at);
    const catalogue = await openCatalogue(root);
    await dropSpaces(at, 'sums');
    let lease: ReaderLease | null = null;
    // the collector has marked, and moves nothing before the reader has pinned
    const racing: CommitFs = {
      ...quickFs,
      rename: async (from, to) => {
        if (to.includes('/trash/') && !to.endsWith('intent.json'))
          lease ??= await holdCatalogue(catalogue, at);
        return quickFs.rename(from, to);
      },
    };
    const how = { ...at, fs: racing, keepSnapshots: 1, graceMs: 0, dryRun: false };
    const { returned } = await collectGarbage(how);
    expect(lease!.snapshot).toBe(1);
    expect(returned).toHaveLength(5);
    expect(await readAll(catalogue)).toEqual([true, true, true]);
    await lease!.release();
  });

  it('whose parts were dropped before it was held is refused, and leaves no lease', async () => {
    const { root, at, gc } = await cache();
    const unpublished = await openCatalogue(root);
    await publishSnapshot(at);
    const published = await openCatalogue(root);
    await dropSpaces(at, 'sums');
    await publishSnapshot(at);
    await gc();
    for (const catalogue of [unpublished, published])
      await expect(holdCatalogue(catalogue, at)).rejects.toThrow(
        failing(4, { where: `${root}, snapshot 2`, got: '2 missing parts' }),
      );
    expect(await readdir(join(root, 'leases'))).toEqual([]);
  });

  it('leaves no lease when its snapshot cannot be read', async () => {
    const { root, at } = await cache();
    await publishSnapshot(at);
    const catalogue = await openCatalogue(root);
    const failingRead: CommitFs = {
      ...quickFs,
      read: (path) =>
        path.includes('/snapshots/') ? Promise.reject(systemError('EIO')) : quickFs.read(path),
    };
    await expect(holdCatalogue(catalogue, { ...at, fs: failingRead })).rejects.toThrow(
      failing(5, { got: 'EIO' }),
    );
    expect(await readdir(join(root, 'leases'))).toEqual([]);
  });

  const s3Failure = (error: Error): Error => asS3Failure(error, 's3://bucket/key') as Error;
  const said = (name: string, status: number): Error =>
    s3Failure(Object.assign(new Error(name), { name, $metadata: { httpStatusCode: status } }));

  it.each([
    ['EACCES', systemError('EACCES')],
    ['EPERM', systemError('EPERM')],
    ['EROFS', systemError('EROFS')],
    ['AccessDenied', said('AccessDenied', 403)],
    ['a bare 403', said('UnknownError', 403)],
  ])('in a cache that cannot be written (%s) is read without a lease', async (_, error) => {
    const { root, at } = await cache();
    const readOnly: CommitFs = {
      ...quickFs,
      writeNew: () => Promise.reject(error),
      makeFolder: () => Promise.reject(error),
    };
    const catalogue = await openCatalogue(root);
    const lease = await holdCatalogue(catalogue, { ...at, fs: readOnly });
    expect(lease.snapshot).toBeNull();
    expect(await readAll(catalogue)).toEqual([true, true, true]);
    await lease.release();
  });

  it.each([
    ['a full disk', systemError('ENOSPC')],
    ['a broken connection', s3Failure(systemError('ECONNRESET'))],
    ['a busy server', said('SlowDown', 503)],
    ['keys that ran out', said('ExpiredToken', 403)],
  ])('is not read unpinned because of %s', async (_, error) => {
    const { root, at } = await cache();
    const broken: CommitFs = { ...quickFs, writeNew: () => Promise.reject(error) };
    await expect(holdCatalogue(await openCatalogue(root), { ...at, fs: broken })).rejects.toThrow(
      failing(5, {}),
    );
  });

  it('of a cache that does not exist makes none', async () => {
    const root = join(await tempFolder(), 'nothing');
    const lease = await holdCatalogue(await openCatalogue(root), { ...(await cache()).at });
    expect(lease.snapshot).toBeNull();
    await expect(readdir(root)).rejects.toThrow('ENOENT');
  });
});
