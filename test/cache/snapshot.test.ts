import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { appendJournal } from '../../src/cache/journal.ts';
import { readPartList } from '../../src/cache/part-list.ts';
import { planCache } from '../../src/cache/plan.ts';
import { publishSnapshot } from '../../src/cache/publish.ts';
import { snapshotFile } from '../../src/cache/snapshot.ts';
import { spaceFolderName, spaceIdOf } from '../../src/cache/space.ts';
import { failing } from '../support/failing.ts';
import { failingFs } from '../support/failing-fs.ts';
import { quickFs } from '../support/quick-fs.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { contentOf, fixedClock, group, images, openWriter, partFor } from './rig.ts';

const sums = group();
const [summary, spatial] = sums.spaces as [(typeof sums.spaces)[number], (typeof sums.spaces)[number]];
const all = images(12);

/** One commit per slice of two images, both spaces. */
async function filled(from = 0, to = 12, root?: string): Promise<string> {
  const folder = root ?? (await tempFolder());
  const { writer } = await openWriter(folder, `w${from}`);
  for (let i = from; i < to; i += 2)
    await writer.commit(sums.spaces.map((space) => partFor(space, all.slice(i, i + 2))));
  return folder;
}

const publish = (root: string, writer = 'p') =>
  publishSnapshot({ root, writer, clock: fixedClock, fs: quickFs });

describe('a snapshot', () => {
  it('lets a catalogue open no part and read no payload, with the same targets', async () => {
    const root = await filled();
    const before = await contentOf(root);
    const slow = failingFs({ inner: quickFs });
    await openCatalogue(root, { fs: slow });
    expect(slow.calls.filter((call) => call === 'openRead')).toHaveLength(12);
    await publish(root);
    const quick = failingFs({ inner: quickFs });
    const catalogue = await openCatalogue(root, { fs: quick });
    expect(quick.calls.filter((call) => call === 'openRead')).toEqual([]);
    expect(catalogue).toMatchObject({ snapshot: { n: 1 }, isPublished: true, trouble: [] });
    expect(await contentOf(root)).toEqual(before);
    const plan = planCache({ wanted: all, groups: [sums], catalogue, unitRows: 4 });
    expect(plan.units).toEqual([]);
  });

  it('reads as many files for a hundred commits as for ten', async () => {
    const counts = [];
    for (const commits of [10, 100]) {
      const root = await tempFolder();
      const { writer } = await openWriter(root);
      for (const one of images(commits)) await writer.commit([partFor(summary, [one])]);
      await writer.close();
      const fs = failingFs({ inner: quickFs });
      expect((await openCatalogue(root, { fs })).spaces.get(spaceIdOf(summary))!.rows.size).toBe(commits);
      counts.push(fs.calls.length);
    }
    expect(counts[1]).toBe(counts[0]);
  });

  it('does not hide what is committed after it, and is written again only when there is something new', async () => {
    const root = await filled(0, 6);
    const first = await publish(root);
    expect(await publish(root)).toEqual(first);
    await filled(6, 12, root);
    expect(await openCatalogue(root)).toMatchObject({ snapshot: { n: 1 }, isPublished: false });
    expect((await contentOf(root)).size).toBe(24);
    expect((await publish(root)).body.n).toBe(2);
  });

  it('can be read as it was, by its number', async () => {
    const root = await filled(0, 6);
    await publish(root);
    await filled(6, 12, root);
    const pinned = await openCatalogue(root, { at: 1 });
    expect(pinned.spaces.get(spaceIdOf(summary))!.rows.size).toBe(6);
    await expect(openCatalogue(root, { at: 7 })).rejects.toThrow(
      failing(3, { where: join(root, snapshotFile(7)) }),
    );
  });

  it('that names a part that is gone is refused when it is asked for, and its rows count as missing otherwise', async () => {
    const root = await filled();
    await publish(root);
    const part = (await openCatalogue(root)).spaces.get(spaceIdOf(summary))!.parts[0]!;
    await rm(part.path);
    await expect(openCatalogue(root, { at: 1 })).rejects.toThrow(
      failing(4, { what: 'a snapshot names parts that are gone', wanted: part.entry.file }),
    );
    const head = await openCatalogue(root);
    expect(head.missingParts).toEqual([part.entry]);
    expect(head.spaces.get(spaceIdOf(summary))!.rows.size).toBe(10);
  });

  it('has few index files however many commits it stands on', async () => {
    const root = await tempFolder();
    const { writer } = await openWriter(root);
    for (const one of images(33)) {
      await writer.commit([partFor(summary, [one])]);
      await writer.publish();
    }
    const { body } = await publish(root);
    const segments = body.spaces[spaceFolderName(summary)]!;
    expect(segments.length).toBeLessThanOrEqual(6);
    expect(segments.flatMap(({ parts }) => parts)).toHaveLength(33);
    expect((await contentOf(root)).size).toBe(33);
  });

  it('gets a number of its own when many are written at once, and none loses what was committed', async () => {
    const root = await filled();
    const before = await contentOf(root);
    await Promise.all(
      Array.from({ length: 8 }, async (_, i) => {
        const { writer } = await openWriter(root, `many${i}`);
        await writer.commit([partFor(spatial, images(20 + i).slice(19))]);
        return writer.publish();
      }),
    );
    const names = (await readdir(join(root, 'snapshots'))).filter((name) => !name.startsWith('.'));
    expect(new Set(names).size).toBe(names.length);
    const after = await contentOf(root);
    for (const [key, values] of before) expect(after.get(key)).toEqual(values);
    await publish(root);
    expect(await contentOf(root)).toEqual(after);
  });
});

