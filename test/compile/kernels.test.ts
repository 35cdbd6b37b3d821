// Every lowered kernel against the CPU backend of tensorflow.js on random inputs.
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { CompiledStep } from '../../src/compile/compiled-step.ts';
import { COVERED_KERNELS, type TensorSpec, traceStep } from '../../src/compile/trace-step.ts';
import { Rng } from '../../src/core/rng.ts';

tf.enableProdMode();

type Step = (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];
interface Row {
  readonly kernel: string;
  readonly inputs: readonly TensorSpec[];
  readonly step: Step;
  readonly values: 'normal' | 'positive' | 'ties';
}

const f = (...shape: number[]): TensorSpec => ({ shape, dtype: 'float32' });
const i = (...shape: number[]): TensorSpec => ({ shape, dtype: 'int32' });
const b = (...shape: number[]): TensorSpec => ({ shape, dtype: 'bool' });

const rows: Row[] = [];
const row = (kernel: string, inputs: TensorSpec[], step: Step, values: Row['values'] = 'normal') =>
  rows.push({ kernel, inputs, step, values });

const x = [f(2, 3, 4)];
const image = f(2, 6, 5, 3);

for (const [kernel, step] of Object.entries({
  Abs: tf.abs,
  Ceil: tf.ceil,
  Cos: tf.cos,
  Elu: tf.elu,
  Erf: tf.erf,
  Exp: tf.exp,
  Floor: tf.floor,
  IsNan: tf.isNaN,
  Neg: tf.neg,
  OnesLike: tf.onesLike,
  Relu: tf.relu,
  Relu6: tf.relu6,
  Round: tf.round,
  Selu: tf.selu,
  Sigmoid: tf.sigmoid,
  Sign: tf.sign,
  Sin: tf.sin,
  Softplus: tf.softplus,
  Square: tf.square,
  Tanh: tf.tanh,
  ZerosLike: tf.zerosLike,
  Identity: tf.clone,
}))
  row(kernel, x, (t) => (step as (t: tf.Tensor) => tf.Tensor)(t));
row('Log', x, (t) => tf.log(t), 'positive');
row('Log1p', x, (t) => tf.log1p(tf.mul(t, tf.tensor([1, 1e-3, 1e-6, 1e-9]))), 'positive');
row('Sqrt', x, (t) => tf.sqrt(t), 'positive');
row('Rsqrt', x, (t) => tf.rsqrt(t), 'positive');
row('Reciprocal', x, (t) => tf.reciprocal(t), 'positive');
row('Step', x, (t) => tf.step(t, 0.25), 'ties');
row('ClipByValue', x, (t) => tf.clipByValue(t, -0.5, 0.5));
row('LeakyRelu', x, (t) => tf.leakyRelu(t, 0.1));
row('Prelu', [f(2, 3, 4), f(4)], (t, alpha) => tf.prelu(t, alpha));
row('Cast', x, (t) => tf.cast(t, 'int32'));
row('Cast', x, (t) => tf.cast(t, 'bool'), 'ties');
row('LogicalNot', [b(3, 4)], (t) => tf.logicalNot(t));
row('AddN', [f(3, 4), f(3, 4), f(3, 4)], (...all) => tf.addN(all));

