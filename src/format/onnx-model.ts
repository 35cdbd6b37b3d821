/**
 * ONNX protobuf models: build, encode, decode, and cut (ONNX IR spec, https://onnx.ai/onnx/repo-docs/IR.html).
 * What we build is opset {@link ONNX_OPSET}, IR version 8; what we read and cut may be any opset.
 */
import onnxProto from 'onnx-proto';
import { StillhouseError } from '../core/failure.ts';
import { nearestNames } from '../core/nearest-names.ts';

const { onnx } = onnxProto;

/** A decoded model, as the protobuf holds it. */
export type OnnxModel = onnxProto.onnx.IModelProto;

/** Opset of the models we build: the first where every Reduce* takes its axes as an input. */
export const ONNX_OPSET = 18;
const IR_VERSION = 8;

export type OnnxDtype = 'float32' | 'int32' | 'int64' | 'bool';

/** Element type codes of TensorProto.DataType. */
export const ONNX_ELEMENT_TYPE: Readonly<Record<OnnxDtype, number>> = {
  float32: 1,
  int32: 6,
  int64: 7,
  bool: 9,
};

/** Row-major values of one tensor. `bool` is one byte per element, 0 or 1. */
export type OnnxData = Float32Array | Int32Array | BigInt64Array | Uint8Array;

export interface OnnxValueInfo {
  readonly name: string;
  readonly dtype: OnnxDtype;
  /** A string is a free dimension of that name. */
  readonly shape: readonly (number | string)[];
}

export interface OnnxInitializer {
  readonly name: string;
  readonly dtype: OnnxDtype;
  readonly shape: readonly number[];
  readonly data: OnnxData;
}

export type OnnxAttribute =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'text'; readonly value: string };

export interface OnnxNode {
  readonly op: string;
  readonly name?: string;
  /** Tensor names; '' leaves out an optional input. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
}

export interface OnnxGraph {
  readonly name: string;
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  readonly initializers: readonly OnnxInitializer[];
  /** In topological order. */
  readonly nodes: readonly OnnxNode[];
}

/** A model of one graph, opset 18, IR version 8. */
export function buildOnnx(graph: OnnxGraph): OnnxModel {
  return {
    irVersion: IR_VERSION,
    producerName: 'stillhouse',
    opsetImport: [{ domain: '', version: ONNX_OPSET }],
    graph: {
      name: graph.name,
      input: graph.inputs.map(valueInfoProto),
      output: graph.outputs.map(valueInfoProto),
      initializer: graph.initializers.map((tensor) => ({
        name: tensor.name,
        dataType: ONNX_ELEMENT_TYPE[tensor.dtype],
        dims: [...tensor.shape],
        rawData: new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength),
      })),
      node: graph.nodes.map((node) => ({
        opType: node.op,
        name: node.name ?? '',
        input: [...node.inputs],
        output: [...node.outputs],
        attribute: Object.entries(node.attributes ?? {}).map(([name, value]) => attributeProto(name, value)),
      })),
    },
  };
}

/** The protobuf bytes that onnxruntime loads. */
export function encodeOnnx(model: OnnxModel): Uint8Array {
  return onnx.ModelProto.encode(model).finish();
}

/** @throws StillhouseError bad-input when the bytes are not an ONNX model with a graph. */
export function decodeOnnx(bytes: Uint8Array): OnnxModel {
  let model: OnnxModel;
  try {
    model = onnx.ModelProto.decode(bytes);
  } catch (cause) {
    throw notAModel(bytes, cause);
  }
  if (!model.graph?.node?.length) throw notAModel(bytes);
  return model;
}

function notAModel(bytes: Uint8Array, cause?: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'bad-input',
      what: 'not an ONNX model',
      wanted: 'the protobuf bytes of a ModelProto with at least one node',
      got: `${bytes.length} bytes that do not decode to one`,
      next: 'check that the file was downloaded whole and is not a Git LFS pointer',
    },
    cause,
  );
}

/** Version of the default operator set that the model asks for; 1 when it names none. */
export function opsetOf(model: OnnxModel): number {
  const entry = model.opsetImport?.find((set) => !set.domain || set.domain === 'ai.onnx');
  return Number(entry?.version ?? 1);
}

