// Models that cannot be used, through the command that says so: one teacher's trouble each, all told in one run.
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { expect, it } from 'vitest';
import type { Failure } from '../../src/core/failure.ts';
import { encode } from '../format/onnx-parts.ts';
import { decodeOnnx } from '../support/decode-onnx.ts';
import { cli, expectOneMessage } from '../support/run-cli.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { GOLDEN, lookAlike, shippedManifest, teacherOf } from '../teachers/look-alikes.ts';

/** A DINOv2 look-alike as a user would have it: its manifest in a file, its model beside it. */
async function write(cwd: string, name: string, change: (manifest: object) => object = (m) => m) {
  const { manifest } = teacherOf(lookAlike('dinov2'));
  const weights = { uri: `file:${name}/model.onnx`, sha256: null };
  const changed = { ...change({ ...manifest, name }), weights };
  await writeFile(join(cwd, 'models', `${name}.yaml`), stringify(changed));
  await mkdir(join(cwd, 'models', name));
  return join(cwd, 'models', name, 'model.onnx');
}

it('each model that cannot be used is told in the words of its own trouble, and one that can be is not', async () => {
  const cwd = await tempFolder();
  await mkdir(join(cwd, 'models'));
  const source = `${GOLDEN}/dinov2/model.onnx`;
  const whole = await readFile(source);

  await copyFile(source, await write(cwd, 'sound'));
  await writeFile(await write(cwd, 'truncated'), whole.subarray(0, 60_000));
  await copyFile(`${GOLDEN}/dinov2/external/model.onnx`, await write(cwd, 'data-missing'));
  await copyFile(`${GOLDEN}/dinov2/external/model.onnx`, await write(cwd, 'data-short'));
  const data = await readFile(`${GOLDEN}/dinov2/external/model.onnx_data`);
  await writeFile(join(cwd, 'models', 'data-short', 'model.onnx_data'), data.subarray(0, 50_000));
  const newer = decodeOnnx(whole);
  newer.opsetImport![0]!.version = 99;
  await writeFile(await write(cwd, 'newer-opset'), encode(newer));
  const spatial = shippedManifest('dinov2-small')['spatial'] as object;
  const tap = { ...spatial, channels: 16, tensor: '/encoder/layer.1/Add_9_output_0' };
  await copyFile(source, await write(cwd, 'unknown-tap', (m) => ({ ...m, spatial: tap })));
  const stride = { ...spatial, channels: 16, patchPx: 28 };
  await copyFile(source, await write(cwd, 'wrong-stride', (m) => ({ ...m, spatial: stride })));

  const names = [
    'sound',
    'truncated',
    'data-missing',
    'data-short',
    'newer-opset',
    'unknown-tap',
    'wrong-stride',
  ];
  const paths = names.map((name) => `models/${name}.yaml`);
  const result = await cli(['teachers', 'check', ...paths, '--size', '56', '--json'], { cwd });
  expect(expectOneMessage(result, 3)).toContain('truncated');
  const { teachers } = JSON.parse(result.stdout) as {
    teachers: { teacher: string; verdict: string; trouble: Failure | null }[];
  };
  expect(teachers).toMatchObject([
    { teacher: 'sound', verdict: 'fits', trouble: null },
    {
      teacher: 'truncated',
      verdict: 'does-not-fit',
      trouble: { what: 'an ONNX model ends before its graph does', got: '60000 bytes' },
    },
    {
      teacher: 'data-missing',
      verdict: 'not-run',
      trouble: {
        what: 'the external data of a model is not on this machine',
        wanted: 'model.onnx_data',
        got: expect.stringContaining('data-missing'),
      },
    },
    {
      teacher: 'data-short',
      verdict: 'does-not-fit',
      trouble: {
        what: 'the external data of a model ends before its tensors do',
        wanted: `at least ${data.length} bytes`,
        got: '50000 bytes',
      },
    },
    {
      teacher: 'newer-opset',
      verdict: 'does-not-fit',
      trouble: {
        got: 'opset 99 of ai.onnx',
        wanted: expect.stringMatching(/^opset \d+ of ai\.onnx at most/),
      },
    },
    {
      teacher: 'unknown-tap',
      verdict: 'does-not-fit',
      trouble: {
        got: expect.stringMatching(
          /nearest: \/encoder\/layer\.1\/Add_\d_output_0.*; outputs: last_hidden_state, pooler_output$/,
        ),
      },
    },
    {
      teacher: 'wrong-stride',
      verdict: 'does-not-fit',
      trouble: {
        what: "the grid of a teacher's spatial tap does not match its stride",
        wanted: '2 x 2 cells of 28 px',
        got: '4 x 4',
      },
    },
  ]);
});