for (const [kernel, step] of Object.entries({
  Add: tf.add,
  Sub: tf.sub,
  Multiply: tf.mul,
  RealDiv: tf.div,
  Maximum: tf.maximum,
  Minimum: tf.minimum,
  SquaredDifference: tf.squaredDifference,
  Equal: tf.equal,
  NotEqual: tf.notEqual,
  Greater: tf.greater,
  GreaterEqual: tf.greaterEqual,
  Less: tf.less,
  LessEqual: tf.lessEqual,
  Mod: tf.mod,
  FloorDiv: tf.floorDiv,
})) {
  const two = step as (p: tf.Tensor, q: tf.Tensor) => tf.Tensor;
  const whole = ['Mod', 'FloorDiv'].includes(kernel);
  row(kernel, [f(2, 3, 4), f(3, 1)], (p, q) => two(p, q), whole ? 'positive' : 'ties');
  row(kernel, [f(4), f(2, 3, 4)], (p, q) => two(p, q), 'positive');
  // One operand wider than its values: the lazy broadcast.
  row(kernel, [f(1, 4)], (p) => two(tf.tile(p, [3, 1]), tf.fill([2, 1, 1], 2)), 'positive');
}
row('FloorDiv', [i(20), i(20)], (p, q) => tf.floorDiv(p, tf.add(q, tf.scalar(40, 'int32'))));
row('FloorDiv', [i(20)], (p) => tf.floorDiv(p, tf.scalar(-3, 'int32')));
row('Mod', [i(20)], (p) => tf.mod(p, tf.scalar(3, 'int32')));
row('Pow', [f(3, 4), f(4)], (p, q) => tf.pow(p, q), 'positive');
for (const exponent of [0.5, 1, 2, 3]) row('Pow', x, (t) => tf.pow(t, exponent), 'positive');
row('LogicalAnd', [b(3, 4), b(4)], (p, q) => tf.logicalAnd(p, q));
row('LogicalOr', [b(3, 4), b(4)], (p, q) => tf.logicalOr(p, q));
row('Select', [b(3, 4), f(3, 4), f(3, 4)], (c, p, q) => tf.where(c, p, q));
row('Select', [b(3, 1), f(3, 4), f(1, 4)], (c, p, q) => tf.where(c, p, q));

for (const [kernel, step] of Object.entries({
  Sum: tf.sum,
  Mean: tf.mean,
  Max: tf.max,
  Min: tf.min,
  Prod: tf.prod,
})) {
  const reduce = step as (t: tf.Tensor, axis?: number | number[], keep?: boolean) => tf.Tensor;
  row(kernel, x, (t) => reduce(t));
  row(kernel, x, (t) => reduce(t, -1, true));
  row(kernel, x, (t) => reduce(t, [0, 2]));
  row(kernel, [f(1, 4)], (t) => reduce(tf.tile(t, [3, 1]), 0));
  row(kernel, [f(1, 4)], (t) => reduce(tf.tile(t, [3, 1]), [0, 1], true));
}
row('Mean', [i(3, 4)], (t) => tf.mean(t, 1));
row('Sum', [b(3, 4)], (t) => tf.sum(t, 1));
row('Any', [b(3, 4)], (t) => tf.any(t, 1));
row('All', [b(3, 4)], (t) => tf.all(t, 0, true));
row('ArgMax', x, (t) => tf.argMax(t, 1));
row('ArgMin', x, (t) => tf.argMin(t, -1));
row('Softmax', x, (t) => tf.softmax(t));

row('Reshape', x, (t) => tf.reshape(t, [4, -1]));
row('ExpandDims', x, (t) => tf.expandDims(t, -1));
row('Transpose', x, (t) => tf.transpose(t, [2, 0, 1]));
row('Transpose', [f(1, 4)], (t) => tf.transpose(tf.tile(t, [3, 1])));
row('Tile', x, (t) => tf.tile(t, [2, 1, 3]));
row('Fill', x, (t) => tf.add(t, tf.fill([3, 1], 2.5)));
row('Concat', [f(2, 3), f(2, 1), f(2, 2)], (...all) => tf.concat(all, -1));
row('Pack', [f(2, 3), f(2, 3)], (...all) => tf.stack(all, 1));
row('Unpack', x, (t) => tf.unstack(t, 1));
row('Unpack', [f(1, 4)], (t) => tf.unstack(t, 0));
row('SplitV', x, (t) => tf.split(t, 2, -1));
row('SplitV', x, (t) => tf.split(t, [1, -1], 1));
row('SplitV', [f(2, 3), f(2, 1)], (p, q) => tf.split(tf.concat([p, q], 1), [3, 1], 1));
row('Slice', x, (t) => tf.slice(t, [0, 1, 2], [-1, 2, 1]));
row('Slice', x, (t) => tf.slice(t, 1));
row('StridedSlice', x, (t) => tf.stridedSlice(t, [0, 0, 1], [2, 3, 4], [1, 2, 2]));
row('StridedSlice', x, (t) => tf.stridedSlice(t, [1, 0], [2, -1], [1, 1], 0, 0, 0, 0, 1));
row('Reverse', x, (t) => tf.reverse(t, [0, 2]));
row('PadV2', x, (t) =>
  tf.pad(
    t,
    [
      [0, 0],
      [1, 2],
      [3, 0],
    ],
    0.5,
  ),
);
row('MirrorPad', x, (t) =>
  tf.mirrorPad(
    t,
    [
      [0, 0],
      [1, 2],
      [1, 0],
    ],
    'reflect',
  ),
);
row('Cumsum', x, (t) => tf.cumsum(t, 1, true, true));
row('GatherV2', [f(5, 3), i(2, 2)], (t, at) => tf.gather(t, tf.mod(at, tf.scalar(5, 'int32')), 0));
row('GatherV2', x, (t) => tf.gather(t, tf.tensor1d([2, 0, 0], 'int32'), -1));
row('OneHot', [i(6)], (t) => tf.oneHot(t, 4, 0.9, 0.1, 'float32'));
row('UnsortedSegmentSum', [f(5, 3)], (t) =>
  tf.unsortedSegmentSum(t, tf.tensor1d([2, 0, 2, 3, 0], 'int32'), 4),
);
row('TopK', [f(2, 6)], (t) => {
  const { values, indices } = tf.topk(t, 3);
  return [values, indices];
});

