/**
 * ONNX protobuf models that we build: opset {@link ONNX_OPSET}, IR version 8 (ONNX IR spec,
 * https://onnx.ai/onnx/repo-docs/IR.html). Models of others are read by onnx-outline.ts and cut by onnx-cut.ts.
 */
import onnxProto from 'onnx-proto';

const { onnx } = onnxProto;

/** A model, as the protobuf holds it. */
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
