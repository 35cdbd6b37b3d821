/**
 * Products of large float32 matrices on the engine that also runs nearest neighbours (onnxruntime). Distances, kernels and label
 * permutations all come down to it; plain loops are 50 times slower.
 */
import ort from 'onnxruntime-node';
import { buildOnnx, encodeOnnx } from '../../format/onnx-model.ts';

/** a f32 [m, k], b f32 [n, k] -> products f32 [m, n] = a b^T. Every size is symbolic. */
export function productGraph(): Uint8Array {
  return encodeOnnx(
    buildOnnx({
      name: 'product-transposed',
      inputs: [
        { name: 'a', dtype: 'float32', shape: ['m', 'k'] },
        { name: 'b', dtype: 'float32', shape: ['n', 'k'] },
      ],
      outputs: [{ name: 'products', dtype: 'float32', shape: ['m', 'n'] }],
      initializers: [],
      nodes: [
        {
          op: 'Gemm',
          inputs: ['a', 'b'],
          outputs: ['products'],
          attributes: { transB: { kind: 'int', value: 1 } },
        },
      ],
    }),
  );
}

export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /** [rows * columns], row by row. */
  readonly data: Float32Array;
}

export interface EngineOptions {
  readonly executionProviders?: readonly ort.InferenceSession.ExecutionProviderConfig[];
  readonly threads?: number;
}

export class MatrixEngine {
  readonly #session: ort.InferenceSession;

  private constructor(session: ort.InferenceSession) {
    this.#session = session;
  }

  static async open({ executionProviders = ['cpu'], threads }: EngineOptions = {}): Promise<MatrixEngine> {
    return new MatrixEngine(
      await ort.InferenceSession.create(productGraph(), {
        executionProviders: [...executionProviders],
        ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
      }),
    );
  }

  /** a b^T, [a.rows * b.rows]. @throws Error (a defect) when the matrices do not fit. */
  async timesTransposed(a: Matrix, b: Matrix): Promise<Float32Array> {
    for (const { rows, columns, data } of [a, b])
      if (data.length !== rows * columns || columns !== a.columns)
        throw new Error(`internal: ${data.length} values are no ${rows} x ${a.columns} matrix`);
    if (a.rows === 0 || b.rows === 0 || a.columns === 0) return new Float32Array(a.rows * b.rows);
    const { products } = await this.#session.run({
      a: new ort.Tensor('float32', a.data, [a.rows, a.columns]),
      b: new ort.Tensor('float32', b.data, [b.rows, b.columns]),
    });
    return products!.data as Float32Array;
  }

  async close(): Promise<void> {
    await this.#session.release();
  }
}