row('BatchMatMul', [f(3, 4), f(5, 4)], (p, q) => tf.matMul(p, q, false, true));
row('BatchMatMul', [f(4, 3), f(4, 5)], (p, q) => tf.matMul(p, q, true, false));
row('BatchMatMul', [f(2, 3, 4), f(2, 5, 4)], (p, q) => tf.matMul(p, q, false, true));
row('BatchMatMul', [f(2, 4, 3), f(1, 4, 5)], (p, q) => tf.matMul(p, q, true, false));
row('_FusedMatMul', [f(3, 4), f(4, 5), f(5)], (p, q, bias) =>
  tf.fused.matMul({ a: p, b: q, bias: bias, activation: 'elu' }),
);

const conv = (t: tf.Tensor, w: tf.Tensor, strides: number, pad: 'same' | 'valid') =>
  tf.conv2d(t as tf.Tensor4D, w as tf.Tensor4D, strides, pad);
for (const pad of ['same', 'valid'] as const)
  for (const strides of [1, 2]) {
    const weights = f(3, 3, 3, 4);
    row('Conv2D', [image, weights], (t, w) => conv(t, w, strides, pad));
    row('Conv2DBackpropInput', [image, weights], (t, w) =>
      tf.grad((u) => tf.square(conv(u, w, strides, pad)))(t),
    );
    row('Conv2DBackpropFilter', [image, weights], (t, w) =>
      tf.grad((v) => tf.square(conv(t, v, strides, pad)))(w),
    );
    row('DepthwiseConv2dNative', [image, f(3, 3, 3, 2)], (t, w) =>
      tf.depthwiseConv2d(t as tf.Tensor4D, w as tf.Tensor4D, strides, pad),
    );
    row('MaxPool', [image], (t) => tf.maxPool(t as tf.Tensor4D, 3, strides, pad));
    row('AvgPool', [image], (t) => tf.avgPool(t as tf.Tensor4D, [2, 3], strides, pad));
  }
