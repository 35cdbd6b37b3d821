/**
 * Shape-only operators with the rules that make transposes vanish.
 *
 * tensorflow.js convolves NHWC, ONNX NCHW, so each convolution is wrapped in a pair of transposes. A transpose between the two
 * layouts is moved behind every operator that can work in either (elementwise, concat, pad, slice, reduce); there it meets the
 * inverse one of the next convolution and both are gone. Other transposes (attention heads) stay where they are.
 */
import {
  type Attributes,
  type Dtype,
  type Graph,
  type GraphNode,
  type Shape,
  type Value,
  broadcastShape,
  constantData,
  int,
  ints,
  padRank,
  producedBy,
  sameShape,
  sizeOf,
} from './graph.ts';

/** Permutation that reads an NHWC tensor as NCHW. */
export const TO_NCHW = [0, 3, 1, 2] as const;
/** Permutation that reads an NCHW tensor as NHWC. */
export const TO_NHWC = [0, 2, 3, 1] as const;

export type Permutation = readonly number[];

/** out.shape[i] = x.shape[perm[i]]. Composes with a transpose below, drops identities, folds constants. */
export function transpose(graph: Graph, x: Value, perm: Permutation): Value {
  if (perm.every((axis, i) => axis === i)) return x;
  const below = producedBy(x, 'Transpose');
  if (below) {
    const first = permutationOf(below.attributes);
    return transpose(
      graph,
      below.inputs[0]!,
      perm.map((axis) => first[axis]!),
    );
  }
  const type = { shape: perm.map((axis) => x.shape[axis]!), dtype: x.dtype };
  const data = constantData(x);
  if (data) return graph.constant(permuted(data, x.shape, perm), type);
  return graph.node('Transpose', [x], type, { perm: ints(perm) });
}

export function reshape(graph: Graph, x: Value, shape: Shape): Value {
  if (sameShape(x.shape, shape)) return x;
  const below = producedBy(x, 'Reshape');
  if (below) return reshape(graph, below.inputs[0]!, shape);
  const transposed = producedBy(x, 'Transpose');
  if (transposed && movesNothing(transposed)) return reshape(graph, transposed.inputs[0]!, shape);
  const data = constantData(x);
  if (data) return graph.constant(data, { shape, dtype: x.dtype });
  return graph.node('Reshape', [x, graph.int64(shape)], { shape, dtype: x.dtype });
}

/** One broadcasting operator over values of one element type. */
export function elementwise(
  graph: Graph,
  op: string,
  inputs: readonly Value[],
  dtype: Dtype,
  attributes: Attributes = {},
): Value {
  const shape = broadcastShape(...inputs.map((input) => input.shape));
  const perm = inputs.map(layoutOf).find((found) => found !== undefined);
  if (perm && shape.length === perm.length) {
    const below = inputs.map((input) => inLayout(graph, input, perm));
    if (below.every((value) => value !== undefined)) {
      const result = { shape: broadcastShape(...below.map((value) => value.shape)), dtype };
      return transpose(graph, graph.node(op, below, result, attributes), perm);
    }
  }
  return graph.node(op, inputs, { shape, dtype }, attributes);
}

/** Concatenates along one axis. */
export function concat(graph: Graph, inputs: readonly Value[], axis: number): Value {
  if (inputs.length === 1) return inputs[0]!;
  const perm = layoutOf(inputs[0]!);
  if (perm && inputs.every((input) => samePermutation(layoutOf(input), perm))) {
    const below = concat(graph, inputs.map(withoutTranspose), perm[axis]!);
    return transpose(graph, below, perm);
  }
  const shape = [...inputs[0]!.shape];
  shape[axis] = inputs.reduce((size, input) => size + input.shape[axis]!, 0);
  return graph.node('Concat', inputs, { shape, dtype: inputs[0]!.dtype }, { axis: int(axis) });
}

