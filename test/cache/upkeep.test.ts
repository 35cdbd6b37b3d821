import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { type CollectOptions, collectGarbage, restoreTrash } from '../../src/cache/collect.ts';
import { coverageOf, readDatasets, recordDataset } from '../../src/cache/datasets.ts';
import { dropSpaces } from '../../src/cache/drop.ts';
import { estimateMs } from '../../src/cache/estimate.ts';
import { planCache } from '../../src/cache/plan.ts';
import { publishSnapshot } from '../../src/cache/publish.ts';
import { writeQuota } from '../../src/cache/quota.ts';
import { snapshotNumbers } from '../../src/cache/snapshot.ts';
import { spaceIdOf } from '../../src/cache/space.ts';
import { setTag } from '../../src/cache/tags.ts';
import { verifyCache } from '../../src/cache/verify.ts';
import { type ReaderLease, holdCatalogue } from '../../src/cache/reader-lease.ts';
import { CacheWriter } from '../../src/cache/write.ts';
import type { Clock } from '../../src/core/clock.ts';
import { merkleRoot } from '../../src/core/digest.ts';
import type { CommitFs } from '../../src/store/commit-fs.ts';
import { stagingName } from '../../src/store/staging.ts';
import { holdLease } from '../../src/store/shared-lease.ts';
import { machineClass } from '../../src/store/process-identity.ts';
import { failing } from '../support/failing.ts';
import { failingFs, systemError } from '../support/failing-fs.ts';
import { quickFs } from '../support/quick-fs.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { contentOf, engine, fill, group, images, keyOf, openWriter, partFor } from './rig.ts';

const sums = group();
const [summary, spatial] = sums.spaces as [(typeof sums.spaces)[number], (typeof sums.spaces)[number]];

/** A clock that stands until it is moved. */
function movable(): Clock & { set(iso: string): void; pass(ms: number): void } {
  let [now, elapsed] = [Date.parse('2026-01-01T00:00:00.000Z'), 0];
  return {
    elapsedMs: () => elapsed,
    nowIso: () => new Date(now).toISOString(),
    set: (iso) => (now = Date.parse(iso)),
    pass: (ms) => {
      now += ms;
      elapsed += ms;
    },
  };
}

async function cache() {
  const root = await tempFolder();
  const clock = movable();
  const { writer } = await openWriter(root);
  await writer.commit(sums.spaces.map((space) => partFor(space, images(5))));
  const at = { root, writer: 'upkeep', clock, fs: quickFs };
  await publishSnapshot(at);
  await writer.abandon();
  const gc = (options: Partial<CollectOptions> = {}) =>
    collectGarbage({ ...at, keepSnapshots: 1, graceMs: 1000, dryRun: false, ...options });
  return { root, clock, at, gc, content: await contentOf(root) };
}

const clean = async (root: string): Promise<void> => {
  const { findings } = await verifyCache({ root, level: 'rows', repair: null });
  expect(findings.filter(({ problem }) => problem !== 'unlisted')).toEqual([]);
};

describe('a dropped space', () => {
  it('is not read any more, is adopted by no writer, and the other spaces stay', async () => {
    const { root, at, content } = await cache();
    expect(await dropSpaces(at, 'sums@2.spatial')).toMatchObject({ parts: 1 });
    const left = [...content].filter(([key]) => key.startsWith('sums@2.summary'));
    expect([...(await contentOf(root))]).toEqual(left);
    expect(await openWriter(root, 'later')).toMatchObject({ adopted: 0, quarantined: 0 });
    expect([...(await contentOf(root))]).toEqual(left);
    await expect(dropSpaces(at, 'nobody')).rejects.toThrow(failing(3, { got: 'nobody' }));
  });

  it('comes back when it is computed again, under its old name too', async () => {
    const { root, at, content } = await cache();
    await dropSpaces(at, spaceIdOf(spatial));
    await fill({ root, wanted: images(5), engines: [engine(sums)], unitRows: 5, writer: 'again' });
    expect(await contentOf(root)).toEqual(content);
  });
});

