/** Kernels that work on each element alone, with NumPy broadcasting. */
import { ONNX_ELEMENT_TYPE } from '../../format/onnx-model.ts';
import { type Dtype, type Graph, broadcastShape, float, int, uniformNumber } from '../graph.ts';
import { type Traced, broadcasting, traced } from '../traced.ts';
import type { KernelCall, Lowering, LoweringTable } from './kernel-call.ts';

/** Applies ONNX operators to tensors of one graph; `b` and other numbers stand for scalars of the first operand's dtype. */
function operators(graph: Graph) {
  const operand = (x: Traced | number, dtype: Dtype): Traced =>
    typeof x === 'number' ? traced(graph.scalar(x, dtype)) : x;
  return {
    /** Result dtype is that of `a`. */
    apply: (op: string, a: Traced, ...rest: (Traced | number)[]): Traced => {
      const dtype = a.value.dtype;
      return broadcasting(graph, op, [a, ...rest.map((x) => operand(x, dtype))], dtype);
    },
    /** Result dtype is bool. */
    test: (op: string, a: Traced, ...rest: (Traced | number)[]): Traced =>
      broadcasting(graph, op, [a, ...rest.map((x) => operand(x, a.value.dtype))], 'bool'),
    choose: (condition: Traced, yes: Traced | number, no: Traced | number, dtype: Dtype): Traced =>
      broadcasting(graph, 'Where', [condition, operand(yes, dtype), operand(no, dtype)], dtype),
  };
}

/** `x` in another element type; itself when it has it already. */
export function castTo(graph: Graph, x: Traced, dtype: Dtype): Traced {
  if (x.value.dtype === dtype) return x;
  return broadcasting(graph, 'Cast', [x], dtype, { to: int(ONNX_ELEMENT_TYPE[dtype]) });
}

const unary =
  (op: string): Lowering =>
  (call) =>
    operators(call.graph).apply(op, call.input('x'));

const comparison =
  (op: string): Lowering =>
  (call) =>
    operators(call.graph).test(op, call.input('a'), call.input('b'));

/** A binary operator, and the number that as right (or either) operand changes nothing. */
const binary =
  (op: string, neutral?: { value: number; either: boolean }): Lowering =>
  (call) => {
    const [a, b] = [call.input('a'), call.input('b')];
    const shape = broadcastShape(a.shape, b.shape);
    if (neutral && uniformNumber(b.value) === neutral.value) return traced(a.value, shape);
    if (neutral?.either && uniformNumber(a.value) === neutral.value) return traced(b.value, shape);
    return operators(call.graph).apply(op, a, b);
  };

export const elementwiseKernels: LoweringTable = {
  Identity: (call) => call.input('x'),
  Cast: (call) => castTo(call.graph, call.input('x'), dtypeNamed(call, call.text('dtype'))),
  OnesLike: (call) => filledLike(call, 1),
  ZerosLike: (call) => filledLike(call, 0),

  Abs: unary('Abs'),
  Ceil: unary('Ceil'),
  Cos: unary('Cos'),
  Elu: unary('Elu'),
  Erf: unary('Erf'),
  Exp: unary('Exp'),
  Floor: unary('Floor'),
  Log: unary('Log'),
  LogicalNot: unary('Not'),
  Neg: unary('Neg'),
  Reciprocal: unary('Reciprocal'),
  Relu: unary('Relu'),
  Round: unary('Round'),
  Selu: unary('Selu'),
  Sigmoid: unary('Sigmoid'),
  Sign: unary('Sign'),
  Sin: unary('Sin'),
  Softplus: unary('Softplus'),
  Sqrt: unary('Sqrt'),
  Tanh: unary('Tanh'),
  IsNan: (call) => operators(call.graph).test('IsNaN', call.input('x')),
  Square: (call) => operators(call.graph).apply('Mul', call.input('x'), call.input('x')),
  Rsqrt: (call) => {
    const { apply } = operators(call.graph);
    return apply('Reciprocal', apply('Sqrt', call.input('x')));
  },
  Log1p: (call) => log1p(call.graph, call.input('x')),
  Relu6: (call) => operators(call.graph).apply('Clip', call.input('x'), 0, 6),
  ClipByValue: (call) =>
    operators(call.graph).apply(
      'Clip',
      call.input('x'),
      call.number('clipValueMin'),
      call.number('clipValueMax'),
    ),
  LeakyRelu: (call) => leakyRelu(call.graph, call.input('x'), call.number('alpha')),
  Prelu: (call) => prelu(call.graph, call.input('x'), call.input('alpha')),
  Step: (call) => {
    const { choose, test } = operators(call.graph);
    const x = call.input('x');
    return choose(test('Greater', x, 0), 1, call.number('alpha'), x.value.dtype);
  },

  Add: binary('Add', { value: 0, either: true }),
  Sub: binary('Sub', { value: 0, either: false }),
  Multiply: binary('Mul', { value: 1, either: true }),
  RealDiv: binary('Div', { value: 1, either: false }),
  Maximum: binary('Max'),
  Minimum: binary('Min'),
  LogicalAnd: comparison('And'),
  LogicalOr: comparison('Or'),
  Equal: comparison('Equal'),
  Greater: comparison('Greater'),
  GreaterEqual: comparison('GreaterOrEqual'),
  Less: comparison('Less'),
  LessEqual: comparison('LessOrEqual'),
  NotEqual: (call) => {
    const { test } = operators(call.graph);
    return test('Not', test('Equal', call.input('a'), call.input('b')));
  },
  AddN: (call) => call.list().reduce((sum, x) => operators(call.graph).apply('Add', sum, x)),
  SquaredDifference: (call) => {
    const { apply } = operators(call.graph);
    const difference = apply('Sub', call.input('a'), call.input('b'));
    return apply('Mul', difference, difference);
  },
  Pow: (call) => {
    const { apply } = operators(call.graph);
    const [a, b] = [call.input('a'), call.input('b')];
    const shape = broadcastShape(a.shape, b.shape);
    const exponent = uniformNumber(b.value);
    if (exponent === 1) return traced(a.value, shape);
    if (exponent === 2) return traced(apply('Mul', a, a).value, shape);
    if (exponent === 0.5) return traced(apply('Sqrt', a).value, shape);
    return apply('Pow', a, b);
  },
  FloorDiv: (call) => floorDiv(call.graph, call.input('a'), call.input('b')),
  Mod: (call) => {
    const { apply } = operators(call.graph);
    const [a, b] = [call.input('a'), call.input('b')];
    if (a.value.dtype !== 'float32') return apply('Mod', a, b);
    return apply('Sub', a, apply('Mul', apply('Floor', apply('Div', a, b)), b));
  },
  Select: (call) => {
    const [yes, no] = [call.input('t'), call.input('e')];
    return operators(call.graph).choose(call.input('condition'), yes, no, yes.value.dtype);
  },
};

