/**
 * Kernels whose inputs are all known while tracing are computed at once, by the kernel of tensorflow.js' own CPU backend.
 * Broadcasting ones run on the values as they are kept, so a uniform tensor costs one element whatever its shape.
 */
import * as tf from '@tensorflow/tfjs';
import type { OnnxData } from '../format/onnx-model.ts';
import { type Dtype, type Graph, type Shape, broadcastShape, constantData, sizeOf } from './graph.ts';
import { ELEMENTWISE_KERNELS } from './kernels/covered.ts';
import { type Traced, traced } from './traced.ts';

export interface FoldOptions {
  readonly graph: Graph;
  readonly kernel: string;
  /** All constant. */
  readonly inputs: ReadonlyMap<string, Traced>;
  readonly attributes: tf.NamedAttrMap;
}

/** The results, or undefined when the CPU backend has no such kernel. */
export function foldConstants(options: FoldOptions): Traced[] | undefined {
  const { graph, kernel, inputs } = options;
  const config = tf.getKernel(kernel, 'cpu') as tf.KernelConfig | undefined;
  if (!config) return undefined;
  const backend = tf.findBackend('cpu');
  // Select picks by position and needs operands of one size.
  const broadcasts = ELEMENTWISE_KERNELS.has(kernel) && kernel !== 'Select';
  const infos: tf.NamedTensorInfoMap = {};
  for (const [name, tensor] of inputs) {
    const shape = [...(broadcasts ? tensor.value.shape : tensor.shape)];
    const dtype = tfDtype(tensor.value.dtype);
    infos[name] = { dataId: backend.write(constantValues(tensor, shape), shape, dtype), shape, dtype };
  }
  // Concat and its like take a list; its members are then numbered from 0.
  const isList = inputs.has('0');
  const given = isList ? (Object.values(infos) as unknown as tf.NamedTensorInfoMap) : infos;
  const out = config.kernelFunc({ inputs: given, attrs: options.attributes, backend });
  const outInfos = Array.isArray(out) ? out : [out];
  const results = outInfos.map((info) => {
    const kept = constantOf(graph, backend.readSync(info.dataId), info.shape, info.dtype);
    return broadcasts
      ? traced(kept.value, broadcastShape(...[...inputs.values()].map(({ shape }) => shape)))
      : kept;
  });
  for (const info of [...outInfos, ...Object.values(infos)]) if (info) backend.disposeData(info.dataId, true);
  return results;
}

/** Known elements as a tensor: one element when they are all equal, a copy of all otherwise. */
export function constantOf(
  graph: Graph,
  values: tf.backend_util.BackendValues,
  shape: Shape,
  dtype: tf.DataType,
): Traced {
  if (dtype === 'string' || dtype === 'complex64')
    throw new Error(`internal: a ${dtype} tensor has no ONNX form here`);
  const numbers = values as Float32Array | Int32Array | Uint8Array;
  const first = numbers[0];
  if (first !== undefined && numbers.every((x) => Object.is(x, first)))
    return traced(graph.scalar(first, dtype), shape);
  return traced(graph.constant(copyAs(numbers, dtype), { shape, dtype }));
}

/** Every element of a constant tensor. */
export function constantValues(
  tensor: Traced,
  shape: Shape = tensor.shape,
): Float32Array | Int32Array | Uint8Array {
  const data = constantData(tensor.value);
  if (!data || data instanceof BigInt64Array) throw new Error('internal: not a constant of tensorflow.js');
  if (data.length === sizeOf(shape)) return data.slice();
  if (data.length !== 1)
    throw new Error('internal: only uniform constants are kept smaller than their shape');
  const out = emptyAs(tensor.value.dtype, sizeOf(shape));
  return out.fill(data[0]!);
}

function copyAs(values: ArrayLike<number>, dtype: 'float32' | 'int32' | 'bool'): OnnxData {
  const out = emptyAs(dtype, values.length);
  out.set(values);
  return out;
}

function emptyAs(dtype: Dtype, length: number): Float32Array | Int32Array | Uint8Array {
  if (dtype === 'float32') return new Float32Array(length);
  return dtype === 'bool' ? new Uint8Array(length) : new Int32Array(length);
}

/** @throws Error (a defect) for int64, which tensorflow.js never sees. */
export function tfDtype(dtype: Dtype): 'float32' | 'int32' | 'bool' {
  if (dtype === 'int64') throw new Error('internal: an int64 value reached tensorflow.js');
  return dtype;
}
