import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newTensorValues, storedTensorOf } from '../../src/cache/codecs/stored-tensor.ts';
import { collectGarbage, restoreTrash } from '../../src/cache/collect.ts';
import { isDerived } from '../../src/cache/derived-files.ts';
import { dropSpaces } from '../../src/cache/drop.ts';
import { wantedRows } from '../../src/cache/plan.ts';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { publishSnapshot } from '../../src/cache/publish.ts';
import { snapshotFile } from '../../src/cache/snapshot.ts';
import { type SpaceDescriptor, spaceIdOf } from '../../src/cache/space.ts';
import { measureStatistics } from '../../src/cache/statistics/choose-statistics.ts';
import { keptStatistics } from '../../src/cache/statistics/kept-statistics.ts';
import {
  listStatistics,
  pinStatistics,
  pinnedStatistics,
  statisticsFile,
} from '../../src/cache/statistics/statistics-files.ts';
import { setTag } from '../../src/cache/tags.ts';
import { storedPart } from '../../src/cache/target-part.ts';
import { verifyCache } from '../../src/cache/verify.ts';
import type { CacheWriter } from '../../src/cache/write.ts';
import { sha256 } from '../../src/core/digest.ts';
import { rowValuesOf } from '../../src/format/tensor-part.ts';
import { writeAtomic } from '../../src/store/atomic.ts';
import type { CommitFs } from '../../src/store/commit-fs.ts';
import { failing } from '../support/failing.ts';
import { quickFs } from '../support/quick-fs.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { contentOf, fixedClock, group, images, openWriter, partFor } from './rig.ts';

const sums = group();
const [summary, spatial] = sums.spaces as [SpaceDescriptor, SpaceDescriptor];

/** Two snapshots; the first is tagged. */
async function cache() {
  const root = await tempFolder();
  const at = { root, writer: 'upkeep', clock: fixedClock, fs: quickFs };
  for (const from of [0, 3]) {
    const { writer } = await openWriter(root, `w${from}`);
    await writer.commit(sums.spaces.map((space) => partFor(space, images(from + 3).slice(from))));
    await writer.close();
  }
  await setTag({ ...at, name: 'paper', n: 1, expected: null, note: '' });
  const gc = (keepSnapshots = 1, fs: CommitFs = quickFs) =>
    collectGarbage({ ...at, fs, keepSnapshots, graceMs: 1000, dryRun: false });
  const verify = (repair = false) =>
    verifyCache({
      root,
      level: 'rows',
      repair: repair ? { writer: 'mender', clock: fixedClock } : null,
      fs: quickFs,
    });
  return { root, at, gc, verify, content: await contentOf(root) };
}

async function damage(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.length >> 1]! ^= 1;
  await writeFile(path, bytes);
}

describe('a tagged snapshot that cannot be read', () => {
  it.each([
    ['damaged', damage],
    ['gone', (path: string) => rm(path)],
  ])('because it is %s stops gc, which says how to go on; without the tag it goes on', async (_, harm) => {
    const { root, at, gc, verify, content } = await cache();
    await harm(join(root, snapshotFile(1)));
    await expect(gc()).rejects.toThrow(
      failing(4, {
        where: `${join(root, snapshotFile(1))}, tag paper`,
        next: expect.stringContaining('`stillhouse cache tag paper --delete`') as string,
      }),
    );
    expect((await verify()).findings).toContainEqual(
      expect.objectContaining({ file: 'tags/paper.json', problem: 'tag' }),
    );
    await setTag({ ...at, name: 'paper', n: null, expected: 'any', note: '' });
    expect(await gc()).toMatchObject({ kept: { snapshots: [2], pinned: [] } });
    expect(await contentOf(root)).toEqual(content);
  });

  it('is set aside with its tag by verify --repair, and gc goes on', async () => {
    const { root, gc, verify } = await cache();
    await damage(join(root, snapshotFile(1)));
    expect(await verify(true)).toMatchObject({ repaired: 2, dropped: 0 });
    expect((await verify()).findings).toEqual([]);
    expect((await gc()).kept.snapshots).toEqual([2]);
  });
});

