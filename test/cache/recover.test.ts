import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, readdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { contentOf, engine, fill, group, images, openWriter, partFor } from './rig.ts';

/** A cache of two spaces, its parts, and what it holds. */
async function cache() {
  const root = await tempFolder();
  const { writer } = await openWriter(root);
  const entries = await writer.commit(group().spaces.map((space) => partFor(space, images(5))));
  return { root, parts: entries.map(({ file }) => join(root, 'data', file)), content: await contentOf(root) };
}

const dropJournal = (root: string): Promise<void> => rm(join(root, 'log'), { recursive: true });

describe('the next writer', () => {
  it('adopts finished parts that no journal lists', async () => {
    const { root, content } = await cache();
    await dropJournal(root);
    expect((await contentOf(root)).size).toBe(0);
    const { adopted, quarantined } = await openWriter(root, 'w2');
    expect([adopted, quarantined]).toEqual([2, 0]);
    expect(await contentOf(root)).toEqual(content);
    expect(await openWriter(root, 'w3')).toMatchObject({ adopted: 0, quarantined: 0 });
  });

  it('sets aside an orphan that is cut short at any place, and its rows are computed again', async () => {
    const { root, parts, content } = await cache();
    await dropJournal(root);
    const whole = await readFile(parts[0]!);
    for (let length = 0; length < whole.length; length += Math.ceil(whole.length / 23)) {
      await writeFile(parts[0]!, whole.subarray(0, length));
      const { quarantined } = await openWriter(root, `cut${length}`);
      expect(quarantined).toBe(1);
      expect((await contentOf(root)).size).toBe(5);
    }
    expect(await readdir(join(root, 'quarantine'))).toHaveLength(1);
    const { engines } = { engines: [engine(group())] };
    await fill({ root, wanted: images(5), engines, unitRows: 5 });
    expect(await contentOf(root)).toEqual(content);
  });

  it('sets aside an orphan with one changed bit, wherever it is', async () => {
    const { root, parts } = await cache();
    await dropJournal(root);
    const whole = await readFile(parts[0]!);
    for (let at = 0; at < whole.length; at += 97) {
      const bytes = Uint8Array.from(whole);
      bytes[at]! ^= 1 << (at % 8);
      await writeFile(parts[0]!, bytes);
      expect((await openWriter(root, `bit${at}`)).quarantined, `byte ${at}`).toBe(1);
    }
  });

  it('sets aside what has no business among the parts: another name, another folder, another kind of file', async () => {
    const { root, parts } = await cache();
    const folders = parts.map(dirname);
    await cp(parts[0]!, join(folders[0]!, `9.${'0'.repeat(32)}.arrow`));
    await cp(parts[0]!, join(folders[1]!, parts[0]!.slice(folders[0]!.length + 1)));
    await writeFile(join(folders[0]!, 'notes.txt'), 'hello');
    expect((await openWriter(root, 'w2')).quarantined).toBe(3);
    expect(await readdir(join(root, 'quarantine'))).toHaveLength(3);
  });

  it('removes staging files of dead processes and leaves those of living ones and of other hosts', async () => {
    const { root, parts } = await cache();
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    const host = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
    const staging = (host: string, pid: number) => `.write.${host}-${pid}-${'ab'.repeat(6)}-1.tmp`;
    const folders = [root, join(root, 'spaces'), join(root, 'log', 'w'), dirname(parts[0]!)];
    for (const folder of folders)
      for (const name of [staging(host, dead), staging(host, process.pid), staging('00000000', dead)])
        await writeFile(join(folder, name), 'half');
    expect((await openWriter(root, 'w2')).quarantined).toBe(0);
    for (const folder of folders)
      expect((await readdir(folder)).filter((name) => name.endsWith('.tmp')).sort()).toEqual(
        [staging(host, process.pid), staging('00000000', dead)].sort(),
      );
  });

  it('takes part in a race with others of its kind: each orphan is set aside once', async () => {
    const { root, parts } = await cache();
    await dropJournal(root);
    for (const part of parts) await truncate(part, 100);
    const opened = await Promise.all(Array.from({ length: 6 }, (_, i) => openWriter(root, `r${i}`)));
    expect(opened.reduce((sum, { quarantined }) => sum + quarantined, 0)).toBe(2);
    expect(await readdir(join(root, 'quarantine'))).toHaveLength(2);
  });

  it('says what stands in its way when a file lies where a folder belongs', async () => {
    const { root } = await cache();
    await writeFile(join(root, 'data', 'stray'), 'x');
    await expect(openWriter(root, 'w2')).rejects.toThrow(
      failing(5, { what: 'a file stands where a folder is needed', where: join(root, 'data', 'stray') }),
    );
    await expect(openWriter(join(root, 'FORMAT'))).rejects.toThrow(
      failing(5, { where: join(root, 'FORMAT', 'FORMAT') }),
    );
  });
});

describe('a removed part', () => {
  it('counts as missing, and only its rows are computed again', async () => {
    const { root, parts, content } = await cache();
    const [summary, spatial] = group().spaces;
    await rm(parts[0]!);
    const catalogue = await openCatalogue(root);
    expect(catalogue.missingParts).toMatchObject([{ rows: 5 }]);
    const teacher = engine(group());
    const { spaces, plan } = await fill({ root, wanted: images(5), engines: [teacher], writer: 'w2' });
    expect(plan.coverage.map(({ missing }) => missing)).toEqual([5, 0]);
    expect([...spaces]).toEqual([['sums@2.summary', { written: 5, failed: 0 }]]);
    expect(summary && spatial && (await contentOf(root))).toEqual(content);
  });

  it('of one teacher leaves the others alone', async () => {
    const root = await tempFolder();
    const [a, b] = [group('a'), group('bb', 4)];
    await fill({ root, wanted: images(9), engines: [engine(a), engine(b)] });
    const content = await contentOf(root);
    for (const name of await readdir(join(root, 'data')))
      if (name.startsWith('a@')) await rm(join(root, 'data', name), { recursive: true });
    const [again, idle] = [engine(a), engine(b)];
    const { spaces, decodes } = await fill({ root, wanted: images(9), engines: [again, idle], writer: 'w2' });
    expect([...spaces.keys()]).toEqual(['a@2.summary', 'a@2.spatial']);
    expect([again.counts.rows, idle.counts.calls, decodes]).toEqual([9, 0, 9]);
    expect(await contentOf(root)).toEqual(content);
    expect(await fill({ root, wanted: images(9), engines: [again, idle], writer: 'w3' })).toMatchObject({
      decodes: 0,
    });
  });
});

describe('a cache moved to another place', () => {
  it('holds what it held', async () => {
    const { root, content } = await cache();
    const there = join(await tempFolder(), 'moved');
    await mkdir(dirname(there), { recursive: true });
    await rename(root, there);
    expect(await contentOf(there)).toEqual(content);
  });
});
