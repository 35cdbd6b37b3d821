/** Kernels that reduce over axes, and softmax. */
import { type Shape, int, sizeOf } from '../graph.ts';
import { reduceKeepingAxes, reshape } from '../layout.ts';
import { type Traced, broadcasting, rankedValue, traced, wholeValue } from '../traced.ts';
import { castTo } from './elementwise.ts';
import type { KernelCall, Lowering, LoweringTable } from './kernel-call.ts';

/** @param axisName Attribute that holds the axes; Max is the one kernel that calls it otherwise. */
const reduction =
  (op: string, axisName = 'axis'): Lowering =>
  (call) => {
    const x = call.input('x');
    return reduced(call, op, x, call.axes(axisName, x.shape));
  };

/** Any and All: as integers, because ONNX reduces no bool. */
const logicalReduction =
  (op: string): Lowering =>
  (call) => {
    const x = castTo(call.graph, call.input('x'), 'int32');
    return castTo(call.graph, reduced(call, op, x, call.axes('axis', x.shape)), 'bool');
  };

const indexReduction =
  (op: string): Lowering =>
  (call) => {
    const x = call.whole('x');
    const axis = call.axes('axis', x.shape)[0]!;
    const shape = x.shape.filter((_, i) => i !== axis);
    const attributes = { axis: int(axis), keepdims: int(0) };
    const index = call.graph.node(op, [x], { shape, dtype: 'int64' }, attributes);
    return castTo(call.graph, traced(index), 'int32');
  };

export const reduceKernels: LoweringTable = {
  Sum: reduction('ReduceSum'),
  Mean: (call) => {
    const x = castTo(call.graph, call.input('x'), 'float32');
    return reduced(call, 'ReduceMean', x, call.axes('axis', x.shape));
  },
  Max: reduction('ReduceMax', 'reductionIndices'),
  Min: reduction('ReduceMin'),
  Prod: reduction('ReduceProd'),
  Any: logicalReduction('ReduceMax'),
  All: logicalReduction('ReduceMin'),
  ArgMax: indexReduction('ArgMax'),
  ArgMin: indexReduction('ArgMin'),
  Softmax: (call) => {
    const logits = call.whole('logits');
    const dim = call.number('dim');
    const axis = int(dim < 0 ? dim + logits.shape.length : dim);
    return traced(call.graph.node('Softmax', [logits], logits, { axis }));
  },
};

/** Reduces only the axes that the value really has; along the others it is constant, which a sum pays with a factor. */
function reduced(call: KernelCall, op: string, x: Traced, axes: readonly number[]): Traced {
  const { graph } = call;
  const value = op === 'ReduceProd' ? wholeValue(graph, x) : rankedValue(graph, x);
  const real = axes.filter((axis) => value.shape[axis] === x.shape[axis]);
  const virtual = axes.filter((axis) => !real.includes(axis));
  const dropped = (shape: Shape) => shape.filter((_, i) => !axes.includes(i));
  const kept = real.length > 0 ? reduceKeepingAxes(graph, op, value, real) : value;
  const result = call.flag('keepDims')
    ? traced(
        kept,
        x.shape.map((dim, i) => (axes.includes(i) ? 1 : dim)),
      )
    : traced(reshape(graph, kept, dropped(kept.shape)), dropped(x.shape));
  const copies = sizeOf(virtual.map((axis) => x.shape[axis]!));
  if (op !== 'ReduceSum' || copies === 1) return result;
  const factor = traced(graph.scalar(copies, value.dtype));
  return broadcasting(graph, 'Mul', [result, factor], value.dtype);
}
