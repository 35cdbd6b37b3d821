/** A teacher of a few kilobytes: random weights, for tests of the machinery only. Nothing is claimed about its features. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { sha256 } from '../../src/core/digest.ts';
import { Rng } from '../../src/core/rng.ts';
import { type OnnxGraph, buildOnnx, encodeOnnx } from '../../src/format/onnx-model.ts';

export const TINY_CHANNELS = 8;
export const TINY_STRIDE_PX = 4;

export interface TinyOptions {
  /** Seed of the weights. */
  readonly seed?: number;
  /** Side that the graph insists on; free by default. */
  readonly fixedPx?: number;
  /** Fixed batch of the graph's output, whatever comes in; free by default. */
  readonly firstRowOnly?: boolean;
  /** Answers NaN for an image whose mean, normalised, is below this. */
  readonly nanBelow?: number;
  /** Matrix products of 384 x 384 per call that change no value: about a millisecond each. For runs that are to be interrupted. */
  readonly idleProducts?: number;
  /** Sets so many values aside meanwhile: the number of rows to this power. They change no value. */
  readonly hungerPower?: number;
}

/** x [n, 3, s, s] -> map [n, 8, s/4, s/4]: a patch convolution and a ReLU. */
export function tinyOnnx(options: TinyOptions = {}): Uint8Array {
  const rng = new Rng(options.seed ?? 1, 'tiny teacher');
  const side = options.fixedPx ?? 's';
  const kernel = Float32Array.from({ length: TINY_CHANNELS * 3 * 16 }, () => rng.normal() / 7);
  const stride = { kind: 'ints', value: [TINY_STRIDE_PX, TINY_STRIDE_PX] } as const;
  const idle = idleNodes(options.idleProducts ?? 0, rng);
  const hunger = hungerNodes(options.hungerPower ?? 0);
  const ending = options.firstRowOnly
    ? ({ nodes: firstRow, initializers: ints(['begin', [0]], ['end', [1]], ['axis', [0]]) } as const)
    : options.nanBelow === undefined
      ? { nodes: [{ op: 'Identity', inputs: ['positive'], outputs: ['map'] }], initializers: [] }
      : { nodes: nanNodes, initializers: nanValues(options.nanBelow) };
  return encodeOnnx(
    buildOnnx({
      name: 'tiny',
      inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 3, side, side] }],
      outputs: [{ name: 'map', dtype: 'float32', shape: ['m', TINY_CHANNELS, 'h', 'w'] }],
      initializers: [
        { name: 'kernel', dtype: 'float32', shape: [TINY_CHANNELS, 3, 4, 4], data: kernel },
        ...ending.initializers,
        ...idle.initializers,
        ...hunger.initializers,
      ],
      nodes: [
        {
          op: 'Conv',
          inputs: [hunger.nodes.length === 0 ? 'x' : 'fed', 'kernel'],
          outputs: ['patches'],
          attributes: { strides: stride },
        },
        { op: 'Relu', inputs: ['patches'], outputs: [idle.nodes.length === 0 ? 'positive' : 'busy'] },
        ...idle.nodes,
        ...hunger.nodes,
        ...ending.nodes,
      ],
    }),
  );
}

type Nodes = OnnxGraph['nodes'];
type Initializers = OnnxGraph['initializers'];

const firstRow: Nodes = [{ op: 'Slice', inputs: ['positive', 'begin', 'end', 'axis'], outputs: ['map'] }];

/** map + 0 * sqrt(mean(x) - limit): NaN below the limit, the map itself above. */
const nanNodes: Nodes = [
  { op: 'ReduceMean', inputs: ['x', 'axes'], outputs: ['mean'] },
  { op: 'Sub', inputs: ['mean', 'limit'], outputs: ['above'] },
  { op: 'Sqrt', inputs: ['above'], outputs: ['root'] },
  { op: 'Mul', inputs: ['root', 'zero'], outputs: ['nothing'] },
  { op: 'Add', inputs: ['positive', 'nothing'], outputs: ['map'] },
];