describe('gc', () => {
  it('removes nothing that is listed, in the newest snapshot, tagged, or held by a living reader', async () => {
    const { root, at, clock, gc, content } = await cache();
    expect(await gc()).toMatchObject({ swept: [] });
    await setTag({ ...at, name: 'paper', n: 1, expected: null, note: '' });
    await dropSpaces(at, 'sums');
    expect((await gc()).swept).toEqual([]);
    await setTag({ ...at, name: 'paper', n: null, expected: 1, note: '' });
    const reader = await holdLease({
      folder: join(root, 'leases'),
      kind: 'reader',
      needs: 1,
      clock,
      fs: quickFs,
    });
    expect((await gc()).kept.pinned).toEqual([1]);
    const pinned = await openCatalogue(root, { at: 1 });
    expect(pinned.spaces.get(spaceIdOf(summary))!.rows.size).toBe(5);
    await reader.release();
    expect((await gc({ dryRun: true })).swept).toHaveLength(5);
    const { swept } = await gc();
    expect(swept.map((file) => file.split('/')[0])).toEqual(['data', 'data', 'index', 'index', 'snapshots']);
    expect(content.size).toBe(10);
    expect((await contentOf(root)).size).toBe(0);
    await clean(root);
  });

  it('keeps trash for its grace, then deletes it; a clock that was set back only keeps it longer', async () => {
    const { root, at, clock, gc } = await cache();
    await dropSpaces(at, 'sums');
    await gc();
    const trash = async () => (await readdir(join(root, 'trash'))).length;
    clock.set('2020-01-01T00:00:00.000Z');
    expect((await gc()).purged).toEqual([]);
    clock.set('2026-01-01T00:00:00.999Z');
    expect((await gc()).purged).toEqual([]);
    expect(await trash()).toBe(1);
    clock.set('2026-01-01T00:00:01.000Z');
    expect((await gc()).purged).toHaveLength(1);
    expect(await trash()).toBe(0);
  });

  it('cut off while it deletes trash goes on with the rest the next time', async () => {
    const { root, at, clock, gc } = await cache();
    const [trash, content] = [join(root, 'trash'), await contentOf(root)];
    await dropSpaces(at, 'sums');
    await gc();
    const [name] = await readdir(trash);
    clock.pass(1000);
    for (let cutAfter = 0; (await readdir(trash)).length > 0; cutAfter++) {
      let left = cutAfter;
      // what is not a file goes bit by bit, in any order: here the record is the first to go
      const cut: CommitFs['remove'] = async (path) => {
        if (!path.startsWith(trash)) return quickFs.remove(path);
        if (left-- > 0) return quickFs.remove(path);
        if (path === join(trash, name!)) await quickFs.remove(join(path, 'intent.json'));
        throw systemError('EIO');
      };
      await gc({ fs: { ...quickFs, remove: cut } }).catch((error: unknown) =>
        expect(error).toMatchObject({ code: 'EIO' }),
      );
      // as long as anything is left, it can be told what it was, and what is left is still purged or restored
      const remaining = await readdir(join(trash, name!)).catch(() => []);
      if (remaining.length > 0) expect(remaining).toContain('intent.json');
    }
    expect([content.size, (await contentOf(root)).size]).toEqual([10, 0]);
  });

  it('removes trash that a collector made and never filled', async () => {
    const { root, gc } = await cache();
    await mkdir(join(root, 'trash', '2025-1'), { recursive: true });
    await writeFile(join(root, 'trash', '2025-1', stagingName('write')), 'torn');
    await mkdir(join(root, 'trash', '2025-2'));
    await writeFile(join(root, 'trash', '2025-2', 'unknown'), '');
    await gc();
    expect(await readdir(join(root, 'trash'))).toEqual(['2025-2']);
  });

  it('says of a file that somebody else removed first neither that it moved it nor how large it was', async () => {
    const { root, at, gc } = await cache();
    await dropSpaces(at, 'sums');
    await publishSnapshot(at);
    const { swept, sweptBytes } = await gc({ dryRun: true });
    const lost = join(root, swept[0]!);
    const { size } = await stat(lost);
    const removing: CommitFs['rename'] = async (from, to) => {
      if (from === lost) await rm(from);
      return quickFs.rename(from, to);
    };
    const found = await gc({ fs: { ...quickFs, rename: removing } });
    expect(found).toMatchObject({ swept: swept.slice(1), sweptBytes: sweptBytes - size });
  });

  it('killed before it looked again brings back the next time what was needed meanwhile', async () => {
    const { root, at, gc, content } = await cache();
    const catalogue = await openCatalogue(root);
    await dropSpaces(at, 'sums');
    let lease: ReaderLease | null = null;
    const killed: CommitFs['rename'] = async (from, to) => {
      if (to.includes('/trash/') && from.includes('/data/')) lease ??= await holdCatalogue(catalogue, at);
      await quickFs.rename(from, to);
      // the last one to be moved
      if (from.includes('/snapshots/')) throw systemError('EIO');
    };
    await expect(gc({ fs: { ...quickFs, rename: killed } })).rejects.toThrow();
    const { returned } = await gc();
    expect(returned.map((file) => file.split('/')[0])).toEqual([
      'data',
      'data',
      'index',
      'index',
      'snapshots',
    ]);
    await lease!.release();
    expect((await gc({ dryRun: true })).swept).toEqual(returned);
    expect(await restoreTrash(at)).toEqual([]);
    expect(content.size).toBe(10);
  });

  it('can be undone until the grace ends: what was dropped and collected is listed again', async () => {
    const { root, at, gc, content } = await cache();
    await dropSpaces(at, 'sums');
    await gc();
    expect((await contentOf(root)).size).toBe(0);
    expect((await restoreTrash(at)).length).toBe(5);
    expect(await contentOf(root)).toEqual(content);
    await clean(root);
  });

  it('keeps the newest snapshots that are asked for', async () => {
    const { root, at, gc } = await cache();
    for (let i = 0; i < 4; i++) {
      const { writer } = await openWriter(root, `more${i}`);
      await writer.commit([partFor(summary, images(10 + i).slice(9 + i))]);
      await publishSnapshot(at);
    }
    await gc({ keepSnapshots: 2 });
    expect(await snapshotNumbers(root, quickFs)).toEqual([5, 4]);
    await clean(root);
  });

  it('that fails at any call loses nothing that is listed, and can be made again', async () => {
    const prepared = async () => {
      const made = await cache();
      await dropSpaces(made.at, 'sums@2.spatial');
      return { ...made, kept: await contentOf(made.root) };
    };
    const probe = failingFs({ inner: quickFs });
    await (await prepared()).gc({ fs: probe });
    for (let failAt = 1; failAt <= probe.calls.length; failAt++) {
      const { root, gc, kept } = await prepared();
      await gc({ fs: failingFs({ failAt, code: 'EIO', inner: quickFs }) }).catch((error: unknown) => {
        expect(error, `call ${failAt}`).toBeInstanceOf(Error);
      });
      expect(await contentOf(root), `call ${failAt}`).toEqual(kept);
      await gc();
      expect(await contentOf(root), `call ${failAt}`).toEqual(kept);
      await clean(root);
    }
  });

  it('leaves to a writer what it writes again while gc is moving it away', async () => {
    const { root, at, gc, content } = await cache();
    await dropSpaces(at, 'sums');
    await gc({ keepSnapshots: 1 });
    await restoreTrash(at);
    await dropSpaces(at, 'sums');
    let raced = false;
    const racing: typeof quickFs = {
      ...quickFs,
      rename: async (from, to) => {
        await quickFs.rename(from, to);
        if (raced || !to.includes('/trash/') || !to.endsWith('.arrow')) return;
        raced = true;
        const { writer } = await openWriter(root, 'racer');
        await writer.commit(sums.spaces.map((space) => partFor(space, images(5))));
      },
    };
    await gc({ fs: racing });
    expect(raced).toBe(true);
    expect(await contentOf(root)).toEqual(content);
    expect((await openCatalogue(root)).missingParts).toEqual([]);
    await clean(root);
  });
});

