import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { type OnnxGraph, buildOnnx, encodeOnnx } from '../../src/format/onnx-model.ts';
import { decodeOnnx } from '../support/decode-onnx.ts';

const chain: OnnxGraph = {
  name: 'chain',
  inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 2] }],
  outputs: [{ name: 'z', dtype: 'float32', shape: ['n', 2] }],
  initializers: [
    { name: 'two', dtype: 'float32', shape: [], data: Float32Array.of(2) },
    { name: 'three', dtype: 'float32', shape: [], data: Float32Array.of(3) },
  ],
  nodes: [
    { op: 'Mul', inputs: ['x', 'two'], outputs: ['y'] },
    { op: 'LeakyRelu', inputs: ['y'], outputs: ['w'], attributes: { alpha: { kind: 'float', value: 0.5 } } },
    { op: 'Add', inputs: ['w', 'three'], outputs: ['z'] },
  ],
};

describe('a built model', () => {
  it('runs in onnxruntime with initializers, attributes and a free dimension', async () => {
    const session = await ort.InferenceSession.create(encodeOnnx(buildOnnx(chain)), { intraOpNumThreads: 1 });
    const x = new ort.Tensor('float32', [1, -1, 2, -2, 3, -3], [3, 2]);
    const { z } = await session.run({ x });
    await session.release();
    expect([...(z!.data as Float32Array)]).toEqual([5, 2, 7, 1, 9, 0]);
  });

  it('is what was built, at opset 18', () => {
    const model = decodeOnnx(encodeOnnx(buildOnnx(chain)));
    expect(model.opsetImport!.map(({ version }) => Number(version))).toEqual([18]);
    expect(model.graph!.node!.map((node) => node.opType)).toEqual(['Mul', 'LeakyRelu', 'Add']);
  });
});
