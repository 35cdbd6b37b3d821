/**
 * Teachers of a few kilobytes that see near, in windows, or all over: a patch convolution, a 3 x 3 convolution, then attention over
 * windows of cells, each added to what was there, with random weights. A window of the whole map is global attention. For what a
 * mosaic does to each of them.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { Rng } from '../../src/core/rng.ts';
import { type OnnxGraph, buildOnnx, encodeOnnx } from '../../src/format/onnx-model.ts';
import { type LoadedTeacher, loadTeacher } from '../../src/teachers/registry.ts';
import { tempFolder } from './temp-folder.ts';
import { tinyManifest } from './tiny-teacher.ts';

export const CELL_PX = 4;
const CHANNELS = 8;

export interface AttentionOptions {
  /** Side of the only input the graph takes. */
  readonly sidePx: number;
  /** Side of an attention window in cells, a divisor of the map's; 0: no attention, convolutions only. */
  readonly window: number;
}

/** x [n, 3, side, side] -> map [n, cells, cells, 8], the same weights whatever the size and window. */
export function attentionOnnx({ sidePx, window }: AttentionOptions): Uint8Array {
  const rng = new Rng(5, 'attention teacher');
  const weights = (name: string, shape: readonly number[], scale: number) =>
    ({
      name,
      dtype: 'float32',
      shape,
      data: Float32Array.from(
        { length: shape.reduce((product, side) => product * side, 1) },
        () => rng.normal() * scale,
      ),
    }) as const;
  const side = sidePx / CELL_PX;
  const initializers: OnnxGraph['initializers'] = [
    weights('patch', [CHANNELS, 3, CELL_PX, CELL_PX], 0.3),
    weights('near', [CHANNELS, CHANNELS, 3, 3], 0.05),
    ...['query', 'key', 'value'].map((name) => weights(name, [CHANNELS, CHANNELS], 0.25)),
    ...(window === 0 ? [] : attentionShapes(side, window)),
  ];
  const ints = (value: readonly number[]) => ({ kind: 'ints', value }) as const;
  const before: OnnxGraph['nodes'] = [
    {
      op: 'Conv',
      inputs: ['x', 'patch'],
      outputs: ['patches'],
      attributes: { strides: ints([CELL_PX, CELL_PX]) },
    },
    {
      op: 'Conv',
      inputs: ['patches', 'near'],
      outputs: ['around'],
      attributes: { pads: ints([1, 1, 1, 1]) },
    },
    { op: 'Add', inputs: ['patches', 'around'], outputs: ['mixed'] },
    {
      op: 'Transpose',
      inputs: ['mixed'],
      outputs: [window === 0 ? 'map' : 'cells'],
      attributes: { perm: ints([0, 2, 3, 1]) },
    },
  ];
  const swap = { perm: ints([0, 1, 3, 2, 4, 5]) };
  const attention: OnnxGraph['nodes'] = [
    { op: 'Reshape', inputs: ['cells', 'toWindows'], outputs: ['rowsOfWindows'] },
    { op: 'Transpose', inputs: ['rowsOfWindows'], outputs: ['windows'], attributes: swap },
    { op: 'Reshape', inputs: ['windows', 'toTokens'], outputs: ['tokens'] },
    ...['query', 'key', 'value'].map((name) => ({
      op: 'MatMul',
      inputs: ['tokens', name],
      outputs: [`${name}s`],
    })),
    { op: 'Transpose', inputs: ['keys'], outputs: ['turned'], attributes: { perm: ints([0, 2, 1]) } },
    { op: 'MatMul', inputs: ['querys', 'turned'], outputs: ['scores'] },
    {
      op: 'Softmax',
      inputs: ['scores'],
      outputs: ['shares'],
      attributes: { axis: { kind: 'int', value: -1 } },
    },
    { op: 'MatMul', inputs: ['shares', 'values'], outputs: ['seen'] },
    { op: 'Add', inputs: ['tokens', 'seen'], outputs: ['answers'] },
    { op: 'Reshape', inputs: ['answers', 'fromTokens'], outputs: ['answeredWindows'] },
    { op: 'Transpose', inputs: ['answeredWindows'], outputs: ['answeredRows'], attributes: swap },
    { op: 'Reshape', inputs: ['answeredRows', 'toMap'], outputs: ['map'] },
  ];
  return encodeOnnx(
    buildOnnx({
      name: 'attention',
      inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 3, sidePx, sidePx] }],
      outputs: [{ name: 'map', dtype: 'float32', shape: ['n', side, side, CHANNELS] }],
      initializers,
      nodes: window === 0 ? before : [...before, ...attention],
    }),
  );
}

function attentionShapes(side: number, window: number): OnnxGraph['initializers'] {
  const count = side / window;
  const shape = (name: string, ...sides: number[]) =>
    ({ name, dtype: 'int64', shape: [sides.length], data: BigInt64Array.from(sides, BigInt) }) as const;
  return [
    shape('toWindows', -1, count, window, count, window, CHANNELS),
    shape('toTokens', -1, window * window, CHANNELS),
    shape('fromTokens', -1, count, count, window, window, CHANNELS),
    shape('toMap', -1, side, side, CHANNELS),
  ];
}

/** Its manifest as an object. */
export function attentionManifest(onnx: Uint8Array, { sidePx }: AttentionOptions): object {
  const tiny = tinyManifest(onnx, 'attentive');
  return {
    ...tiny,
    input: { ...tiny.input, sizesPx: [sidePx], resize: { rule: 'longest-side-pad', kernel: 'linear' } },
    summary: null,
    spatial: { tensor: 'map', layout: 'NHWC', stridePx: CELL_PX },
    lossWeights: { summary: 0, spatial: 1 },
  };
}

export async function attentionTeacher(options: AttentionOptions): Promise<LoadedTeacher> {
  const folder = await tempFolder();
  const onnx = attentionOnnx(options);
  await writeFile(join(folder, 'attentive.onnx'), onnx);
  await writeFile(join(folder, 'attentive.yaml'), stringify(attentionManifest(onnx, options)));
  return loadTeacher('attentive.yaml', { baseFolder: folder });
}
