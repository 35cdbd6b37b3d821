import { chmod, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/digest.ts';
import type { Digest } from '../../src/core/ids.ts';
import { ContentStore } from '../../src/store/content-store.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';

const A = sha256('a');
const B = sha256('b');

async function storeWith(...contents: string[]): Promise<ContentStore> {
  const folder = await tempFolder();
  const store = new ContentStore(join(folder, 'store'));
  for (const content of contents) {
    const path = join(folder, 'came');
    await writeFile(path, content);
    await store.adopt(path, sha256(content));
  }
  return store;
}

describe('a blob', () => {
  it('lies under its digest, read-only, and its size is told without reading it', async () => {
    const store = await storeWith('a');
    expect(await readFile(join(store.root, 'blobs', 'sha256', A.slice(0, 2), A), 'utf8')).toBe('a');
    expect((await stat(store.pathOf(A))).mode & 0o777).toBe(0o444);
    expect([await store.sizeBytes(A), await store.sizeBytes(B)]).toEqual([1, null]);
  });

  it('that comes a second time changes nothing', async () => {
    const store = await storeWith('a', 'a');
    expect([
      await store.verify(A),
      await readdir(join(store.root, 'blobs', 'sha256', A.slice(0, 2))),
    ]).toEqual([true, [A]]);
  });

  it('that was damaged does not verify, and is gone then', async () => {
    const store = await storeWith('a');
    await chmod(store.pathOf(A), 0o644);
    await writeFile(store.pathOf(A), 'x');
    expect([await store.verify(A), await store.sizeBytes(A), await store.verify(A)]).toEqual([
      false,
      null,
      false,
    ]);
  });
});

describe('a set of files', () => {
  const set = [
    { name: 'model.onnx', sha256: A },
    { name: 'data/model.bin', sha256: B },
  ];

  it('lies under its names, shares its bytes with the blobs, and is the same folder each time', async () => {
    const store = await storeWith('a', 'b');
    const folder = await store.folderOf(set);
    expect(await readFile(join(folder, 'data', 'model.bin'), 'utf8')).toBe('b');
    expect((await stat(join(folder, 'model.onnx'))).ino).toBe((await stat(store.pathOf(A))).ino);
    expect(await store.folderOf(set)).toBe(folder);
    expect(await readdir(join(store.root, 'sets'))).toHaveLength(1);
  });

  it('of other names or bytes is another folder', async () => {
    const store = await storeWith('a', 'b');
    const folders = await Promise.all([
      store.folderOf(set),
      store.folderOf([{ name: 'model.onnx', sha256: A }]),
      store.folderOf([{ name: 'model.onnx', sha256: B }]),
    ]);
    expect(new Set(folders).size).toBe(3);
  });

  it('made by many at once is whole for each of them', async () => {
    const store = await storeWith('a', 'b');
    const folders = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const folder = await store.folderOf(set);
        return [folder, await readFile(join(folder, 'data', 'model.bin'), 'utf8')];
      }),
    );
    expect(new Set(folders.map(([folder]) => folder)).size).toBe(1);
    expect(folders.every(([, content]) => content === 'b')).toBe(true);
    expect(await readdir(join(store.root, 'sets'))).toHaveLength(1);
  });

  it('that holds a blob which was damaged and came anew holds the new one', async () => {
    const store = await storeWith('a', 'b');
    const folder = await store.folderOf(set);
    await chmod(store.pathOf(A), 0o644);
    await writeFile(store.pathOf(A), 'x');
    await store.verify(A);
    const came = join(store.root, 'came');
    await writeFile(came, 'a');
    await store.adopt(came, A);
    expect(await store.folderOf(set)).toBe(folder);
    expect(await readFile(join(folder, 'model.onnx'), 'utf8')).toBe('a');
  });
});

it('a store whose place is a file is told', async () => {
  const folder = await tempFolder();
  await writeFile(join(folder, 'store'), '');
  const store = new ContentStore(join(folder, 'store'));
  await writeFile(join(folder, 'came'), 'a');
  await expect(store.adopt(join(folder, 'came'), A)).rejects.toThrow(failing(5, {}));
  await expect(store.sizeBytes('f'.repeat(64) as Digest)).rejects.toThrow(failing(5, { got: 'ENOTDIR' }));
});
