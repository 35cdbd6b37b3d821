import { chmod, mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemCodeOf } from '../../src/core/failure.ts';
import { writeAtomic, writeIfAbsent } from '../../src/store/atomic.ts';
import { failing } from '../support/failing.ts';
import { failingFs } from '../support/failing-fs.ts';
import { compileRooms, startProcess } from '../support/other-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

const OLD = 'old '.repeat(1000);
const NEW = 'new and longer '.repeat(1000);

async function contentOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

describe('an atomic write', () => {
  it('makes its folders, puts the bytes there and leaves nothing else', async () => {
    const folder = await tempFolder();
    const path = join(folder, 'a', 'b', 'file');
    await writeAtomic(path, Uint8Array.of(1, 2, 0, 255));
    expect([...(await readFile(path))]).toEqual([1, 2, 0, 255]);
    await writeAtomic(path, 'é');
    expect([...(await readFile(path))]).toEqual([0xc3, 0xa9]);
    expect(await readdir(folder, { recursive: true })).toEqual(['a', 'a/b', 'a/b/file']);
  });

  it('writes beside the file, syncs, renames, then syncs the folder', async () => {
    const fs = failingFs();
    await writeAtomic(join(await tempFolder(), 'file'), NEW, fs);
    expect(fs.calls).toEqual(['makeFolder', 'writeNew', 'rename', 'syncFolder']);
  });

  it.each([
    { before: OLD, title: 'the old bytes or the new' },
    { before: null, title: 'nothing or the new bytes' },
  ])('shows a reader $title, whichever call fails', async ({ before }) => {
    for (let failAt = 1; failAt <= 4; failAt++) {
      const folder = await tempFolder();
      const path = join(folder, 'file');
      if (before !== null) await writeFile(path, before);
      const fs = failingFs({ failAt });
      await expect(writeAtomic(path, NEW, fs)).rejects.toEqual(
        failing(5, { what: 'the disk is full', where: path, got: 'ENOSPC' }),
      );
      expect(fs.calls.at(-1), 'the staging file is removed').toBe('remove');
      const failed = fs.calls[failAt - 1];
      expect(await contentOf(path), failed).toBe(failed === 'syncFolder' ? NEW : before);
      expect(await readdir(folder), failed).toEqual((await contentOf(path)) === null ? [] : ['file']);
    }
  });

  it('shows a reader old or new bytes when a disk goes away, and hides only the leftover', async () => {
    for (let failAt = 1; failAt <= 4; failAt++) {
      const folder = await tempFolder();
      const path = join(folder, 'file');
      await writeFile(path, OLD);
      // the removal fails too, and its error does not hide the first one
      const fs = failingFs({ failAt, code: 'EIO', andAfter: true });
      await expect(writeAtomic(path, NEW, fs)).rejects.toEqual(failing(5, { got: 'EIO' }));
      expect(await contentOf(path)).toBe(fs.calls[failAt - 1] === 'syncFolder' ? NEW : OLD);
      const others = (await readdir(folder)).filter((name) => name !== 'file');
      expect(others.every((name) => /^\.write\..*\.tmp$/.test(name))).toBe(true);
    }
  });

  it('never shows a mixture to a reader that looks all the time', async () => {
    const path = join(await tempFolder(), 'file');
    await writeAtomic(path, OLD);
    const writer = { done: false };
    const writing = (async () => {
      for (let i = 0; i < 40; i++) await writeAtomic(path, i % 2 === 0 ? NEW : OLD);
      writer.done = true;
    })();
    const seen = new Set<string>();
    while (!writer.done) seen.add(await readFile(path, 'utf8'));
    await writing;
    expect([...seen].filter((text) => text !== OLD && text !== NEW)).toEqual([]);
  });

  it('ends with the bytes of one writer when many write at once', async () => {
    const folder = await tempFolder();
    const texts = Array.from({ length: 30 }, (_, i) => String(i).repeat(5000));
    await Promise.all(texts.map((text) => writeAtomic(join(folder, 'file'), text)));
    expect(texts).toContain(await readFile(join(folder, 'file'), 'utf8'));
    expect(await readdir(folder)).toEqual(['file']);
  });

  it('says that a file stands where a folder is needed, or a folder where a file is', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'file'), '');
    await mkdir(join(folder, 'folder'));
    for (const path of [join(folder, 'file', 'x'), join(folder, 'file', 'x', 'y')])
      await expect(writeAtomic(path, NEW)).rejects.toEqual(
        failing(5, { what: 'a file stands where a folder is needed', where: path }),
      );
    await expect(writeAtomic(join(folder, 'folder'), NEW)).rejects.toEqual(
      failing(5, { what: 'a folder stands where a file is needed', got: 'EISDIR' }),
    );
    expect((await readdir(folder)).sort()).toEqual(['file', 'folder']);
  });

  it.skipIf(process.getuid?.() === 0)('says that it has no permission', async () => {
    const folder = await tempFolder();
    await chmod(folder, 0o500);
    await expect(writeAtomic(join(folder, 'x'), NEW)).rejects.toEqual(failing(5, { what: 'no permission' }));
  });
});