describe('a quota', () => {
  it('warns once at its soft limit, and refuses new parts at its hard one; what was there stays', async () => {
    const { root, at, content } = await cache();
    const used = (await openCatalogue(root)).spaces.get(spaceIdOf(summary))!.parts[0]!.entry.sizeBytes;
    await writeQuota(root, { space: { softBytes: used + 10, hardBytes: Math.round(2.5 * used) } }, quickFs);
    const warnings: string[] = [];
    const { writer } = await CacheWriter.open({
      ...at,
      writer: 'w2',
      onWarning: (text) => warnings.push(text),
    });
    const one = (i: number) => [partFor(summary, images(20 + 5 * i).slice(15 + 5 * i))];
    await writer.commit(one(0));
    expect(warnings).toHaveLength(1);
    await expect(writer.commit(one(1))).rejects.toThrow(
      failing(5, { wanted: `at most ${Math.round(2.5 * used)} bytes` }),
    );
    await writer.close();
    expect((await contentOf(root)).size).toBe(content.size + 5);
    await clean(root);
  });
});

describe('room on the disk', () => {
  it('is looked at before each commit, which is refused before anything is written', async () => {
    const { root, content } = await cache();
    const full = { ...quickFs, freeBytes: () => Promise.resolve(1 << 20) };
    const { writer } = await openWriter(root, 'full', full);
    await expect(writer.commit([partFor(summary, images(9).slice(8))])).rejects.toThrow(
      failing(5, { what: 'the disk is nearly full' }),
    );
    expect(await contentOf(root)).toEqual(content);
  });
});

