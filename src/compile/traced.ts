/**
 * What stands for a tensor during a trace: a graph value and the shape tensorflow.js believes it has.
 *
 * The value may be smaller than the shape, as long as it broadcasts to it. Gradients multiply by full-size ones and spread means
 * over rows all the time; kept small, such tensors cost nothing until an operator needs their elements.
 */
import {
  type Attributes,
  type Dtype,
  type Graph,
  type Shape,
  type Value,
  broadcastShape,
  padRank,
  sameShape,
  sizeOf,
} from './graph.ts';
import { elementwise, reshape } from './layout.ts';

export interface Traced {
  readonly value: Value;
  readonly shape: Shape;
}

/** A value as a tensor of its own shape, or of a larger one that it broadcasts to. */
export function traced(value: Value, shape: Shape = value.shape): Traced {
  return { value, shape };
}

/** The value with every element present: of exactly the tensor's shape. */
export function wholeValue(graph: Graph, tensor: Traced): Value {
  const { value, shape } = tensor;
  if (sameShape(value.shape, shape)) return value;
  if (sizeOf(value.shape) === sizeOf(shape)) return reshape(graph, value, shape);
  return graph.node('Expand', [value, graph.int64(shape)], { shape, dtype: value.dtype });
}

/** The value with leading axes of size 1 up to the tensor's rank, still not expanded. */
export function rankedValue(graph: Graph, tensor: Traced): Value {
  return reshape(graph, tensor.value, padRank(tensor.value.shape, tensor.shape.length));
}

/** One broadcasting operator over tensors. */
export function broadcasting(
  graph: Graph,
  op: string,
  inputs: readonly Traced[],
  dtype: Dtype,
  attributes: Attributes = {},
): Traced {
  const values = inputs.map((input) => input.value);
  return traced(
    elementwise(graph, op, values, dtype, attributes),
    broadcastShape(...inputs.map((input) => input.shape)),
  );
}