/** x if x >= 0, else alpha x. */
export function leakyRelu(graph: Graph, x: Traced, alpha: number): Traced {
  return broadcasting(graph, 'LeakyRelu', [x], x.value.dtype, { alpha: float(alpha) });
}

/** x if x >= 0, else slope x; unlike ONNX PRelu, the slope may be the larger of the two. */
function prelu(graph: Graph, x: Traced, slope: Traced): Traced {
  const { apply, choose, test } = operators(graph);
  return choose(test('GreaterOrEqual', x, 0), x, apply('Mul', x, slope), x.value.dtype);
}

/** The activation that tensorflow.js fuses into convolutions and matrix products, applied as its own node. */
export function activate(call: KernelCall, x: Traced): Traced {
  const { apply } = operators(call.graph);
  const name = call.text('activation') ?? 'linear';
  switch (name) {
    case 'linear':
      return x;
    case 'relu':
      return apply('Relu', x);
    case 'relu6':
      return apply('Clip', x, 0, 6);
    case 'elu':
      return apply('Elu', x);
    case 'sigmoid':
      return apply('Sigmoid', x);
    case 'leakyrelu':
      return leakyRelu(call.graph, x, call.number('leakyreluAlpha'));
    case 'prelu':
      return prelu(call.graph, x, call.input('preluActivationWeights'));
    default:
      throw call.unsupported(`the fused activation ${name}`);
  }
}

/** log(1 + x) without losing small x: log(u) x / (u - 1) for u = 1 + x (Kahan; Higham, Accuracy and Stability, §1.14.1). */
function log1p(graph: Graph, x: Traced): Traced {
  const { apply, choose, test } = operators(graph);
  const u = apply('Add', x, 1);
  const exact = apply('Div', apply('Mul', apply('Log', u), x), apply('Sub', u, 1));
  const infinite = test('Greater', u, 3e38);
  return choose(
    test('Equal', u, 1),
    x,
    choose(infinite, apply('Log', u), exact, x.value.dtype),
    x.value.dtype,
  );
}

/** Rounds towards minus infinity; ONNX integer division rounds towards zero. */
function floorDiv(graph: Graph, a: Traced, b: Traced): Traced {
  const { apply, test } = operators(graph);
  const quotient = apply('Div', a, b);
  if (a.value.dtype === 'float32') return apply('Floor', quotient);
  const rest = apply('Sub', a, apply('Mul', quotient, b));
  const apart = test('Xor', test('Less', rest, 0), test('Less', b, 0));
  const inexact = test('Not', test('Equal', rest, 0));
  return apply('Sub', quotient, castTo(graph, test('And', inexact, apart), a.value.dtype));
}

function filledLike(call: KernelCall, value: number): Traced {
  const x = call.input('x');
  return traced(call.graph.scalar(value, x.value.dtype), x.shape);
}

export function dtypeNamed(call: KernelCall, name: string | undefined): Dtype {
  if (name === 'float32' || name === 'int32' || name === 'bool') return name;
  throw call.unsupported(`dtype ${name ?? 'none'}`);
}