/** positive = busy + 0 * mean of a long chain of products that starts from the input, so that nothing of it can be folded. */
function idleNodes(
  products: number,
  rng: Rng,
): { readonly nodes: Nodes; readonly initializers: Initializers } {
  if (products === 0) return { nodes: [], initializers: [] };
  const side = 384;
  const matrix = Float32Array.from({ length: side * side }, () => rng.normal() / Math.sqrt(side));
  return {
    nodes: [
      { op: 'ReduceMean', inputs: ['x', 'all'], outputs: ['level'], attributes: flat },
      { op: 'Mul', inputs: ['matrix', 'level'], outputs: ['chain0'] },
      ...Array.from({ length: products }, (_, i) => ({
        op: 'MatMul',
        inputs: [`chain${i}`, 'matrix'],
        outputs: [`chain${i + 1}`],
      })),
      {
        op: 'ReduceMean',
        inputs: [`chain${products}`, 'sides'],
        outputs: ['end'],
        attributes: flat,
      },
      { op: 'Mul', inputs: ['end', 'none'], outputs: ['naught'] },
      { op: 'Add', inputs: ['busy', 'naught'], outputs: ['positive'] },
    ],
    initializers: [
      { name: 'matrix', dtype: 'float32', shape: [side, side], data: matrix },
      { name: 'none', dtype: 'float32', shape: [], data: Float32Array.of(0) },
      ...ints(['all', [0, 1, 2, 3]], ['sides', [0, 1]]),
    ],
  };
}

/** Between input and convolution: fed = x + 0 * max of zeros in the shape [n, n, ...] of `power` axes. */
function hungerNodes(power: number): { readonly nodes: Nodes; readonly initializers: Initializers } {
  if (power === 0) return { nodes: [], initializers: [] };
  return {
    nodes: [
      { op: 'Shape', inputs: ['x'], outputs: ['sizes'] },
      { op: 'Gather', inputs: ['sizes', 'rowsAt'], outputs: ['rows'] },
      { op: 'Tile', inputs: ['rows', 'power'], outputs: ['many'] },
      { op: 'ReduceProd', inputs: ['many', 'firstAxis'], outputs: ['count'] },
      { op: 'ConstantOfShape', inputs: ['count'], outputs: ['aside'] },
      { op: 'ReduceMax', inputs: ['aside', 'firstAxis'], outputs: ['crumb'], attributes: flat },
      { op: 'Add', inputs: ['x', 'crumb'], outputs: ['fed'] },
    ],
    initializers: ints(['rowsAt', [0]], ['power', [power]], ['firstAxis', [0]]),
  };
}

const flat = { keepdims: { kind: 'int', value: 0 } } as const;

function nanValues(limit: number): Initializers {
  const scalar = (name: string, value: number) =>
    ({ name, dtype: 'float32', shape: [], data: Float32Array.of(value) }) as const;
  return [scalar('limit', limit), scalar('zero', 0), ...ints(['axes', [1, 2, 3]])];
}

function ints(...values: readonly [name: string, value: readonly number[]][]): Initializers {
  return values.map(([name, value]) => ({
    name,
    dtype: 'int64',
    shape: [value.length],
    data: BigInt64Array.from(value, BigInt),
  }));
}

/** The same model made larger by a description of so many bytes (ModelProto.doc_string, field 6). */
export function enlarged(onnx: Uint8Array, bytes: number): Uint8Array {
  const length: number[] = [];
  for (let rest = bytes; ; rest >>>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) break;
  }
  return Buffer.concat([onnx, Uint8Array.of(6 * 8 + 2, ...length), Buffer.alloc(bytes, 'x')]);
}

/** The manifest as an object; a test changes what it wants. */
export function tinyManifest(onnx: Uint8Array, name = 'tiny') {
  return {
    version: 1,
    name,
    engine: 'onnx',
    weights: { uri: `file:${name}.onnx`, sha256: sha256(onnx) as string },
    licence: { spdx: 'Apache-2.0' },
    source: 'random weights, for tests',
    input: {
      name: 'x',
      layout: 'NCHW',
      batch: 'any',
      colour: 'RGB',
      sizesPx: { multipleOf: 4, min: 8, max: 64 },
      mean: [0, 0, 0],
      std: [1, 1, 1],
      resize: { rule: 'squash', kernel: 'linear' },
    },
    summary: { tensor: 'map', from: 'mean-pool', layout: 'NCHW' },
    spatial: { tensor: 'map', layout: 'NCHW', stridePx: TINY_STRIDE_PX },
    lossWeights: { summary: 1, spatial: 1 },
  };
}

/** Writes model and manifest into a folder. @returns the path of the manifest. */
export async function writeTinyTeacher(
  folder: string,
  options: TinyOptions & { readonly name?: string } = {},
): Promise<string> {
  const { name = 'tiny' } = options;
  const onnx = tinyOnnx(options);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${name}.onnx`), onnx);
  const path = join(folder, `${name}.yaml`);
  await writeFile(path, stringify(tinyManifest(onnx, name)));
  return path;
}
