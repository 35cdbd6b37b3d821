import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { stringify } from 'yaml';
import { describe, expect, it } from 'vitest';
import type { OnnxModel } from '../../src/format/onnx-model.ts';
import { openTeacher } from '../../src/teachers/open-teacher.ts';
import { loadTeacher } from '../../src/teachers/registry.ts';
import { encode } from '../format/onnx-parts.ts';
import { decodeOnnx } from '../support/decode-onnx.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { tinyManifest, tinyOnnx } from '../support/tiny-teacher.ts';

const ENGINE = `onnxruntime ${ort.env.versions.node!}`;

async function opened(change: (model: OnnxModel) => void): Promise<unknown> {
  const model = decodeOnnx(tinyOnnx());
  change(model);
  const onnx = encode(model);
  const folder = await tempFolder();
  await writeFile(join(folder, 'tiny.onnx'), onnx);
  await writeFile(join(folder, 'tiny.yaml'), stringify(tinyManifest(onnx)));
  const teacher = await loadTeacher('tiny.yaml', { baseFolder: folder });
  return openTeacher(teacher, { sizePx: 16, batch: 1 }, { device: 'cpu', threads: 1 });
}

describe('a model that this version of the engine cannot load', () => {
  it('for its operator set is told which it needs and the highest the engine has', async () => {
    await expect(opened((model) => (model.opsetImport![0]!.version = 99))).rejects.toThrow(
      failing(3, {
        what: 'a model needs a newer operator set than the engine has',
        where: 'tiny at 16 px',
        wanted: expect.stringMatching(/^opset \d+ of ai\.onnx at most, the highest that onnxruntime \d/),
        got: 'opset 99 of ai.onnx',
        next: expect.stringMatching(/^export the model again with opset \d+, or install/),
      }),
    );
  });

  it('for its format is told so too', async () => {
    await expect(opened((model) => (model.irVersion = 99))).rejects.toThrow(
      failing(3, {
        what: 'a model is of a newer format than the engine reads',
        wanted: expect.stringContaining(`at most, the highest that ${ENGINE} knows`),
        got: 'ONNX IR version 99',
      }),
    );
  });

  it('for an operator that its opset does not have is told the operator', async () => {
    await expect(opened((model) => (model.graph!.node![1]!.opType = 'Frobnicate'))).rejects.toThrow(
      failing(3, {
        what: 'a model has an operator that the engine does not have',
        wanted: `operators that ${ENGINE} has in opset 18`,
        got: 'Frobnicate',
      }),
    );
  });

  it('for a node of another opset than it declares is told the node, and since when its operator was so', async () => {
    const change = (model: OnnxModel): void => {
      model.opsetImport![0]!.version = 9;
      // axes are an input since opset 13 only
      model.graph!.node!.at(-1)!.opType = 'Squeeze';
      model.graph!.node!.at(-1)!.input!.push('kernel');
    };
    await expect(opened(change)).rejects.toThrow(
      failing(3, {
        what: 'a node of a model does not fit the operator set that the model declares',
        wanted: 'Squeeze as opset 1 introduced it',
        got: expect.stringContaining('has input size 2 not in range [min=1, max=1]'),
      }),
    );
  });

  it('for an operator of a domain that nobody registered is told both', async () => {
    const change = (model: OnnxModel): void => {
      model.opsetImport!.push({ domain: 'com.acme', version: 1 });
      model.graph!.node![1]!.domain = 'com.acme';
    };
    await expect(opened(change)).rejects.toThrow(
      failing(3, {
        what: 'a model has an operator that the engine does not have',
        got: 'Relu of com.acme',
      }),
    );
  });
});
