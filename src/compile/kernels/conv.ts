/** Convolutions and their gradients. tensorflow.js: x [n,h,w,c], filter [h,w,in,out]; ONNX: x [n,c,h,w], filter [out,in,h,w]. */
import * as tf from '@tensorflow/tfjs';
import {
  type Attributes,
  type Shape,
  type Value,
  constantData,
  int,
  ints,
  producedBy,
  uniformNumber,
} from '../graph.ts';
import { TO_NCHW, TO_NHWC, concat, pad, reshape, slice, transpose } from '../layout.ts';
import { type Traced, broadcasting, traced, wholeValue } from '../traced.ts';
import { activate } from './elementwise.ts';
import type { KernelCall, LoweringTable } from './kernel-call.ts';

export const convKernels: LoweringTable = {
  Conv2D: (call) => traced(convolution(call, false)),
  DepthwiseConv2dNative: (call) => traced(convolution(call, true)),
  FusedConv2D: (call) => fused(call, false),
  FusedDepthwiseConv2D: (call) => fused(call, true),
  Conv2DBackpropInput: (call) => inputGradient(call),
  Conv2DBackpropFilter: (call) => filterGradient(call),
};

type Shape4 = [number, number, number, number];

interface Geometry {
  readonly channelsLast: boolean;
  readonly depthwise: boolean;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
}

function geometryOf(call: KernelCall, x: Shape, filter: Shape, depthwise: boolean): Geometry {
  const strides = call.pair('strides');
  const dilations =
    call.attribute('dilations') === undefined || call.attribute('dilations') === null
      ? ([1, 1] as [number, number])
      : call.pair('dilations');
  const channelsLast = call.text('dataFormat') !== 'NCHW';
  const info = tf.backend_util.computeConv2DInfo(
    x as Shape4,
    filter as Shape4,
    strides,
    dilations,
    call.attribute('pad') as 'same' | 'valid' | number,
    roundingOf(call),
    depthwise,
    channelsLast ? 'channelsLast' : 'channelsFirst',
  );
  const { outHeight, outWidth } = info;
  return { channelsLast, depthwise, outHeight, outWidth, ...info.padInfo, strides, dilations };
}

/** How a fractional output size is rounded, undefined for the default. */
export function roundingOf(call: KernelCall): 'floor' | 'round' | 'ceil' | undefined {
  const mode = call.text('dimRoundingMode');
  return mode === 'floor' || mode === 'round' || mode === 'ceil' ? mode : undefined;
}

function convolution(call: KernelCall, depthwise: boolean, bias?: Traced): Value {
  const { graph } = call;
  const [x, filter] = [call.whole('x'), call.whole('filter')];
  const geometry = geometryOf(call, x.shape, filter.shape, depthwise);
  const input = geometry.channelsLast ? transpose(graph, x, TO_NCHW) : x;
  const [height, width, inChannels, last] = filter.shape as Shape4;
  const outChannels = depthwise ? inChannels * last : last;
  const kernel = depthwise
    ? reshape(graph, transpose(graph, filter, [2, 3, 0, 1]), [outChannels, 1, height, width])
    : transpose(graph, filter, [3, 2, 0, 1]);
  const padding = [geometry.top, geometry.left, geometry.bottom, geometry.right];
  const padded = zeroPadded(input);
  const attributes: Attributes = {
    kernel_shape: ints([height, width]),
    strides: ints(geometry.strides),
    dilations: ints(geometry.dilations),
    pads: ints(padding.map((width, i) => width + (padded?.pads[i] ?? 0))),
    group: int(depthwise ? inChannels : 1),
  };
  const shape = [input.shape[0]!, outChannels, geometry.outHeight, geometry.outWidth];
  const inputs = [padded?.x ?? input, kernel, ...(bias ? [wholeValue(graph, bias)] : [])];
  const y = graph.node('Conv', inputs, { shape, dtype: 'float32' }, attributes);
  return geometry.channelsLast ? transpose(graph, y, TO_NHWC) : y;
}