describe('a damaged tag', () => {
  it('can be given up with the tag verb as it is', async () => {
    const { root, at, gc } = await cache();
    await writeFile(join(root, 'tags', 'paper.json'), 'nonsense');
    await expect(gc()).rejects.toThrow(failing(4, {}));
    await setTag({ ...at, name: 'paper', n: null, expected: 'any', note: '' });
    await gc();
  });
});

it('a damaged snapshot that nobody asked for does not stop gc, and stays for verify to find', async () => {
  const { root, gc, verify, content } = await cache();
  const { writer } = await openWriter(root, 'w9');
  await writer.commit([partFor(summary, images(9).slice(8))]);
  await writer.close();
  await damage(join(root, snapshotFile(2)));
  await gc(3);
  expect((await verify()).findings).toMatchObject([{ file: snapshotFile(2), problem: 'snapshot' }]);
  for (const [key, values] of content) expect((await contentOf(root)).get(key)).toEqual(values);
});

describe('statistics', () => {
  const bytesOf = (text: string): { readonly bytes: Buffer; readonly digest: string } => ({
    bytes: Buffer.from(text),
    digest: sha256(text),
  });
  const write = (root: string, { bytes, digest }: ReturnType<typeof bytesOf>): Promise<void> =>
    writeAtomic(join(root, statisticsFile(digest)), bytes, quickFs);

  it('go when no part that is kept is of a space that they were chosen or noted for, and never while somebody writes', async () => {
    const { root, at, gc } = await cache();
    const [chosen, stray] = [bytesOf('chosen'), bytesOf('stray')];
    await write(root, chosen);
    await write(root, stray);
    await pinStatistics(root, { space: summary, pool: 1 }, { statsSha256: chosen.digest, fs: quickFs });
    const { writer } = await openWriter(root, 'busy');
    expect((await gc()).swept).toEqual([]);
    await writer.abandon();
    expect((await gc()).swept).toEqual([statisticsFile(stray.digest)]);
    expect(await listStatistics(root, quickFs)).toEqual([chosen.digest]);
    await dropSpaces(at, 'sums');
    expect((await gc()).swept.filter(isDerived)).toEqual([]);
    // a tag held the parts
    await setTag({ ...at, name: 'paper', n: null, expected: 1, note: '' });
    expect((await gc()).swept).toContain(statisticsFile(chosen.digest));
    expect(await readdir(join(root, 'statistics'))).toEqual([]);
    await restoreTrash(at);
    expect(await pinnedStatistics(root, { space: summary, pool: 1 }, quickFs)).toBe(chosen.digest);
    expect(await listStatistics(root, quickFs)).toEqual([chosen.digest]);
  });

  it('go with the last part of their space, and with them what was noted of it and its way back', async () => {
    const { root, at, gc } = await cache();
    await setTag({ ...at, name: 'paper', n: null, expected: 1, note: '' });
    const { spaces } = await openCatalogue(root);
    const source = spaces.get(spaceIdOf(spatial))!;
    const lasting = (await keptStatistics({ space: spaces.get(spaceIdOf(summary))!, clock: fixedClock }))!;
    await keptStatistics({ space: source, clock: fixedClock });
    const { statsSha256 } = (await keptStatistics({ space: source, clock: fixedClock, rows: 2 }))!;
    const rotated: SpaceDescriptor = { ...spatial, codec: { id: 'i8p', statsSha256 } };
    const { writer } = await openWriter(root, 'rotated');
    const { dtype, shape } = storedTensorOf(rotated);
    await writer.commit([
      storedPart(rotated, wantedRows(images(2)), newTensorValues(dtype, 2 * rowValuesOf(shape))),
    ]);
    await writer.close();
    const inverse = join(root, 'inverse');
    await writeFile(join(inverse, 'notes.txt'), 'mine');
    expect((await gc()).swept.filter(isDerived)).toEqual([]);
    expect(await readdir(inverse)).toHaveLength(2);
    // still needed: the exact space has parts under another codec
    await dropSpaces(at, spaceIdOf(rotated));
    expect((await gc()).swept.filter(isDerived)).toEqual([`inverse/${spaceIdOf(rotated)}.npy`]);
    await dropSpaces(at, spaceIdOf(spatial));
    await gc();
    expect(await readdir(inverse)).toEqual(['notes.txt']);
    expect(await listStatistics(root, quickFs)).toEqual([lasting.statsSha256]);
    expect(await readdir(join(root, 'statistics', 'measured'))).toHaveLength(1);
  });

  it('that a writer begins to name after gc has looked for writers are brought back', async () => {
    const { root, gc } = await cache();
    const imported = bytesOf('imported');
    await write(root, imported);
    let writer: CacheWriter | undefined;
    const racing: CommitFs = {
      ...quickFs,
      rename: async (from, to) => {
        if (writer === undefined && to.includes('/trash/') && to.endsWith('.safetensors')) {
          ({ writer } = await openWriter(root, 'import'));
          await write(root, imported);
        }
        await quickFs.rename(from, to);
      },
    };
    const collected = await gc(1, racing);
    await writer!.abandon();
    expect(collected).toMatchObject({ swept: [], returned: [statisticsFile(imported.digest)] });
    expect(await listStatistics(root, quickFs)).toEqual([imported.digest]);
  });

  it.each(['that codecs are built from', 'that are only told'])(
    '%s are not collected between their measuring and what names them',
    async (which) => {
      const { root, gc } = await cache();
      const swept: string[] = [];
      // a name for statistics is about to appear
      const racing: CommitFs = {
        ...quickFs,
        writeNew: async (path, bytes) => {
          if ((await listStatistics(root, quickFs)).length > 0) swept.push(...(await gc()).swept);
          await quickFs.writeNew(path, bytes);
        },
      };
      const { spaces } = await openCatalogue(root, { fs: racing });
      const source = spaces.get(spaceIdOf(summary))!;
      if (which === 'that are only told') await keptStatistics({ space: source, clock: fixedClock });
      else
        await measureStatistics({
          ...{ root, fs: racing, clock: fixedClock, source },
          space: { ...summary, codec: { id: 'i8c' } },
          keys: [...source.rows.keys()],
        });
      expect(swept).toEqual([]);
      expect(await listStatistics(root, quickFs)).toHaveLength(1);
    },
  );

  it('of a space that is listed stay, and verify says so when they are changed or gone', async () => {
    const { root, at, gc, verify } = await cache();
    const needed = bytesOf('needed');
    const coded: SpaceDescriptor = { ...spatial, codec: { id: 'i8c', statsSha256: needed.digest } };
    await write(root, needed);
    const { writer } = await openWriter(root, 'coded');
    const { dtype, shape } = storedTensorOf(coded);
    await writer.commit([
      storedPart(coded, wantedRows(images(2)), newTensorValues(dtype, 2 * rowValuesOf(shape))),
    ]);
    await writer.close();
    await publishSnapshot(at);
    expect((await gc()).swept).not.toContain(statisticsFile(needed.digest));
    expect((await verify()).findings).toEqual([]);
    await damage(join(root, statisticsFile(needed.digest)));
    const problems = async (repair: boolean) => (await verify(repair)).findings.map(({ problem }) => problem);
    expect(await verify(true)).toMatchObject({
      findings: [{ problem: 'statistics' }, { problem: 'space' }],
      // the description is sound: it stays, and so do its parts
      left: [{ file: `spaces/${spaceIdOf(coded)}.json`, problem: 'space' }],
    });
    expect(await problems(false)).toEqual(['space']);
    await write(root, needed);
    expect(await problems(false)).toEqual([]);
    await dropSpaces(at, spaceIdOf(coded));
    expect((await gc()).swept).toContain(statisticsFile(needed.digest));
    expect(await problems(true)).toEqual([]);
  });
});