describe('a damaged snapshot or index file', () => {
  it.each([
    ['the newest snapshot', (root: string) => join(root, snapshotFile(2))],
    [
      'an index file',
      async (root: string) => {
        const { body } = await publish(root);
        return join(root, 'index', body.spaces[spaceFolderName(summary)]![0]!.file);
      },
    ],
  ])('%s is read past, whatever bit it is', async (_, pathOf) => {
    const root = await filled(0, 4);
    await publish(root);
    await filled(4, 8, root);
    await publish(root);
    const before = await contentOf(root);
    const path = await pathOf(root);
    const whole = await readFile(path);
    for (let at = 0; at < whole.length; at += 41) {
      const bytes = Uint8Array.from(whole);
      bytes[at]! ^= 1 << (at % 8);
      await writeFile(path, bytes);
      const catalogue = await openCatalogue(root);
      expect(catalogue.isPublished && catalogue.trouble.length === 0, `byte ${at}`).toBe(false);
      expect(await contentOf(root), `byte ${at}`).toEqual(before);
    }
    await publish(root);
    expect(await contentOf(root)).toEqual(before);
  });
});

describe('the list of parts', () => {
  it('is the same through snapshots as from the journals alone, whatever was added, dropped and published in which order', async () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ op: fc.constant('add' as const), writer: fc.nat(2), at: fc.nat(5) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ op: fc.constant('drop' as const), writer: fc.nat(2), at: fc.nat(5) }),
      },
      { weight: 2, arbitrary: fc.record({ op: fc.constant('publish' as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
        const root = await tempFolder();
        const writers = await Promise.all(
          [0, 1, 2].map(async (i) => (await openWriter(root, `w${i}`)).writer),
        );
        for (const one of steps)
          if (one.op === 'add') await writers[one.writer]!.commit([partFor(summary, [all[one.at]!])]);
          else if (one.op === 'publish') await publish(root);
          else {
            const { folders } = await readPartList(root, quickFs, { folders: 'all' });
            const parts = [...folders.values()].flatMap(({ parts }) => [...parts.values()]);
            const { listings } = parts[one.at % Math.max(1, parts.length)] ?? { listings: [] };
            if (listings.length === 0) continue;
            const at = fixedClock.nowIso();
            await appendJournal(
              root,
              { v: 2, op: 'drop', writer: `d${one.writer}`, seq: 0, at, listings: [...listings] },
              quickFs,
            );
          }
        const through = [...(await readPartList(root, quickFs, { folders: 'all' })).files].sort();
        await rm(join(root, 'snapshots'), { recursive: true, force: true });
        expect(through).toEqual([...(await readPartList(root, quickFs, { folders: 'all' })).files].sort());
      }),
      { numRuns: 25 },
    );
  });
});
