/** Kernels that read or write by index. */
import { int, sizeOf } from '../graph.ts';
import { reshape } from '../layout.ts';
import { broadcasting, traced, wholeValue } from '../traced.ts';
import { castTo, dtypeNamed } from './elementwise.ts';
import type { LoweringTable } from './kernel-call.ts';
import { normalAxis } from './shape.ts';

export const gatherKernels: LoweringTable = {
  GatherV2: (call) => {
    const x = call.whole('x');
    const indices = wholeValue(call.graph, castTo(call.graph, call.input('indices'), 'int32'));
    const axis = normalAxis(call.number('axis'), x.shape);
    if (call.attribute('batchDims')) throw call.unsupported('batchDims above 0');
    const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
    return traced(call.graph.node('Gather', [x, indices], { shape, dtype: x.dtype }, { axis: int(axis) }));
  },
  /** As a comparison with 0..depth-1: an index out of range gives a row of offValue, as in tensorflow.js. */
  OneHot: (call) => {
    const { graph } = call;
    const indices = castTo(graph, call.input('indices'), 'int32');
    const depth = call.number('depth');
    const dtype = dtypeNamed(call, call.text('dtype') ?? 'int32');
    const column = traced(reshape(graph, wholeValue(graph, indices), [...indices.shape, 1]));
    const range = graph.constant(
      Int32Array.from({ length: depth }, (_, i) => i),
      {
        shape: [depth],
        dtype: 'int32',
      },
    );
    const hit = broadcasting(graph, 'Equal', [column, traced(range)], 'bool');
    const on = traced(graph.scalar(call.number('onValue'), dtype));
    const off = traced(graph.scalar(call.number('offValue'), dtype));
    return broadcasting(graph, 'Where', [hit, on, off], dtype);
  },
  UnsortedSegmentSum: (call) => {
    const { graph } = call;
    const updates = call.whole('x');
    const ids = call.input('segmentIds');
    if (ids.shape.length !== 1) throw call.unsupported('segment ids of rank other than 1');
    const shape = [call.number('numSegments'), ...updates.shape.slice(1)];
    const zeros = wholeValue(graph, traced(graph.scalar(0, updates.dtype), shape));
    const rows = castTo(
      graph,
      traced(reshape(graph, wholeValue(graph, ids), [sizeOf(ids.shape), 1])),
      'int64',
    );
    const attributes = { reduction: { kind: 'text', value: 'add' } } as const;
    const inputs = [zeros, rows.value, updates];
    return traced(graph.node('ScatterND', inputs, { shape, dtype: updates.dtype }, attributes));
  },
  TopK: (call) => {
    const x = call.whole('x');
    const k = call.number('k');
    const shape = [...x.shape.slice(0, -1), k];
    const [values, indices] = call.graph.nodes({
      op: 'TopK',
      inputs: [x, call.graph.int64([k])],
      attributes: { sorted: int(1) },
      results: [
        { shape, dtype: x.dtype },
        { shape, dtype: 'int64' },
      ],
    });
    return [traced(values!), castTo(call.graph, traced(indices!), 'int32')];
  },
};
