import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderRecords, folderSourceSchema } from '../../../src/images/sources/folder.ts';
import { listOf, put, tempFolder } from '../tiny-images.ts';

const collect = async (root: string, options: Record<string, unknown> = {}) => {
  const source = folderSourceSchema.parse({ kind: 'folder', ...options });
  return listOf(folderRecords(source, root));
};

describe('the folder source', () => {
  it('lists images in the byte order of their paths, other files not at all', async () => {
    const root = await tempFolder({
      'b.png': '',
      'a/z.JPG': '',
      'a.png': '',
      'a/b/c.webp': '',
      'readme.txt': '',
      noending: '',
      'B.png': '',
    });
    expect((await collect(root)).map(({ uri }) => uri)).toEqual([
      'B.png',
      'a.png',
      'a/b/c.webp',
      'a/z.JPG',
      'b.png',
    ]);
  });

  it('tells the endings of the files that it leaves out', async () => {
    const root = await tempFolder({ 'a.png': '', 'a/b.BMP': '', 'c.bmp': '', noending: '' });
    const endings: string[] = [];
    const source = folderSourceSchema.parse({ kind: 'folder' });
    await listOf(folderRecords(source, root, (ending) => endings.push(ending)));
    expect(endings.sort()).toEqual(['', 'bmp', 'bmp']);
  });

  it('takes labels and groups from folders', async () => {
    const root = await tempFolder({ 'pics/cat/day1/1.png': '', 'pics/2.png': '' });
    const records = await collect(root, { path: './pics/', label: 'top', group: 'parent' });
    expect(records).toEqual([
      { uri: 'pics/2.png', name: 'pics/2.png', label: null, split: null, group: null },
      { uri: 'pics/cat/day1/1.png', name: 'pics/cat/day1/1.png', label: 'cat', split: null, group: 'day1' },
    ]);
  });

  it('keeps labels as text and names as bytes', async () => {
    const root = await tempFolder();
    await mkdir(join(root, 'é'));
    await put(Buffer.from(join(root, 'é', 'x.png')), '');
    await mkdir(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xe9])]));
    await put(
      Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xe9, 0x2f, 0x78]), Buffer.from('.png')]),
      '',
    );
    const records = await collect(root, { label: 'parent' });
    expect(records.map(({ uri, label }) => [uri, label])).toEqual([
      ['%C3%A9/x.png', 'é'],
      ['%E9/x.png', '%E9'],
    ]);
  });

  it('follows links to files and folders once round, and keeps dangling ones', async () => {
    const root = await tempFolder({ 'real/1.png': '' });
    await symlink('real', join(root, 'link'));
    await symlink('..', join(root, 'real', 'loop'));
    await symlink('nowhere', join(root, 'dangling.png'));
    const uris = (await collect(root)).map(({ uri }) => uri);
    expect(uris).toContain('real/1.png');
    expect(uris).toContain('link/1.png');
    expect(uris).toContain('dangling.png');
    expect(uris.length).toBeLessThan(10);
  });

  it('says which folder is missing', async () => {
    const root = await tempFolder();
    await expect(collect(root, { path: 'none' })).rejects.toMatchObject({
      failure: { kind: 'bad-input', where: `${root}/none/`, got: 'ENOENT' },
    });
  });
});