describe('failed rows', () => {
  it('are left alone, computed again when asked, and a usable row then counts before the failed one', async () => {
    const root = await tempFolder();
    const spoiled = engine(sums, { spoil: (_, row) => void (row[0] = NaN) });
    const first = await fill({ root, wanted: images(4), engines: [spoiled] });
    expect(first.failed).toHaveLength(4);
    const again = await fill({ root, wanted: images(4), engines: [engine(sums)], writer: 'w2' });
    expect(again.plan.units).toEqual([]);
    const plan = planCache({
      wanted: images(4),
      groups: [sums],
      catalogue: await openCatalogue(root),
      unitRows: 4,
      retryFailed: true,
    });
    expect(plan.coverage.map(({ missing }) => missing)).toEqual([4, 0]);
    const { writer } = await openWriter(root, 'w3');
    await writer.commit([partFor(summary, images(4))]);
    await writer.close();
    const space = (await openCatalogue(root)).spaces.get(spaceIdOf(summary))!;
    for (const { image } of images(4)) {
      const place = space.rows.get(keyOf(image))!;
      expect(place.part.index.ok[place.row]).toBe(1);
    }
  });
});

describe('an estimate', () => {
  it('is unknown on a new machine, and follows the time that earlier commits of the same spaces took', async () => {
    const root = await tempFolder();
    const clock = movable();
    const { writer } = await CacheWriter.open({ root, writer: 'w', clock, fs: quickFs });
    const commit = (from: number) =>
      writer.commit(sums.spaces.map((space) => partFor(space, images(from + 4).slice(from))));
    clock.pass(60_000);
    await commit(0);
    for (const from of [4, 8]) {
      clock.pass(2_000);
      await commit(from);
    }
    const catalogue = await openCatalogue(root);
    const { units } = planCache({ wanted: images(32), groups: [sums], catalogue, unitRows: 8 });
    expect(estimateMs(units, catalogue.rates, machineClass())).toBe(20 * 500);
    expect(estimateMs(units, catalogue.rates, 'another machine')).toBeNull();
    await writer.close();
    expect((await openCatalogue(root)).rates).toEqual(catalogue.rates);
  });
});

describe('a recorded dataset', () => {
  it('tells how many of its images each space covers, and is left out when it is damaged', async () => {
    const { root } = await cache();
    const ids = images(20).map(({ image }) => image.id);
    const at = { root, fs: quickFs, at: '2026-01-01T00:00:00.000Z' };
    await recordDataset(at, { name: 'photos', digest: merkleRoot(ids), images: ids });
    const [dataset] = await readDatasets(root, quickFs);
    const space = (await openCatalogue(root)).spaces.get(spaceIdOf(summary))!;
    expect(coverageOf(space, dataset!)).toEqual({ images: 20, covered: 5, rows: 5 });
    await rm(join(root, 'datasets', `${merkleRoot(ids)}.json`));
    await recordDataset(at, { name: 'forged', digest: merkleRoot(ids), images: ids.slice(1) });
    expect(await readDatasets(root, quickFs)).toEqual([]);
  });
});