/** A spatial zero padding below an NCHW value, which the convolution can do itself. */
function zeroPadded(x: Value): { x: Value; pads: number[] } | undefined {
  const node = producedBy(x, 'Pad');
  if (!node || node.attributes['mode'] || uniformNumber(node.inputs[2]!) !== 0) return undefined;
  const widths = Array.from(constantData(node.inputs[1]!) ?? [], Number);
  if (widths.length !== 8 || [0, 1, 4, 5].some((i) => widths[i] !== 0)) return undefined;
  return { x: node.inputs[0]!, pads: [2, 3, 6, 7].map((i) => widths[i]!) };
}

function fused(call: KernelCall, depthwise: boolean): Traced {
  const bias = call.maybeInput('bias');
  // A bias per output channel goes into the convolution; any other is added.
  if (!bias || bias.shape.length === 1) return activate(call, traced(convolution(call, depthwise, bias)));
  const plain = traced(convolution(call, depthwise));
  return activate(call, broadcasting(call.graph, 'Add', [plain, bias], 'float32'));
}

/** dx [n,h,w,in] from dy [n,oh,ow,out]: the transposed convolution. */
function inputGradient(call: KernelCall): Traced {
  const { graph } = call;
  const [dy, filter] = [call.whole('dy'), call.whole('filter')];
  const shape = call.numbers('inputShape') as Shape4;
  const geometry = geometryOf(call, shape, filter.shape, false);
  if (!geometry.channelsLast) throw call.unsupported('dataFormat NCHW');
  const [kernelHeight, kernelWidth] = filter.shape as Shape4;
  const [strideHeight, strideWidth] = geometry.strides;
  // Rows and columns of x that no window reaches at its end, because the stride does not divide.
  const restHeight =
    shape[1] + geometry.top + geometry.bottom - ((geometry.outHeight - 1) * strideHeight + kernelHeight);
  const restWidth =
    shape[2] + geometry.left + geometry.right - ((geometry.outWidth - 1) * strideWidth + kernelWidth);
  const attributes: Attributes = {
    kernel_shape: ints([kernelHeight, kernelWidth]),
    strides: ints(geometry.strides),
    pads: ints([geometry.top, geometry.left, geometry.bottom, geometry.right]),
    output_padding: ints([restHeight, restWidth]),
  };
  const inputs = [transpose(graph, dy, TO_NCHW), transpose(graph, filter, [3, 2, 0, 1])];
  const result = { shape: [shape[0], shape[3], shape[1], shape[2]], dtype: 'float32' } as const;
  return traced(transpose(graph, graph.node('ConvTranspose', inputs, result, attributes), TO_NHWC));
}

/** dW [h,w,in,out]: the windows of x as rows (im2col), transposed, times dy. */
function filterGradient(call: KernelCall): Traced {
  const { graph } = call;
  const [x, dy] = [call.whole('x'), call.whole('dy')];
  const filterShape = call.numbers('filterShape') as Shape4;
  const geometry = geometryOf(call, x.shape, filterShape, false);
  if (!geometry.channelsLast) throw call.unsupported('dataFormat NCHW');
  const widths = {
    before: [0, geometry.top, geometry.left, 0],
    after: [0, geometry.bottom, geometry.right, 0],
  };
  const padded = pad(graph, x, widths, 0);
  const [height, width, inChannels, outChannels] = filterShape;
  const { outHeight, outWidth, strides } = geometry;
  const size = [x.shape[0]!, outHeight, outWidth, inChannels];
  const windows: Value[] = [];
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++)
      windows.push(slice(graph, padded, { begin: [0, row, column, 0], size, step: [1, ...strides, 1] }));
  const rows = x.shape[0]! * outHeight * outWidth;
  const columns = reshape(graph, concat(graph, windows, 3), [rows, height * width * inChannels]);
  const errors = reshape(graph, dy, [rows, outChannels]);
  const result = { shape: [height * width * inChannels, outChannels], dtype: 'float32' } as const;
  const product = graph.node('Gemm', [columns, errors], result, { transA: int(1) });
  return traced(reshape(graph, product, filterShape));
}
