import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodeFs } from '../../src/store/commit-fs.ts';
import { dropStaging, stagingName } from '../../src/store/staging.ts';
import { failing } from '../support/failing.ts';
import { failingFs } from '../support/failing-fs.ts';
import { deadPid } from '../support/other-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** A name as the process with this pid would have made it. */
const nameOf = (pid: number): string => stagingName('write').replace(`-${process.pid}-`, `-${pid}-`);

describe('a staging name', () => {
  it('is hidden and never given twice', () => {
    const names = Array.from({ length: 100 }, () => stagingName('put'));
    expect(new Set(names).size).toBe(100);
    expect(names.every((name) => name.startsWith('.put.') && name.endsWith('.tmp'))).toBe(true);
  });
});

describe('dropping staging files', () => {
  it('removes those of dead processes of this host and nothing else', async () => {
    const folder = await tempFolder();
    const dead = deadPid();
    const stay = [
      'part.arrow',
      '.latest',
      '.write.tmp',
      stagingName('write'),
      nameOf(process.ppid),
      nameOf(dead).replace(/^\.write\.[0-9a-f]{8}/, '.write.00000000'),
      nameOf(dead).slice(1),
      `${nameOf(dead)}.jpg`,
    ];
    for (const name of [...stay, nameOf(dead), nameOf(dead)]) await writeFile(join(folder, name), 'x');
    await mkdir(join(folder, 'inner'));
    await writeFile(join(folder, 'inner', nameOf(dead)), 'x');
    expect(await dropStaging(folder, nodeFs)).toBe(2);
    expect((await readdir(folder)).sort()).toEqual([...stay, 'inner'].sort());
    expect(await readdir(join(folder, 'inner'))).toHaveLength(1);
    expect(await dropStaging(folder, nodeFs)).toBe(0);
  });

  it('finds nothing in a folder that is not there', async () => {
    expect(await dropStaging(join(await tempFolder(), 'none'), nodeFs)).toBe(0);
  });

  it('says why it could not', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, nameOf(deadPid())), 'x');
    for (const failAt of [1, 2])
      await expect(dropStaging(folder, failingFs({ failAt, code: 'EACCES' }))).rejects.toEqual(
        failing(5, { what: 'no permission', where: folder }),
      );
  });
});