row('Conv2D', [image, f(3, 3, 3, 4)], (t, w) =>
  tf.conv2d(t as tf.Tensor4D, w as tf.Tensor4D, 1, 'same', 'NHWC', 2),
);
row('Conv2D', [f(2, 3, 6, 5), f(3, 3, 3, 4)], (t, w) =>
  tf.transpose(
    conv(
      tf.pad(tf.transpose(t, [0, 2, 3, 1]), [
        [0, 0],
        [1, 2],
        [0, 1],
        [0, 0],
      ]),
      w,
      1,
      'valid',
    ),
    [0, 3, 1, 2],
  ),
);
for (const activation of ['relu', 'relu6', 'leakyrelu', 'sigmoid', 'prelu'] as const) {
  const options = (t: tf.Tensor, w: tf.Tensor, bias: tf.Tensor) => ({
    x: t as tf.Tensor4D,
    filter: w as tf.Tensor4D,
    strides: 1,
    pad: 'same' as const,
    bias,
    activation,
    ...(activation === 'prelu' ? { preluActivationWeights: tf.fill([4], 0.3) } : {}),
    leakyreluAlpha: 0.1,
  });
  row('FusedConv2D', [image, f(3, 3, 3, 4), f(4)], (t, w, bias) => tf.fused.conv2d(options(t, w, bias)));
  if (activation !== 'prelu')
    row('FusedDepthwiseConv2D', [image, f(3, 3, 3, 1), f(3)], (t, w, bias) =>
      tf.fused.depthwiseConv2d(options(t, w, bias)),
    );
}
for (const [align, half] of [
  [false, false],
  [true, false],
  [false, true],
])
  for (const size of [
    [12, 10],
    [4, 7],
  ] as [number, number][]) {
    row('ResizeBilinear', [image], (t) => tf.image.resizeBilinear(t as tf.Tensor4D, size, align, half));
    row('ResizeNearestNeighbor', [image], (t) =>
      tf.image.resizeNearestNeighbor(t as tf.Tensor4D, size, align, half),
    );
  }

function randomValues(
  spec: TensorSpec,
  values: Row['values'],
  rng: Rng,
): Float32Array | Int32Array | Uint8Array {
  const length = tf.util.sizeFromShape([...spec.shape]);
  if (spec.dtype === 'bool') return Uint8Array.from({ length }, () => rng.below(2));
  if (spec.dtype === 'int32')
    return Int32Array.from({ length }, () => rng.below(21) - (values === 'normal' ? 10 : 0));
  const draw = {
    normal: () => rng.normal(),
    positive: () => rng.between(0.1, 3),
    ties: () => rng.below(5) / 2 - 1,
  };
  return Float32Array.from({ length }, draw[values]);
}

describe('a lowered kernel equals the CPU backend of tensorflow.js', () => {
  it.each(rows.map((one, index) => [`${one.kernel} (row ${index})`, one] as const))(
    '%s',
    async (name, one) => {
      const rng = new Rng(3, name);
      const specs = Object.fromEntries(one.inputs.map((spec, k) => [`in${k}`, spec]));
      const feeds = Object.fromEntries(
        Object.entries(specs).map(([key, spec]) => [key, randomValues(spec, one.values, rng)]),
      );
      const step = (inputs: Record<string, tf.Tensor>): Record<string, tf.Tensor> => {
        const out = one.step(...Object.keys(specs).map((key) => inputs[key]!));
        return Object.fromEntries((Array.isArray(out) ? out : [out]).map((t, k) => [`out${k}`, t]));
      };
      const eager: Record<string, tf.Tensor> = {};
      const profile = await tf.profile(() => {
        const given = Object.entries(specs).map(
          ([key, spec]) => [key, tf.tensor(feeds[key]!, [...spec.shape], spec.dtype)] as const,
        );
        Object.assign(eager, step(Object.fromEntries(given)));
        return Object.values(eager);
      });
      expect(profile.kernelNames).toContain(one.kernel);

      const traced = traceStep({ inputs: specs, variables: [], step });
      const compiled = await CompiledStep.create(traced, new Map(), { threads: 1 });
      const outputs = await compiled.run(feeds);
      await compiled.close();
      expect(Object.keys(outputs)).toEqual(Object.keys(eager));
      for (const [key, tensor] of Object.entries(eager)) {
        const wanted = tensor.dataSync();
        expect(outputs[key]!.length).toBe(wanted.length);
        const largest = Math.max(...wanted.map(Math.abs));
        for (const [k, value] of outputs[key]!.entries()) {
          const near = 2e-5 * Math.abs(wanted[k]!) + (one.values === 'positive' ? 1e-12 : 2e-6 * largest);
          expect(
            Math.abs(value - wanted[k]!),
            `${key}[${k}]: ${value}, not ${wanted[k]!}`,
          ).toBeLessThanOrEqual(near);
        }
      }
      tf.dispose(eager);
    },
  );

  it('and every covered kernel has a row', () => {
    expect([...new Set(rows.map((one) => one.kernel))].sort()).toEqual(COVERED_KERNELS);
  });
});
