/**
 * What the graph itself says about its input, held against the manifest before anything is run: a manifest may be wrong or
 * more general than the export at hand.
 */
import { StillhouseError } from '../core/failure.ts';
import type { OnnxPort } from '../format/onnx-outline.ts';
import type { CutModel } from './onnx-file.ts';
import type { TeacherManifest } from './teacher-manifest.ts';

export type InputDtype = 'float32' | 'float16';

export interface GraphInput {
  readonly dtype: InputDtype;
  /** Images that every call has, where the graph fixes it; null where any number will do. */
  readonly fixedBatch: number | null;
}

/** Take the range of what they quantise from the whole tensor, all images of a batch together. */
const BATCH_WIDE_OPS = new Set(['DynamicQuantizeLinear', 'DynamicQuantizeMatMul', 'DynamicQuantizeLSTM']);

/**
 * A graph that quantises its activations as it runs is fed one image per call: in a batch, each image's numbers would depend on the
 * others, and a target is a function of its own image alone.
 * @param inputs what has to be fed after the graph was cut to the taps
 * @param ops of the nodes that are left
 * @throws StillhouseError bad-input when the input's name, type, layout or fixed size differs, naming what the graph has
 */
export function graphInputOf(
  manifest: TeacherManifest,
  { inputs, ops }: Pick<CutModel, 'inputs' | 'ops'>,
  sizePx: number,
): GraphInput {
  const port = inputs.find(({ name }) => name === manifest.input.name);
  if (port === undefined) {
    const names = inputs.map(({ name }) => name).join(', ');
    throw misfit(manifest, sizePx, `an input named ${manifest.input.name}`, `inputs ${names}`);
  }
  const others = inputs.filter((one) => one !== port).map(({ name }) => name);
  if (others.length > 0)
    throw misfit(manifest, sizePx, `a graph that ${port.name} alone feeds`, `also ${others.join(', ')}`);
  if (port.dtype !== 'float32' && port.dtype !== 'float16')
    throw misfit(manifest, sizePx, 'an input of float32 or float16', portText(port));
  const fixedBatch = fixedBatchOf(manifest, port, sizePx);
  const batchWide = [...ops].find((op) => BATCH_WIDE_OPS.has(op));
  if (batchWide === undefined) return { dtype: port.dtype, fixedBatch };
  if (fixedBatch !== null && fixedBatch !== 1)
    throw misfit(
      manifest,
      sizePx,
      `one image per call, since ${batchWide} mixes those of a batch`,
      portText(port),
    );
  return { dtype: port.dtype, fixedBatch: 1 };
}

function fixedBatchOf(manifest: TeacherManifest, port: OnnxPort, sizePx: number): number | null {
  const { layout, batch } = manifest.input;
  if (port.shape === null) return null;
  const axes = batch === 'none' ? layout.slice(1) : layout;
  if (port.shape.length !== axes.length)
    throw misfit(manifest, sizePx, `an input of ${axes.length} axes, ${axes}`, portText(port));
  const sideOf = (axis: string): number | null => {
    const side = port.shape![axes.indexOf(axis)];
    return typeof side === 'number' ? side : null;
  };
  const channels = sideOf('C');
  if (channels !== null && channels !== 3)
    throw misfit(manifest, sizePx, `three channels in an input of layout ${axes}`, portText(port));
  const sides = [sideOf('H'), sideOf('W')];
  // a side of 3 is the channel axis of the other layout, not a picture three pixels high
  if (channels === null && sides.includes(3))
    throw misfit(manifest, sizePx, `an input of layout ${axes}`, portText(port));
  if (sides.some((side) => side !== null && side !== sizePx)) throw fixedSize(manifest, port, sides, sizePx);
  return batch === 'none' ? null : sideOf('N');
}

function portText({ name, dtype, shape }: OnnxPort): string {
  return `${name} ${dtype} [${shape?.map((side) => side ?? '?').join(',') ?? '?'}]`;
}

function fixedSize(
  manifest: TeacherManifest,
  port: OnnxPort,
  sides: readonly (number | null)[],
  sizePx: number,
): StillhouseError {
  const [height, width] = sides.map((side) => side ?? 'any');
  return new StillhouseError({
    kind: 'bad-input',
    what: 'the export of a teacher has another input size, and it is fixed',
    where: manifest.name,
    wanted: `${height} x ${width} px, the only size of this graph: ${portText(port)}`,
    got: `${sizePx} px`,
    next: `ask for the size that the graph has, or export the model with free height and width`,
  });
}

function misfit(manifest: TeacherManifest, sizePx: number, wanted: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'a teacher does not fit its manifest',
    where: `${manifest.name} at ${sizePx} px`,
    wanted,
    got,
    next: 'compare the input and the taps of the manifest with the model; `stillhouse inspect <model.onnx>` lists its inputs and outputs',
  });
}