export interface WithOutputsOptions {
  /** Keep the model's own outputs, before the new ones, and prune nothing they need. Default false: they are replaced. */
  readonly keepOwn?: boolean;
}

/**
 * Makes the named tensors the model's outputs, in that order, and prunes every node and initializer that no output needs, so
 * that a tap on an inner layer does not pay for the head. Graph inputs stay. Works on any opset.
 * @throws StillhouseError bad-input when a name is no tensor of the graph; the message lists the nearest names.
 */
export function withOutputs(
  bytes: Uint8Array,
  names: readonly string[],
  options: WithOutputsOptions = {},
): Uint8Array {
  const model = decodeOnnx(bytes);
  const graph = model.graph!;
  const nodes = graph.node ?? [];
  const own = options.keepOwn ? (graph.output ?? []) : [];
  const wanted = [...new Set(names)].filter((name) => own.every((info) => info.name !== name));
  const produced = new Set(nodes.flatMap((node) => node.output ?? []));
  for (const name of wanted) if (!produced.has(name)) throw unknownTensor(name, produced);

  const known = new Map(
    [...(graph.valueInfo ?? []), ...(graph.output ?? [])].map((info) => [info.name, info]),
  );
  const outputs = [...own, ...wanted.map((name) => known.get(name) ?? { name })];
  const needed = new Set(outputs.map((info) => info.name!));
  // Nodes are stored in topological order (IR spec), so one backward pass meets every consumer before its producer.
  const kept = nodes
    .toReversed()
    .filter((node) => {
      if (!node.output?.some((name) => needed.has(name))) return false;
      for (const name of namesReadBy(node)) needed.add(name);
      return true;
    })
    .toReversed();
  const initializers = graph.initializer ?? [];
  const dropped = new Set(initializers.filter((one) => !needed.has(one.name!)).map((one) => one.name!));
  return encodeOnnx({
    ...model,
    graph: {
      ...graph,
      node: kept,
      output: outputs,
      initializer: initializers.filter((one) => !dropped.has(one.name!)),
      // IR versions below 4 list every initializer among the inputs too.
      input: (graph.input ?? []).filter((info) => !dropped.has(info.name!)),
      valueInfo: (graph.valueInfo ?? []).filter((info) => needed.has(info.name!)),
    },
  });
}

/** Tensor names a node reads, those captured by its subgraphs (If, Loop, Scan) included. */
function namesReadBy(node: onnxProto.onnx.INodeProto): string[] {
  const graphs = (node.attribute ?? []).flatMap((one) => [...(one.g ? [one.g] : []), ...(one.graphs ?? [])]);
  const inner = graphs.flatMap((graph) => [
    ...(graph.node ?? []).flatMap(namesReadBy),
    ...(graph.output ?? []).map((info) => info.name ?? ''),
  ]);
  return [...(node.input ?? []), ...inner].filter((name) => name !== '');
}

function unknownTensor(name: string, known: ReadonlySet<string>): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: `the model has no tensor named ${name}`,
    wanted: 'the output name of one of its nodes',
    got: `${name}; nearest: ${nearestNames(name, known, 5).join(', ')}`,
    next: 'correct the tap in the teacher manifest',
  });
}

function valueInfoProto(info: OnnxValueInfo): onnxProto.onnx.IValueInfoProto {
  const dim = info.shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return {
    name: info.name,
    type: { tensorType: { elemType: ONNX_ELEMENT_TYPE[info.dtype], shape: { dim } } },
  };
}

function attributeProto(name: string, attribute: OnnxAttribute): onnxProto.onnx.IAttributeProto {
  const { AttributeType } = onnx.AttributeProto;
  switch (attribute.kind) {
    case 'int':
      return { name, type: AttributeType.INT, i: attribute.value };
    case 'float':
      return { name, type: AttributeType.FLOAT, f: attribute.value };
    case 'ints':
      return { name, type: AttributeType.INTS, ints: [...attribute.value] };
    case 'text':
      return { name, type: AttributeType.STRING, s: new TextEncoder().encode(attribute.value) };
  }
}
