import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { messageOf } from '../../src/core/failure.ts';
import { asStoreFailure, nodeFs } from '../../src/store/commit-fs.ts';
import { failing } from '../support/failing.ts';
import { failingFs, systemError } from '../support/failing-fs.ts';
import { tempFolder } from '../support/temp-folder.ts';

describe('a system error', () => {
  it.each([
    ['ENOSPC', 'the disk is full'],
    ['EDQUOT', 'the disk quota is used up'],
    ['EROFS', 'the folder is on a read-only medium'],
    ['EACCES', 'no permission'],
    ['EPERM', 'not permitted'],
    ['ENOTDIR', 'a file stands where a folder is needed'],
    ['EEXIST', 'a file stands where a folder is needed'],
    ['EISDIR', 'a folder stands where a file is needed'],
    ['EMFILE', 'too many open files'],
    ['EIO', 'the medium reported a read or write error'],
  ])('%s becomes an operator failure: %s', (code, what) => {
    const cause = systemError(code);
    const error = asStoreFailure(cause, 'out/x');
    expect(error).toEqual(failing(5, { kind: 'environment', what, where: 'out/x', got: code }));
    const { failure, cause: kept } = error as { failure: Parameters<typeof messageOf>[0]; cause: unknown };
    expect(failure.next).not.toBe('');
    expect(kept).toBe(cause);
  });

  it('that nobody can act on stays itself, and so does anything else', () => {
    for (const error of [systemError('EBADF'), new Error('internal: x'), 'text', undefined])
      expect(asStoreFailure(error, 'out/x')).toBe(error);
  });
});

describe('the file system of this machine', () => {
  it('makes a folder with those above it, also through dots, and once more without complaint', async () => {
    const folder = await tempFolder();
    await nodeFs.makeFolder(`${folder}/a/b/../../c/d`);
    await nodeFs.makeFolder(`${folder}/c/d`);
    await nodeFs.makeFolder(`${folder}/x/y/../../../${folder.slice(folder.lastIndexOf('/') + 1)}/z`);
    expect((await readdir(folder, { recursive: true })).sort()).toEqual(['c', 'c/d', 'z']);
  });

  it('refuses to write a new file over another', async () => {
    const path = join(await tempFolder(), 'file');
    await nodeFs.writeNew(path, Buffer.from('first'));
    await expect(nodeFs.writeNew(path, Buffer.from('second'))).rejects.toMatchObject({ code: 'EEXIST' });
    expect(await readFile(path, 'utf8')).toBe('first');
    expect(await nodeFs.sizeBytes(path)).toBe(5);
  });

  it('refuses to link over a file', async () => {
    const folder = await tempFolder();
    await nodeFs.writeNew(join(folder, 'a'), Buffer.from('a'));
    await nodeFs.writeNew(join(folder, 'b'), Buffer.from('b'));
    await expect(nodeFs.link(join(folder, 'a'), join(folder, 'b'))).rejects.toMatchObject({ code: 'EEXIST' });
  });

  it('removes what is not there without complaint', async () => {
    await expect(nodeFs.remove(join(await tempFolder(), 'none'))).resolves.toBeUndefined();
  });
});

describe('the failing file system of the tests', () => {
  it('fails the call it was told, tears a write and lets the others through', async () => {
    const folder = await tempFolder();
    const fs = failingFs({ failAt: 2, code: 'EIO' });
    await fs.makeFolder(join(folder, 'a'));
    const path = join(folder, 'a', 'file');
    await expect(fs.writeNew(path, Buffer.from('12345678'))).rejects.toMatchObject({ code: 'EIO' });
    expect(Buffer.from(await fs.read(path)).toString()).toBe('1234');
    expect(fs.calls).toEqual(['makeFolder', 'writeNew', 'read']);
  });
});
