import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadTeacher, teachersOf } from '../../src/teachers/registry.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';

describe('a teacher', () => {
  it('that nobody knows is answered with the nearest names', async () => {
    await expect(loadTeacher('nanodte', { baseFolder: '.' })).rejects.toThrow(
      failing(3, { got: 'nanodte', next: expect.stringContaining('nearest: nanodet') }),
    );
  });

  it('given by a path starts its file: URIs in the folder of its manifest', async () => {
    const folder = await tempFolder();
    await writeTinyTeacher(join(folder, 'mine'));
    expect(await loadTeacher('mine/tiny.yaml', { baseFolder: folder })).toMatchObject({
      folder: join(folder, 'mine'),
      given: 'mine/tiny.yaml',
      manifest: { name: 'tiny' },
    });
  });
});

describe('teachers', () => {
  it('are all the bundled ones when none is named', async () => {
    const names = (await teachersOf([], { baseFolder: '.' })).map(({ manifest }) => `${manifest.name}.yaml`);
    expect(names).toEqual(
      (await readdir('manifests/teachers')).filter((name) => name.endsWith('.yaml')).sort(),
    );
  });

  it('of a folder are its manifests, each once however often it is named', async () => {
    const folder = await tempFolder();
    await writeTinyTeacher(join(folder, 'mine'), { name: 'b' });
    await writeTinyTeacher(join(folder, 'mine'), { name: 'a' });
    const teachers = await teachersOf(['mine', 'nanodet', 'mine/a.yaml'], { baseFolder: folder });
    expect(teachers.map(({ given }) => given)).toEqual([
      join('mine', 'a.yaml'),
      join('mine', 'b.yaml'),
      'nanodet',
    ]);
  });

  it('of a folder that holds none are missed', async () => {
    const folder = await tempFolder();
    await mkdir(join(folder, 'empty'));
    await writeFile(join(folder, 'empty', 'readme.txt'), '');
    await expect(teachersOf(['empty'], { baseFolder: folder })).rejects.toThrow(
      failing(3, { where: join(folder, 'empty'), wanted: 'files that end in .yaml' }),
    );
  });
});