export interface PadWidths {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** Pads with one number; widths are per axis and not negative. */
export function pad(graph: Graph, x: Value, widths: PadWidths, fill: number): Value {
  if (widths.before.every((w) => w === 0) && widths.after.every((w) => w === 0)) return x;
  const perm = layoutOf(x);
  if (perm) {
    const below = { before: unpermuted(widths.before, perm), after: unpermuted(widths.after, perm) };
    return transpose(graph, pad(graph, withoutTranspose(x), below, fill), perm);
  }
  const shape = x.shape.map((dim, i) => dim + widths.before[i]! + widths.after[i]!);
  const pads = graph.int64([...widths.before, ...widths.after]);
  return graph.node('Pad', [x, pads, graph.scalar(fill, x.dtype)], { shape, dtype: x.dtype });
}

export interface SliceRange {
  readonly begin: readonly number[];
  readonly size: readonly number[];
  /** Positive; 1 everywhere when left out. `size` counts elements taken. */
  readonly step?: readonly number[];
}

/** A box of `x`, one range per axis. */
export function slice(graph: Graph, x: Value, range: SliceRange): Value {
  const step = range.step ?? range.begin.map(() => 1);
  if (sameShape(range.size, x.shape)) return x;
  const perm = layoutOf(x);
  if (perm) {
    const below = {
      begin: unpermuted(range.begin, perm),
      size: unpermuted(range.size, perm),
      step: unpermuted(step, perm),
    };
    return transpose(graph, slice(graph, withoutTranspose(x), below), perm);
  }
  const axes = x.shape.map((_, i) => i).filter((i) => range.size[i] !== x.shape[i]);
  const starts = axes.map((i) => range.begin[i]!);
  const ends = axes.map((i) => range.begin[i]! + (range.size[i]! - 1) * step[i]! + 1);
  const inputs = [starts, ends, axes, axes.map((i) => step[i]!)].map((list) => graph.int64(list));
  return graph.node('Slice', [x, ...inputs], { shape: range.size, dtype: x.dtype });
}

/** ReduceSum, ReduceMean, ReduceMax... over axes, which keep size 1. */
export function reduceKeepingAxes(graph: Graph, op: string, x: Value, axes: readonly number[]): Value {
  const perm = layoutOf(x);
  if (perm) {
    const below = axes.map((axis) => perm[axis]!).sort((a, b) => a - b);
    return transpose(graph, reduceKeepingAxes(graph, op, withoutTranspose(x), below), perm);
  }
  const shape = x.shape.map((dim, i) => (axes.includes(i) ? 1 : dim));
  return graph.node(op, [x, graph.int64(axes)], { shape, dtype: x.dtype }, { keepdims: int(1) });
}

/** The permutation of a layout transpose that made `x`, undefined when it is anything else. */
function layoutOf(x: Value): Permutation | undefined {
  const node = producedBy(x, 'Transpose');
  const perm = node && permutationOf(node.attributes);
  return samePermutation(perm, TO_NCHW) || samePermutation(perm, TO_NHWC) ? perm : undefined;
}

function withoutTranspose(x: Value): Value {
  return producedBy(x, 'Transpose')!.inputs[0]!;
}

/** The value that gives `x` when transposed by `perm`, when it costs nothing to have; undefined otherwise. */
function inLayout(graph: Graph, x: Value, perm: Permutation): Value | undefined {
  if (sizeOf(x.shape) === 1) return x.shape.length > perm.length ? undefined : x;
  if (samePermutation(layoutOf(x), perm)) return withoutTranspose(x);
  if (x.shape.length > perm.length) return undefined;
  const shape = padRank(x.shape, perm.length);
  if (constantData(x)) return transpose(graph, reshape(graph, x, shape), inverseOf(perm));
  // With one axis longer than 1 a transpose moves no element: a reshape does it.
  return shape.filter((dim) => dim !== 1).length === 1
    ? reshape(graph, x, unpermuted(shape, perm))
    : undefined;
}

function permutationOf(attributes: Attributes): Permutation {
  const perm = attributes['perm'];
  if (perm?.kind !== 'ints') throw new Error('internal: Transpose without perm');
  return perm.value;
}

/** True when a transpose only moves axes of size 1, so the elements keep their order. */
function movesNothing(node: GraphNode): boolean {
  const from = node.inputs[0]!.shape;
  const long = permutationOf(node.attributes).filter((axis) => from[axis] !== 1);
  return long.every((axis, i) => i === 0 || axis > long[i - 1]!);
}

function samePermutation(a: Permutation | undefined, b: Permutation | undefined): boolean {
  return a !== undefined && b !== undefined && sameShape(a, b);
}

export function inverseOf(perm: Permutation): number[] {
  const inverse = Array<number>(perm.length).fill(0);
  for (const [i, axis] of perm.entries()) inverse[axis] = i;
  return inverse;
}

/** Per-axis settings of transpose(x, perm) as settings of x. */
function unpermuted(list: readonly number[], perm: Permutation): number[] {
  return inverseOf(perm).map((i) => list[i]!);
}

function permuted<Data extends { length: number; slice(): Data; [i: number]: unknown }>(
  data: Data,
  shape: Shape,
  perm: Permutation,
): Data {
  const strides = shape.map((_, i) => sizeOf(shape.slice(i + 1)));
  const outShape = perm.map((axis) => shape[axis]!);
  const outStrides = perm.map((axis) => strides[axis]!);
  const out = data.slice();
  const at = Array<number>(perm.length).fill(0);
  for (let i = 0, from = 0; i < data.length; i++) {
    out[i] = data[from];
    for (let axis = perm.length - 1; axis >= 0; axis--) {
      from += outStrides[axis]!;
      if (++at[axis]! < outShape[axis]!) break;
      from -= outStrides[axis]! * outShape[axis]!;
      at[axis] = 0;
    }
  }
  return out;
}
