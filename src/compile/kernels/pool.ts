/** Pooling and image resizing, NHWC in tensorflow.js, NCHW in ONNX. */
import * as tf from '@tensorflow/tfjs';
import { type Attributes, int, ints, text } from '../graph.ts';
import { TO_NCHW, TO_NHWC, transpose } from '../layout.ts';
import { traced } from '../traced.ts';
import { roundingOf } from './conv.ts';
import type { Lowering, LoweringTable } from './kernel-call.ts';

const pooling =
  (op: string, attributes: Attributes): Lowering =>
  (call) => {
    const { graph } = call;
    const x = call.whole('x');
    const [filterSize, strides] = [call.pair('filterSize'), call.pair('strides')];
    const info = tf.backend_util.computePool2DInfo(
      x.shape as [number, number, number, number],
      filterSize,
      strides,
      1,
      call.attribute('pad') as 'same' | 'valid' | number,
      roundingOf(call),
    );
    const { top, left, bottom, right } = info.padInfo;
    const input = transpose(graph, x, TO_NCHW);
    const shape = [x.shape[0]!, x.shape[3]!, info.outHeight, info.outWidth];
    const y = graph.node(
      op,
      [input],
      { shape, dtype: 'float32' },
      {
        kernel_shape: ints(filterSize),
        strides: ints(strides),
        pads: ints([top, left, bottom, right]),
        ...attributes,
      },
    );
    return traced(transpose(graph, y, TO_NHWC));
  };

const resizing =
  (mode: 'linear' | 'nearest'): Lowering =>
  (call) => {
    const { graph } = call;
    const images = call.whole('images');
    const [height, width] = call.pair('size');
    const input = transpose(graph, images, TO_NCHW);
    const alignCorners = call.flag('alignCorners');
    const halfPixel = call.flag('halfPixelCenters');
    // Without either flag tensorflow.js scales from the corner and takes the pixel below; with one of them, the nearest.
    const nearest = alignCorners || halfPixel ? 'round_prefer_ceil' : 'floor';
    const coordinates = alignCorners ? 'align_corners' : halfPixel ? 'half_pixel' : 'asymmetric';
    const shape = [images.shape[0]!, images.shape[3]!, height, width];
    const y = graph.node(
      'Resize',
      [input, undefined, undefined, graph.int64(shape)],
      { shape, dtype: 'float32' },
      {
        mode: text(mode),
        coordinate_transformation_mode: text(coordinates),
        ...(mode === 'nearest' ? { nearest_mode: text(nearest) } : {}),
      },
    );
    return traced(transpose(graph, y, TO_NHWC));
  };

export const poolKernels: LoweringTable = {
  MaxPool: pooling('MaxPool', {}),
  AvgPool: pooling('AveragePool', { count_include_pad: int(0) }),
  ResizeBilinear: resizing('linear'),
  ResizeNearestNeighbor: resizing('nearest'),
};
