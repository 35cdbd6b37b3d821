/**
 * What an ONNX file is made of, without its tensors' values: inputs, outputs, nodes, and where every tensor lies, in the file or
 * in external data beside it (ONNX IR spec, https://onnx.ai/onnx/repo-docs/IR.html). A model of any size is outlined by reading
 * its structure only.
 */
import onnxProto from 'onnx-proto';
import { StillhouseError } from '../core/failure.ts';
import type { ByteSource } from './byte-source.ts';
import {
  ProtobufError,
  type ProtoField,
  type Span,
  fieldsOf,
  integersOf,
  textOf,
} from './protobuf-fields.ts';

const { onnx } = onnxProto;

/** Element types by their code in TensorProto.DataType. */
export const ELEMENT_TYPES: Readonly<Record<number, string>> = {
  ...{ 1: 'float32', 2: 'uint8', 3: 'int8', 4: 'uint16', 5: 'int16', 6: 'int32', 7: 'int64', 8: 'string' },
  ...{ 9: 'bool', 10: 'float16', 11: 'float64', 12: 'uint32', 13: 'uint64', 16: 'bfloat16' },
  ...{ 17: 'float8', 18: 'float8', 19: 'float8', 20: 'float8', 21: 'uint4', 22: 'int4', 23: 'float4' },
};

export interface OnnxPort {
  readonly name: string;
  /** Of {@link ELEMENT_TYPES}; `unknown` where the file does not say. */
  readonly dtype: string;
  /** A string is a free dimension of that name, null one without a name; null as a whole where the file does not say. */
  readonly shape: readonly (number | string | null)[] | null;
}

export interface OnnxTensorPlace {
  readonly name: string;
  readonly dtype: string;
  readonly dims: readonly number[];
  /** File beside the model that holds the values, as the model names it; null when they are inside. */
  readonly externalFile: string | null;
  readonly whole: Span;
  readonly payload: Span;
}

export interface OnnxNodePlace {
  readonly op: string;
  /** Operators of the nodes in its subgraphs (If, Loop, Scan), at any depth. */
  readonly innerOps: readonly string[];
  /** Tensors it reads, those captured by its subgraphs (If, Loop, Scan) included. */
  readonly reads: readonly string[];
  readonly outputs: readonly string[];
  /** Tensors that the node itself holds, as Constant does. */
  readonly constants: readonly Pick<OnnxTensorPlace, 'dtype' | 'dims'>[];
  readonly whole: Span;
}

/** A value info by name, where it lies. */
export interface OnnxPortPlace {
  readonly port: OnnxPort;
  readonly whole: Span;
}

export interface OnnxOutline {
  readonly irVersion: number;
  /** Version per operator set; '' is the default one, `ai.onnx`. */
  readonly opsets: ReadonlyMap<string, number>;
  /** Fed by the caller: without the initializers that old IR versions list here too. */
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
  readonly initializers: readonly OnnxTensorPlace[];
  /** In the order of the file: topological by the IR spec, and not so in files that converters have touched. */
  readonly nodes: readonly OnnxNodePlace[];
  /** Operators in the bodies of the model's own functions, by the name that a node has as its operator. */
  readonly functions: ReadonlyMap<string, readonly string[]>;
  /** Names of the external data files, each once. */
  readonly externalFiles: readonly string[];
  /** By name, the bytes that a file must have so that every initializer with a stated length lies in it. */
  readonly externalBytes: ReadonlyMap<string, number>;
  /** What a cut copies: model fields but the graph, and graph fields that are none of the above. */
  readonly places: {
    readonly model: readonly Span[];
    readonly graph: readonly Span[];
    readonly inputs: readonly OnnxPortPlace[];
    readonly outputs: readonly OnnxPortPlace[];
    readonly values: readonly OnnxPortPlace[];
  };
}

/**
 * @param where named in messages
 * @throws StillhouseError bad-input when the bytes are not an ONNX model with a graph, or end before the model does, or an external
 *   tensor does not say where it lies
 */
export function outlineOnnx(source: ByteSource, where: string): OnnxOutline {
  const builder = new OutlineBuilder(source, where);
  try {
    builder.readModel();
  } catch (error) {
    if (!(error instanceof ProtobufError)) throw error;
    throw builder.looksLikeOnnx && error.endsEarly
      ? cutShort(source, where, error)
      : notAModel(source, where, error);
  }
  if (builder.nodes.length === 0) throw notAModel(source, where);
  return builder.outline();
}

