/** A traced graph to an ONNX model: only what the outputs need, in topological order. */
import {
  type OnnxInitializer,
  type OnnxNode,
  type OnnxValueInfo,
  buildOnnx,
  encodeOnnx,
} from '../format/onnx-model.ts';
import type { Graph, GraphNode, Value } from './graph.ts';

export interface LowerOptions {
  readonly name: string;
  readonly graph: Graph;
  /** Output name to value, in the order the model shall have. Names are unique and differ from the inputs'. */
  readonly outputs: ReadonlyMap<string, Value>;
}

export interface Lowered {
  readonly onnx: Uint8Array;
  readonly nodeCount: number;
}

/** Inputs of the graph stay inputs of the model even where nothing reads them, so that a caller may always feed all. */
export function lower(options: LowerOptions): Lowered {
  const { graph, outputs } = options;
  const { nodes, constants } = reachable([...outputs.values()]);
  const names = new Map<number, string>();
  for (const input of graph.inputs) if (input.source.kind === 'input') names.set(input.id, input.source.name);

  // A node's result takes the name of the first output it is; any further name, and any input or constant, needs a copy.
  const copies: OnnxNode[] = [];
  for (const [name, value] of outputs) {
    if (value.source.kind === 'node' && !names.has(value.id)) names.set(value.id, name);
    else copies.push({ op: 'Identity', name: `copy ${name}`, inputs: [nameOf(value)], outputs: [name] });
  }

  function nameOf(value: Value): string {
    const known = names.get(value.id);
    if (known !== undefined) return known;
    const name = `${value.source.kind === 'constant' ? 'c' : 'v'}:${value.id}`;
    names.set(value.id, name);
    return name;
  }

  const onnxNodes = nodes.map((node): OnnxNode => ({
    op: node.op,
    name: `${node.op}:${node.id}`,
    inputs: node.inputs.map((input) => (input ? nameOf(input) : '')),
    outputs: node.outputs.map(nameOf),
    attributes: node.attributes,
  }));
  const model = buildOnnx({
    name: options.name,
    inputs: graph.inputs.map((value) => infoOf(value, nameOf(value))),
    outputs: [...outputs].map(([name, value]) => infoOf(value, name)),
    initializers: constants.map((value) => initializerOf(value, nameOf(value))),
    nodes: [...onnxNodes, ...copies],
  });
  return { onnx: encodeOnnx(model), nodeCount: onnxNodes.length + copies.length };
}

function reachable(outputs: readonly Value[]): { nodes: GraphNode[]; constants: Value[] } {
  const nodes = new Set<GraphNode>();
  const constants = new Map<number, Value>();
  const pending = [...outputs];
  for (let value = pending.pop(); value; value = pending.pop()) {
    if (value.source.kind === 'constant') constants.set(value.id, value);
    if (value.source.kind !== 'node' || nodes.has(value.source.node)) continue;
    nodes.add(value.source.node);
    for (const input of value.source.node.inputs) if (input) pending.push(input);
  }
  return {
    nodes: [...nodes].sort((a, b) => a.id - b.id),
    constants: [...constants.values()].sort((a, b) => a.id - b.id),
  };
}

function infoOf(value: Value, name: string): OnnxValueInfo {
  return { name, dtype: value.dtype, shape: value.shape };
}

function initializerOf(value: Value, name: string): OnnxInitializer {
  if (value.source.kind !== 'constant') throw new Error('internal: only constants are initializers');
  return { name, dtype: value.dtype, shape: value.shape, data: value.source.data };
}
