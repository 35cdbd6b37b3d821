/** Kernels that move, cut, join and repeat elements. */
import * as tf from '@tensorflow/tfjs';
import { type Shape, type Value, int, padRank, producedBy, sizeOf, text } from '../graph.ts';
import { concat, pad, reshape, slice, transpose } from '../layout.ts';
import { type Traced, rankedValue, traced, wholeValue } from '../traced.ts';
import { dtypeNamed } from './elementwise.ts';
import type { KernelCall, LoweringTable } from './kernel-call.ts';

export const shapeKernels: LoweringTable = {
  Reshape: (call) =>
    reshaped(call, tf.util.inferFromImplicitShape(call.numbers('shape'), sizeOf(call.input('x').shape)), 'x'),
  ExpandDims: (call) => {
    const { shape } = call.input('input');
    const dim = call.number('dim');
    const at = dim < 0 ? dim + shape.length + 1 : dim;
    return reshaped(call, [...shape.slice(0, at), 1, ...shape.slice(at)], 'input');
  },
  Transpose: (call) => {
    const x = call.input('x');
    const perm = call.numbers('perm');
    return traced(
      transpose(call.graph, rankedValue(call.graph, x), perm),
      perm.map((axis) => x.shape[axis]!),
    );
  },
  Tile: (call) => {
    const x = call.input('x');
    const reps = call.numbers('reps');
    const shape = x.shape.map((dim, i) => dim * reps[i]!);
    if (x.shape.every((dim, i) => dim === 1 || reps[i] === 1)) return traced(x.value, shape);
    const inputs = [wholeValue(call.graph, x), call.graph.int64(reps)];
    return traced(call.graph.node('Tile', inputs, { shape, dtype: x.value.dtype }));
  },
  Fill: (call) => {
    const value = call.number('value');
    const dtype = call.text('dtype') ?? 'float32';
    return traced(call.graph.scalar(value, dtypeNamed(call, dtype)), call.numbers('shape'));
  },
  Concat: (call) => {
    const parts = call.list().filter((part) => sizeOf(part.shape) > 0);
    const axis = normalAxis(call.number('axis'), parts[0]!.shape);
    const values = parts.map((part) => wholeValue(call.graph, part));
    return traced(concat(call.graph, values, axis));
  },
  Pack: (call) => {
    const parts = call.list();
    const { shape } = parts[0]!;
    const axis = normalAxis(call.number('axis'), [...shape, 1]);
    const expanded = [...shape.slice(0, axis), 1, ...shape.slice(axis)];
    const values = parts.map((part) => reshape(call.graph, wholeValue(call.graph, part), expanded));
    return traced(concat(call.graph, values, axis));
  },
  Unpack: (call) => {
    const x = call.whole('value');
    const axis = normalAxis(call.number('axis'), x.shape);
    const shape = x.shape.filter((_, i) => i !== axis);
    const sizes = Array<number>(x.shape[axis]!).fill(1);
    return split(call, x, axis, sizes).map((part) => traced(reshape(call.graph, part, shape)));
  },
  SplitV: (call) => {
    const x = call.whole('x');
    const axis = normalAxis(call.number('axis'), x.shape);
    const sizes = splitSizes(call.attribute('numOrSizeSplits') as number | number[], x.shape[axis]!);
    return split(call, x, axis, sizes).map((part) => traced(part));
  },
  Slice: (call) => {
    const x = call.input('x');
    const from = fullLength(call.attribute('begin'), x.shape.length, 0);
    const lengths = fullLength(call.attribute('size'), x.shape.length, -1);
    const size = lengths.map((length, i) => (length < 0 ? x.shape[i]! - from[i]! : length));
    if (sizeOf(x.value.shape) === 1) return traced(x.value, size);
    return traced(slice(call.graph, wholeValue(call.graph, x), { begin: from, size }));
  },
  StridedSlice: (call) => stridedSlice(call),
  Reverse: (call) => {
    const x = call.whole('x');
    const axes = call.axes('dims', x.shape);
    const starts = axes.map((axis) => x.shape[axis]! - 1);
    const ends = axes.map(() => -(2 ** 31));
    const ranges = [starts, ends, axes, axes.map(() => -1)].map((list) => call.graph.int64(list));
    return traced(call.graph.node('Slice', [x, ...ranges], x));
  },
  PadV2: (call) => {
    const [before, after] = paddings(call);
    return traced(pad(call.graph, call.whole('x'), { before, after }, call.number('constantValue')));
  },
  MirrorPad: (call) => {
    const x = call.whole('x');
    if (call.text('mode') !== 'reflect') throw call.unsupported('symmetric padding');
    const [before, after] = paddings(call);
    const shape = x.shape.map((dim, i) => dim + before[i]! + after[i]!);
    const inputs = [x, call.graph.int64([...before, ...after])];
    return traced(call.graph.node('Pad', inputs, { shape, dtype: x.dtype }, { mode: text('reflect') }));
  },
  Cumsum: (call) => {
    const x = call.whole('x');
    const axis = call.graph.scalar(normalAxis(call.number('axis'), x.shape), 'int64');
    const attributes = { exclusive: int(+call.flag('exclusive')), reverse: int(+call.flag('reverse')) };
    return traced(call.graph.node('CumSum', [x, axis], x, attributes));
  },
};