describe('a write of what is absent', () => {
  it('creates the file once and never touches it again', async () => {
    const folder = await tempFolder();
    const path = join(folder, 'a', 'file');
    expect(await writeIfAbsent(path, OLD)).toBe(true);
    const { mtimeMs, ino } = await stat(path);
    expect(await writeIfAbsent(path, NEW)).toBe(false);
    expect(await contentOf(path)).toBe(OLD);
    expect(await stat(path)).toMatchObject({ mtimeMs, ino });
    expect(await readdir(join(folder, 'a'))).toEqual(['file']);
  });

  it('leaves the whole file or none, and no staging file, whichever call fails', async () => {
    for (let failAt = 1; failAt <= 4; failAt++) {
      const folder = await tempFolder();
      const path = join(folder, 'file');
      const fs = failingFs({ failAt, code: 'EROFS' });
      await expect(writeIfAbsent(path, NEW, fs)).rejects.toEqual(failing(5, { got: 'EROFS' }));
      const failed = fs.calls[failAt - 1];
      expect(await contentOf(path), failed).toBe(failed === 'syncFolder' ? NEW : null);
      expect(await readdir(folder), failed).toEqual(failed === 'syncFolder' ? ['file'] : []);
    }
  });

  it('has done its work when only the removal of the staging file fails', async () => {
    const folder = await tempFolder();
    const fs = failingFs({ failAt: 5 });
    expect(await writeIfAbsent(join(folder, 'file'), NEW, fs)).toBe(true);
    expect(fs.calls).toEqual(['makeFolder', 'writeNew', 'link', 'syncFolder', 'remove']);
    expect(await contentOf(join(folder, 'file'))).toBe(NEW);
  });

  it('does not take a file in place of its folder for the absent file', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'file'), '');
    await expect(writeIfAbsent(join(folder, 'file', 'x'), NEW)).rejects.toEqual(
      failing(5, { what: 'a file stands where a folder is needed' }),
    );
  });

  it('lets one of fifty calls win, with its bytes', async () => {
    const folder = await tempFolder();
    const path = join(folder, 'file');
    const texts = Array.from({ length: 50 }, (_, i) => String(i).repeat(3000));
    const won = await Promise.all(texts.map((text) => writeIfAbsent(path, text)));
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await contentOf(path)).toBe(texts[won.indexOf(true)]);
    expect(await readdir(folder)).toEqual(['file']);
  });

  it('lets one of four processes win each of twenty files, with its bytes', async () => {
    const folder = await tempFolder();
    await compileRooms(folder, ['core', 'store']);
    const act = `import { writeIfAbsent } from './store/atomic.js';
      export const act = () => Promise.all(Array.from({ length: 20 }, (_, i) =>
        writeIfAbsent(new URL('files/' + i, import.meta.url).pathname, String(process.pid).repeat(500))));`;
    const racers = await Promise.all(Array.from({ length: 4 }, () => startProcess(folder, act)));
    const won = (await Promise.all(racers.map((racer) => racer.act()))) as boolean[][];
    for (let i = 0; i < 20; i++) {
      const winners = racers.filter((_, racer) => won[racer]![i]);
      expect(winners).toHaveLength(1);
      expect(await contentOf(join(folder, 'files', String(i)))).toBe(
        String(winners[0]!.child.pid).repeat(500),
      );
    }
    expect(await readdir(join(folder, 'files'))).toHaveLength(20);
  });
});
