import { rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/digest.ts';
import { FileDigests } from '../../src/core/file-digests.ts';
import { tempFolder } from '../support/temp-folder.ts';

async function file(text = 'one') {
  const folder = await tempFolder();
  const path = join(folder, 'weights.bin');
  await writeFile(path, text);
  return { folder, path, digests: new FileDigests() };
}

describe('digests of files', () => {
  it('are computed once for a file that stays the same, also when asked for at once', async () => {
    const { path, digests } = await file();
    expect(await Promise.all([digests.of(path), digests.of(path)])).toEqual([sha256('one'), sha256('one')]);
    expect(await digests.of(path)).toBe(sha256('one'));
    expect(digests.hashed).toBe(1);
  });

  it('follow a file that is written anew with the same length, even when its time is set back', async () => {
    const { path, digests } = await file();
    const at = new Date('2026-01-01');
    await utimes(path, at, at);
    expect(await digests.of(path)).toBe(sha256('one'));
    await writeFile(path, 'two');
    await utimes(path, at, at);
    expect(await digests.of(path)).toBe(sha256('two'));
  });

  it('follow a file that another one is moved over', async () => {
    const { folder, path, digests } = await file();
    expect(await digests.of(path)).toBe(sha256('one'));
    await writeFile(join(folder, 'new'), 'two');
    await rename(join(folder, 'new'), path);
    expect(await digests.of(path)).toBe(sha256('two'));
  });

  it('of a file that grows meanwhile are not kept', async () => {
    const { path, digests } = await file('x'.repeat(1 << 24));
    const reading = digests.of(path);
    await writeFile(path, 'longer '.repeat(1 << 22));
    await reading.catch(() => undefined);
    expect(await digests.of(path)).toBe(sha256('longer '.repeat(1 << 22)));
  });

  it('of a file that is not there reject with the system error, and are asked for again', async () => {
    const { folder, digests } = await file();
    const path = join(folder, 'later');
    await expect(digests.of(path)).rejects.toMatchObject({ code: 'ENOENT' });
    await writeFile(path, 'here');
    expect(await digests.of(path)).toBe(sha256('here'));
  });

  it('can be handed to another thread, which hashes only what has changed since', async () => {
    const { folder, path, digests } = await file();
    const other = join(folder, 'other');
    await writeFile(other, 'other');
    await Promise.all([digests.of(path), digests.of(other)]);
    const handed = new FileDigests(structuredClone(await digests.files()));
    await writeFile(path, 'two');
    expect([await handed.of(path), await handed.of(other)]).toEqual([sha256('two'), sha256('other')]);
    expect(handed.hashed).toBe(1);
  });
});
