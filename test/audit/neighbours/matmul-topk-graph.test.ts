import ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { matmulTopkGraph } from '../../../src/audit/neighbours/matmul-topk-graph.ts';

describe('matmulTopkGraph', () => {
  it('takes any sizes in one session and breaks ties by the lower column', async () => {
    const session = await ort.InferenceSession.create(matmulTopkGraph());
    const run = async (
      [m, d, n, k]: readonly [number, number, number, number],
      base: number[],
      scale = base.slice(0, n).map(() => 1),
    ): Promise<number[]> => {
      const result = await session.run({
        queries: new ort.Tensor('float32', new Float32Array(m * d).fill(1), [m, d]),
        base: new ort.Tensor('float32', Float32Array.from(base), [n, d]),
        scale: new ort.Tensor('float32', Float32Array.from(scale), [1, n]),
        k: new ort.Tensor('int64', BigInt64Array.of(BigInt(k)), [1]),
      });
      expect(result['scores']!.dims).toEqual([m, k]);
      return [...(result['columns']!.data as Int32Array)];
    };
    expect(await run([1, 1, 4, 3], [5, 7, 7, 6])).toEqual([1, 2, 3]);
    expect(await run([2, 2, 3, 2], [1, 2, 0, 1, 2, 1])).toEqual([0, 2, 0, 2]);
    expect(await run([1, 1, 3, 3], [5, 7, 6], [1, 0.1, 2])).toEqual([2, 0, 1]);
    await session.release();
  });

  it('is the same bytes every time', () => {
    expect(Buffer.from(matmulTopkGraph()).equals(matmulTopkGraph())).toBe(true);
  });
});
