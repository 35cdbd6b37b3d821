/**
 * A TFJS graph model (model.json and its weight shards) at one input shape to ONNX, weights included.
 *
 * The model runs once under the trace backend, up to the wanted nodes only. A convolutional network can so be taken at another
 * size or batch than it was saved with, as long as no node on the way holds a shape of its own.
 */
import { type GraphModelRequest, executeGraphModel, loadGraphModel } from './graph-model.ts';
import { Graph, type Value } from './graph.ts';
import { lower } from './lower.ts';
import { tracing } from './trace-backend.ts';
import { traced, wholeValue } from './traced.ts';

/**
 * @param options the names become those of the ONNX input and outputs
 * @returns The ONNX model, opset 18.
 * @throws StillhouseError bad-input when a file is missing or not a graph model, when the input or an output is no node of it
 *   (nearest names are listed), or when a node on the way cannot be compiled at this shape.
 */
export async function traceGraphModel(options: GraphModelRequest): Promise<Uint8Array> {
  const { inputName } = options;
  const model = await loadGraphModel(options);
  try {
    const graph = new Graph();
    return tracing(graph, (backend) => {
      const input = graph.input(inputName, { shape: options.inputShape, dtype: 'float32' });
      const results = executeGraphModel(model, options, backend.tensorOf(traced(input)));
      const outputs = new Map<string, Value>();
      for (const [i, name] of options.outputs.entries())
        outputs.set(name, wholeValue(graph, backend.tracedOf(results[i]!)));
      return lower({ name: 'graph-model', graph, outputs }).onnx;
    });
  } finally {
    model.dispose();
  }
}
