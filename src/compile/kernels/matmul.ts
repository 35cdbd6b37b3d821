/** Matrix products. */
import { type Graph, type Value, broadcastShape, int } from '../graph.ts';
import { transpose } from '../layout.ts';
import { type Traced, broadcasting, traced } from '../traced.ts';
import { activate } from './elementwise.ts';
import type { KernelCall, LoweringTable } from './kernel-call.ts';

export const matmulKernels: LoweringTable = {
  BatchMatMul: (call) => product(call),
  _FusedMatMul: (call) => {
    const bias = call.maybeInput('bias');
    const plain = product(call);
    return activate(call, bias ? broadcasting(call.graph, 'Add', [plain, bias], 'float32') : plain);
  },
};

/** [..., m, k] x [..., k, n]; rank 2 as Gemm, which transposes for nothing, higher ranks as MatMul. */
function product(call: KernelCall): Traced {
  const { graph } = call;
  const [a, b] = [call.whole('a'), call.whole('b')];
  const [transposeA, transposeB] = [call.flag('transposeA'), call.flag('transposeB')];
  const [m, n] = [a.shape.at(transposeA ? -1 : -2)!, b.shape.at(transposeB ? -2 : -1)!];
  if (a.shape.length === 2 && b.shape.length === 2) {
    const attributes = { transA: int(+transposeA), transB: int(+transposeB) };
    return traced(graph.node('Gemm', [a, b], { shape: [m, n], dtype: 'float32' }, attributes));
  }
  const inputs = [transposeA ? flipped(graph, a) : a, transposeB ? flipped(graph, b) : b];
  const shape = [...broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n];
  return traced(graph.node('MatMul', inputs, { shape, dtype: 'float32' }));
}

/** The last two axes swapped. */
function flipped(graph: Graph, x: Value): Value {
  const axes = x.shape.map((_, i) => i);
  return transpose(graph, x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
}
