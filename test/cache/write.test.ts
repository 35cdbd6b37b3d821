import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { verifyCache } from '../../src/cache/verify.ts';
import { failingFs } from '../support/failing-fs.ts';
import { failing } from '../support/failing.ts';
import { quickFs } from '../support/quick-fs.ts';
import { tempFolder } from '../support/temp-folder.ts';
import type { space } from './rig.ts';
import { contentOf, group, images, openWriter, partFor } from './rig.ts';

const [summary, spatial] = group().spaces as [ReturnType<typeof space>, ReturnType<typeof space>];
const first = images(3);
const later = images(7).slice(3);
const firstParts = () => [partFor(summary, first), partFor(spatial, first)];
const laterParts = () => [partFor(summary, later), partFor(spatial, later)];

/** A cache with one commit, and what it holds. */
async function committed() {
  const root = await tempFolder();
  const { writer } = await openWriter(root);
  await writer.commit(firstParts());
  return { root, content: await contentOf(root) };
}

async function undisturbed() {
  const { root } = await committed();
  const { writer } = await openWriter(root, 'w2');
  await writer.commit(laterParts());
  return contentOf(root);
}

async function clean(root: string): Promise<void> {
  expect((await verifyCache({ root, level: 'rows', repair: null })).findings).toEqual([]);
}

