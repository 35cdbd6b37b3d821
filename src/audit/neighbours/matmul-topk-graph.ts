/**
 * The ONNX graph that nearest-neighbour search runs: scores = queries x base^T, each column times its scale, then the k best columns
 * of each row.
 *
 *     queries f32 [m, d]   base f32 [n, d]   scale f32 [1, n]   k i64 [1]
 *     -> scores f32 [m, k], columns i32 [m, k]; best first, equal scores by lower column (ONNX TopK-11)
 *
 * Rows of the base come as they are stored: the engine packs them transposed as it multiplies, and their norms are one more product per
 * score. Every size is symbolic, so one session serves all tiles.
 */
import ort from 'onnxruntime-node';
import { ONNX_ELEMENT_TYPE, buildOnnx, encodeOnnx } from '../../format/onnx-model.ts';

/** Serialized ModelProto. The same bytes every time. */
export function matmulTopkGraph(): Uint8Array {
  return encodeOnnx(
    buildOnnx({
      name: 'matmul-topk',
      inputs: [
        { name: 'queries', dtype: 'float32', shape: ['m', 'd'] },
        { name: 'base', dtype: 'float32', shape: ['n', 'd'] },
        { name: 'scale', dtype: 'float32', shape: [1, 'n'] },
        { name: 'k', dtype: 'int64', shape: [1] },
      ],
      outputs: [
        { name: 'scores', dtype: 'float32', shape: ['m', 'kept'] },
        { name: 'columns', dtype: 'int32', shape: ['m', 'kept'] },
      ],
      initializers: [],
      nodes: [
        {
          op: 'Gemm',
          inputs: ['queries', 'base'],
          outputs: ['dots'],
          attributes: { transB: { kind: 'int', value: 1 } },
        },
        { op: 'Mul', inputs: ['dots', 'scale'], outputs: ['products'] },
        {
          op: 'TopK',
          inputs: ['products', 'k'],
          outputs: ['scores', 'columns64'],
          attributes: {
            axis: { kind: 'int', value: 1 },
            largest: { kind: 'int', value: 1 },
            sorted: { kind: 'int', value: 1 },
          },
        },
        // int32 columns reach JavaScript as plain numbers, int64 as bigints
        {
          op: 'Cast',
          inputs: ['columns64'],
          outputs: ['columns'],
          attributes: { to: { kind: 'int', value: ONNX_ELEMENT_TYPE.int32 } },
        },
      ],
    }),
  );
}

export interface MatmulTopkOptions {
  readonly executionProviders?: readonly ort.InferenceSession.ExecutionProviderConfig[];
  /** Threads of the engine within one call; its own choice when absent. */
  readonly threads?: number;
}

/** To be released by whoever opened it. */
export function openMatmulTopk({
  executionProviders = ['cpu'],
  threads,
}: MatmulTopkOptions = {}): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(matmulTopkGraph(), {
    executionProviders: [...executionProviders],
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
  });
}