/** Kernels that give a uniform tensor for a uniform tensor: cheaper traced than computed. */
export const UNIFORM_KERNELS: ReadonlySet<string> = new Set([
  'Reshape',
  'ExpandDims',
  'Transpose',
  'Tile',
  'Slice',
]);

function reshaped(call: KernelCall, shape: Shape, name: string): Traced {
  const x = call.input(name);
  if (sizeOf(x.value.shape) === 1)
    return traced(reshape(call.graph, x.value, padRank([], shape.length)), shape);
  return traced(reshape(call.graph, wholeValue(call.graph, x), shape));
}

export function normalAxis(axis: number, shape: Shape): number {
  return axis < 0 ? axis + shape.length : axis;
}

/** Consecutive slices of the given sizes. A split of a concatenation along the same axis gives back its parts. */
function split(call: KernelCall, x: Value, axis: number, sizes: readonly number[]): Value[] {
  const joined = producedBy(x, 'Concat');
  const parts = joined?.inputs.map((part) => part!) ?? [];
  const joinedAxis = joined?.attributes['axis'];
  if (
    joinedAxis?.kind === 'int' &&
    joinedAxis.value === axis &&
    parts.map((part) => part.shape[axis]).join() === sizes.join()
  )
    return parts;
  let start = 0;
  return sizes.map((length) => {
    const begin = x.shape.map((_, i) => (i === axis ? start : 0));
    start += length;
    const size = x.shape.map((dim, i) => (i === axis ? length : dim));
    return slice(call.graph, x, { begin, size });
  });
}

/** A number means equal parts; in a list, -1 means what is left. */
function splitSizes(given: number | readonly number[], total: number): number[] {
  if (typeof given === 'number') return Array<number>(given).fill(total / given);
  const rest = total - given.reduce((sum, size) => sum + Math.max(0, size), 0);
  return given.map((size) => (size < 0 ? rest : size));
}

/** A number or a short list of leading axes, as tf.slice takes them, filled up to the rank. */
function fullLength(given: unknown, rank: number, fill: number): number[] {
  const list = given === undefined || given === null ? [] : [given].flat();
  return Array.from({ length: rank }, (_, i) => (i < list.length ? Number(list[i]) : fill));
}

function paddings(call: KernelCall): [number[], number[]] {
  const widths = call.attribute('paddings') as [number, number][];
  const before = widths.map(([width]) => width);
  const after = widths.map(([, width]) => width);
  if ([...before, ...after].some((width) => width < 0)) throw call.unsupported('negative padding');
  return [before, after];
}

function stridedSlice(call: KernelCall): Traced {
  const x = call.whole('x');
  const masks = ['beginMask', 'endMask', 'ellipsisMask', 'newAxisMask', 'shrinkAxisMask'] as const;
  const [beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask] = masks.map((name) =>
    call.number(name),
  );
  const info = tf.slice_util.sliceInfo(
    [...x.shape],
    call.numbers('begin'),
    call.numbers('end'),
    call.numbers('strides'),
    beginMask!,
    endMask!,
    ellipsisMask!,
    newAxisMask!,
    shrinkAxisMask!,
  );
  if (info.strides.some((step) => step < 0)) throw call.unsupported('a negative stride');
  const size = info.begin.map((from, i) => Math.max(0, Math.ceil((info.end[i]! - from) / info.strides[i]!)));
  const taken = slice(call.graph, x, { begin: info.begin, size, step: info.strides });
  return traced(reshape(call.graph, taken, info.finalShape));
}