class OutlineBuilder {
  readonly nodes: OnnxNodePlace[] = [];
  readonly #source: ByteSource;
  readonly #where: string;
  readonly #functions = new Map<string, readonly string[]>();
  readonly #opsets = new Map<string, number>();
  readonly #initializers: OnnxTensorPlace[] = [];
  readonly #externalFiles = new Set<string>();
  readonly #externalBytes = new Map<string, number>();
  readonly #places = {
    model: [] as Span[],
    graph: [] as Span[],
    inputs: [] as OnnxPortPlace[],
    outputs: [] as OnnxPortPlace[],
    values: [] as OnnxPortPlace[],
  };
  #irVersion = 0;

  constructor(source: ByteSource, where: string) {
    this.#source = source;
    this.#where = where;
  }

  /** Whether what was read so far begins as models do. */
  get looksLikeOnnx(): boolean {
    return this.#irVersion > 0;
  }

  readModel(): void {
    for (const field of fieldsOf(this.#source, { start: 0, end: this.#source.sizeBytes })) {
      if (field.number === 7 && field.delimited) {
        this.#readGraph(field.payload);
        continue;
      }
      this.#places.model.push(field.whole);
      if (field.number === 1) this.#irVersion = field.value;
      else if (field.number === 8) {
        const opset: onnxProto.onnx.IOperatorSetIdProto = onnx.OperatorSetIdProto.decode(this.#bytes(field));
        this.#opsets.set(opset.domain === 'ai.onnx' ? '' : (opset.domain ?? ''), Number(opset.version));
      } else if (field.number === 25) {
        const { name, node } = onnx.FunctionProto.decode(this.#bytes(field));
        this.#functions.set(name, node.flatMap(opsOf));
      }
    }
  }

  outline(): OnnxOutline {
    const constants = new Set(this.#initializers.map(({ name }) => name));
    return {
      irVersion: this.#irVersion,
      opsets: this.#opsets,
      inputs: this.#places.inputs.map(({ port }) => port).filter(({ name }) => !constants.has(name)),
      outputs: this.#places.outputs.map(({ port }) => port),
      initializers: this.#initializers,
      nodes: this.nodes,
      functions: this.#functions,
      externalFiles: [...this.#externalFiles].sort(),
      externalBytes: this.#externalBytes,
      places: this.#places,
    };
  }

  #readGraph(span: Span): void {
    for (const field of fieldsOf(this.#source, span)) {
      switch (field.number) {
        case 1:
          this.#readNode(field);
          break;
        case 5:
          this.#initializers.push(this.#readTensor(field));
          break;
        case 11:
          this.#places.inputs.push(this.#readPort(field));
          break;
        case 12:
          this.#places.outputs.push(this.#readPort(field));
          break;
        case 13:
          this.#places.values.push(this.#readPort(field));
          break;
        default:
          this.#places.graph.push(field.whole);
      }
    }
  }

  #readNode(field: ProtoField): void {
    const node = onnx.NodeProto.decode(this.#bytes(field));
    for (const file of externalFilesOf(node)) this.#externalFiles.add(file);
    this.nodes.push({
      op: node.opType,
      innerOps: graphsOf(node).flatMap((graph) => (graph.node ?? []).flatMap(opsOf)),
      reads: namesReadBy(node),
      outputs: node.output.filter((name) => name !== ''),
      constants: tensorsOf(node).map(({ dataType, dims }) => ({
        dtype: ELEMENT_TYPES[dataType ?? 0] ?? 'unknown',
        dims: (dims ?? []).map(Number),
      })),
      whole: field.whole,
    });
  }

  #readTensor(field: ProtoField): OnnxTensorPlace {
    let [name, dtype] = ['', 'unknown'];
    const dims: number[] = [];
    const external = new Map<string, string>();
    let isExternal = false;
    for (const part of fieldsOf(this.#source, field.payload)) {
      if (part.number === 1) dims.push(...integersOf(this.#source, part));
      else if (part.number === 2) dtype = ELEMENT_TYPES[part.value] ?? `type ${part.value}`;
      else if (part.number === 8) name = textOf(this.#source, part);
      else if (part.number === 13) {
        const { key, value } = onnx.StringStringEntryProto.decode(this.#bytes(part));
        external.set(key, value);
      } else if (part.number === 14) isExternal = part.value === 1;
    }
    const externalFile = isExternal ? (external.get('location') ?? '') : null;
    if (externalFile !== null) {
      this.#externalFiles.add(externalFile);
      const end = this.#placeIn(external, 'offset', name) + this.#placeIn(external, 'length', name);
      this.#externalBytes.set(externalFile, Math.max(end, this.#externalBytes.get(externalFile) ?? 0));
    }
    return { name, dtype, dims, externalFile, whole: field.whole, payload: field.payload };
  }

  /** Bytes; 0 where the model does not say. */
  #placeIn(external: ReadonlyMap<string, string>, key: 'offset' | 'length', tensor: string): number {
    const got = external.get(key) ?? '0';
    if (/^\d{1,15}$/.test(got)) return Number(got);
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'a model does not say where a tensor lies in its external data',
      where: `${this.#where}, tensor ${tensor}`,
      wanted: `${key} in bytes, a whole number`,
      got: JSON.stringify(got),
      next: 'export the model again',
    });
  }

  #readPort(field: ProtoField): OnnxPortPlace {
    const { name, type } = onnx.ValueInfoProto.decode(this.#bytes(field));
    const tensor = type?.tensorType;
    const port: OnnxPort = {
      name,
      dtype: tensor ? (ELEMENT_TYPES[tensor.elemType ?? 0] ?? 'unknown') : 'unknown',
      shape: tensor?.shape?.dim?.map((dim) => (dim.dimParam ? dim.dimParam : sizeOf(dim.dimValue))) ?? null,
    };
    return { port, whole: field.whole };
  }

  /** Decoders keep views of what they are given, and a window does not last. */
  #bytes({ payload }: ProtoField): Uint8Array {
    return this.#source.view(payload.start, payload.end).slice();
  }
}

/** A dimension that is absent decodes as 0. */
function sizeOf(value: unknown): number | null {
  const size = Number(value ?? 0);
  return size > 0 ? size : null;
}

type NodeProto = onnxProto.onnx.INodeProto;

function graphsOf(node: NodeProto): onnxProto.onnx.IGraphProto[] {
  return (node.attribute ?? []).flatMap((one) => [...(one.g ? [one.g] : []), ...(one.graphs ?? [])]);
}

function tensorsOf(node: NodeProto): onnxProto.onnx.ITensorProto[] {
  return (node.attribute ?? []).flatMap((one) => [...(one.t ? [one.t] : []), ...(one.tensors ?? [])]);
}

/** Of the node, and of those in its subgraphs. */
function opsOf(node: NodeProto): string[] {
  return [node.opType ?? '', ...graphsOf(node).flatMap((graph) => (graph.node ?? []).flatMap(opsOf))];
}

function namesReadBy(node: NodeProto): string[] {
  const inner = graphsOf(node).flatMap((graph) => [
    ...(graph.node ?? []).flatMap(namesReadBy),
    ...(graph.output ?? []).map((info) => info.name ?? ''),
  ]);
  return [...(node.input ?? []), ...inner].filter((name) => name !== '');
}

/** External data of tensors that are attributes, or initializers of subgraphs. */
function externalFilesOf(node: NodeProto): string[] {
  const inner = graphsOf(node);
  const tensors = [...tensorsOf(node), ...inner.flatMap((graph) => graph.initializer ?? [])];
  return [
    ...tensors.flatMap(({ externalData }) =>
      (externalData ?? []).flatMap(({ key, value }) => (key === 'location' && value ? [value] : [])),
    ),
    ...inner.flatMap((graph) => (graph.node ?? []).flatMap(externalFilesOf)),
  ];
}

function cutShort(source: ByteSource, where: string, cause: ProtobufError): StillhouseError {
  return new StillhouseError(
    {
      kind: 'bad-input',
      what: 'an ONNX model ends before its graph does',
      where,
      wanted: `at least ${cause.wantedBytes} bytes`,
      got: `${source.sizeBytes} bytes`,
      next: 'fetch the file again: it was not copied whole',
    },
    cause,
  );
}

function notAModel(source: ByteSource, where: string, cause?: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'bad-input',
      what: 'not an ONNX model',
      where,
      wanted: 'the protobuf bytes of a ModelProto with at least one node',
      got: `${source.sizeBytes} bytes that do not decode to one`,
      next: 'check that the file was downloaded whole and is not a Git LFS pointer',
    },
    cause,
  );
}