/** Staging files anywhere below a folder. */
const stagingIn = async (root: string): Promise<string[]> =>
  (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.tmp'));

describe('a commit', () => {
  it('is what a catalogue opened afterwards holds, value for value', async () => {
    const { root, content } = await committed();
    expect(content.size).toBe(6);
    const catalogue = await openCatalogue(root);
    expect([...catalogue.spaces.values()].map(({ parts, rows }) => [parts.length, rows.size])).toEqual([
      [1, 3],
      [1, 3],
    ]);
    await clean(root);
    expect(await stagingIn(root)).toEqual([]);
  });

  it('is not seen by a catalogue opened before', async () => {
    const { root } = await committed();
    const before = await openCatalogue(root);
    const { writer } = await openWriter(root, 'w2');
    await writer.commit(laterParts());
    expect([...before.spaces.values()].map(({ rows }) => rows.size)).toEqual([3, 3]);
  });

  it('of nothing leaves no journal entry', async () => {
    const root = await tempFolder();
    const { writer } = await openWriter(root);
    expect(await writer.commit([])).toEqual([]);
    expect(await readdir(root)).toEqual(['FORMAT', 'leases']);
  });

  it('made twice is listed twice and stored once', async () => {
    const { root, content } = await committed();
    const { writer } = await openWriter(root, 'w2');
    await writer.commit(firstParts());
    expect(await contentOf(root)).toEqual(content);
    const parts = (await readdir(join(root, 'data'), { recursive: true })).filter((name) =>
      name.endsWith('.arrow'),
    );
    expect(parts).toHaveLength(2);
  });

  it('never replaces an entry of a writer that had the same name', async () => {
    const { root } = await committed();
    const entry = join(root, 'log', 'w', '000000000000.json');
    const before = await readFile(entry);
    const { writer } = await openWriter(root, 'w');
    await writer.commit(laterParts());
    expect(await readFile(entry)).toEqual(before);
    expect(await readdir(join(root, 'log', 'w'))).toEqual(['000000000000.json', '000000000001.json']);
    expect(await contentOf(root)).toEqual(await undisturbed());
  });

  it('that hears of a full disk says so, with the exit code of the environment', async () => {
    const { root } = await committed();
    const fs = failingFs({ inner: quickFs });
    const { writer } = await openWriter(root, 'w2', fs);
    const full = failingFs({ failAt: 3, code: 'ENOSPC', andAfter: true, inner: quickFs });
    Object.assign(fs, full);
    await expect(writer.commit(laterParts())).rejects.toThrow(
      failing(5, { what: 'the disk is full', where: expect.stringContaining(root) as string }),
    );
  });

  it('refuses bytes that the disk gave back changed', async () => {
    const { root, content } = await committed();
    const inner = failingFs({ inner: quickFs });
    const liar = {
      ...inner,
      openRead: async (path: string) => {
        const file = await inner.openRead(path);
        const read = async (offset: number, length: number): Promise<Uint8Array> => {
          const bytes = await file.read(offset, length);
          if (offset > 0) bytes[bytes.length >> 1]! ^= 1;
          return bytes;
        };
        return { ...file, read };
      },
    };
    const { writer } = await openWriter(root, 'w2');
    await writer.commit([]);
    const lying = (await openWriter(root, 'w3', liar)).writer;
    await expect(lying.commit(laterParts())).rejects.toThrow(
      failing(4, { got: expect.any(String) as string }),
    );
    expect(await contentOf(root)).toEqual(content);
  });
});

describe('a commit in which any one call fails', () => {
  it.each(['ENOSPC', 'EIO'])('loses nothing and can be made again (%s)', async (code) => {
    const wanted = await undisturbed();
    const probe = failingFs({ inner: quickFs });
    const { root: spare } = await committed();
    const { writer: dry } = await openWriter(spare, 'w2', probe);
    const opening = probe.calls.length;
    await dry.commit(laterParts());
    const calls = probe.calls.length;
    expect(calls - opening).toBeGreaterThan(20);
    for (let failAt = 1; failAt <= calls; failAt++) {
      const { root, content } = await committed();
      const fs = failingFs({ failAt, code, inner: quickFs });
      const attempt = openWriter(root, 'w2', fs).then(({ writer }) => writer.commit(laterParts()));
      const failed = await attempt.then(
        () => false,
        () => true,
      );
      // only the removal of a staging file may fail unnoticed
      expect(failed || fs.calls[failAt - 1] === 'remove', `call ${failAt}`).toBe(true);
      const after = await contentOf(root);
      for (const [key, values] of content) expect(after.get(key), `call ${failAt}, ${key}`).toEqual(values);
      for (const [key, values] of after) expect(wanted.get(key)).toEqual(values);
      const { writer, quarantined } = await openWriter(root, 'w3');
      expect(quarantined).toBe(0);
      await writer.commit(laterParts());
      expect(await contentOf(root), `call ${failAt}`).toEqual(wanted);
      await clean(root);
    }
  });

  it('loses nothing when the disk is gone from that call on', async () => {
    const wanted = await undisturbed();
    for (let failAt = 1; ; failAt++) {
      const { root, content } = await committed();
      const fs = failingFs({ failAt, code: 'EROFS', andAfter: true, inner: quickFs });
      const attempt = openWriter(root, 'w2', fs).then(({ writer }) => writer.commit(laterParts()));
      const failed = await attempt.then(
        () => false,
        () => true,
      );
      if (fs.calls.length < failAt) break;
      const after = await contentOf(root);
      for (const [key, values] of content) expect(after.get(key)).toEqual(values);
      if (!failed) expect(after).toEqual(wanted);
      const { writer } = await openWriter(root, 'w3');
      await writer.commit(laterParts());
      expect(await contentOf(root)).toEqual(wanted);
    }
  });

  it('can be made again by the same writer', async () => {
    const wanted = await undisturbed();
    const probe = failingFs({ inner: quickFs });
    const spare = await committed();
    const { writer: dry } = await openWriter(spare.root, 'w2', probe);
    const opening = probe.calls.length;
    await dry.commit(laterParts());
    for (let n = opening + 1; n <= probe.calls.length; n++) {
      const { root } = await committed();
      const { writer } = await openWriter(root, 'w2', failingFs({ failAt: n, inner: quickFs }));
      await writer.commit(laterParts()).catch(() => undefined);
      await writer.commit(laterParts());
      expect(await contentOf(root)).toEqual(wanted);
      await clean(root);
    }
  });
});

describe('two writers at once', () => {
  it('in one folder lose nothing, in whatever order their calls fall', async () => {
    const root = await tempFolder();
    const [a, b] = await Promise.all([openWriter(root, 'a'), openWriter(root, 'b')]);
    await Promise.all([
      ...images(6).map((wanted) => a.writer.commit([partFor(summary, [wanted])])),
      ...images(6).map((wanted) => b.writer.commit([partFor(spatial, [wanted]), partFor(summary, [wanted])])),
    ]);
    expect((await contentOf(root)).size).toBe(12);
    await clean(root);
    const { adopted, quarantined } = await openWriter(root, 'c');
    expect([adopted, quarantined]).toEqual([0, 0]);
  });

  it('may be opened while another commits: what is finished and not yet listed is adopted by both', async () => {
    const root = await tempFolder();
    const a = await openWriter(root, 'a');
    for (let i = 0; i < 5; i++) {
      const wanted = [images(5)[i]!];
      const [, opened] = await Promise.all([
        a.writer.commit([partFor(summary, wanted), partFor(spatial, wanted)]),
        openWriter(root, `other${i}`),
      ]);
      expect(opened.quarantined).toBe(0);
    }
    expect((await contentOf(root)).size).toBe(10);
    await clean(root);
  });
});
