/**
 * The graph a trace builds: values and nodes with static shapes, one node per ONNX operator.
 *
 * Equal nodes are one node (hash-consing), so common subexpressions are shared as they appear. Nothing is removed here: what no
 * output reaches is never written out (lower.ts).
 */
import type { OnnxAttribute, OnnxData, OnnxDtype } from '../format/onnx-model.ts';

export type Dtype = OnnxDtype;
export type Shape = readonly number[];
export type Attributes = Readonly<Record<string, OnnxAttribute>>;

export interface Value {
  /** Unique within its graph; ids of nodes' outputs grow in creation order, which is a topological order. */
  readonly id: number;
  readonly shape: Shape;
  readonly dtype: Dtype;
  readonly source: ConstantSource | InputSource | NodeSource;
}
interface ConstantSource {
  readonly kind: 'constant';
  readonly data: OnnxData;
}
interface InputSource {
  readonly kind: 'input';
  readonly name: string;
}
interface NodeSource {
  readonly kind: 'node';
  readonly node: GraphNode;
  readonly index: number;
}

export interface GraphNode {
  readonly id: number;
  readonly op: string;
  /** undefined leaves out an optional input. */
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  readonly outputs: readonly Value[];
}

export interface ResultType {
  readonly shape: Shape;
  readonly dtype: Dtype;
}

export interface NodeOptions {
  readonly op: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes?: Attributes;
  readonly results: readonly ResultType[];
}

/** Constants up to this many elements are shared when their contents are equal. */
const SHARED_CONSTANT_SIZE = 64;

export class Graph {
  readonly inputs: Value[] = [];
  #nextId = 0;
  readonly #nodes = new Map<string, GraphNode>();
  readonly #constants = new Map<string, Value>();

  input(name: string, type: ResultType): Value {
    const value = this.#value(type, { kind: 'input', name });
    this.inputs.push(value);
    return value;
  }

  constant(data: OnnxData, type: ResultType): Value {
    if (data.length !== sizeOf(type.shape))
      throw new Error(`internal: ${data.length} values do not fill [${type.shape.join(',')}]`);
    if (data.length > SHARED_CONSTANT_SIZE) return this.#value(type, { kind: 'constant', data });
    const key = `${type.dtype}|${type.shape.join()}|${[...data].map((x) => (Object.is(x, -0) ? '-0' : x)).join()}`;
    const known = this.#constants.get(key);
    if (known) return known;
    const value = this.#value(type, { kind: 'constant', data });
    this.#constants.set(key, value);
    return value;
  }

  /** An int64 vector, as ONNX wants its shapes, axes and pads. */
  int64(values: readonly number[]): Value {
    return this.constant(BigInt64Array.from(values, BigInt), { shape: [values.length], dtype: 'int64' });
  }

  scalar(value: number, dtype: Dtype = 'float32'): Value {
    return this.constant(dataOf([value], dtype), { shape: [], dtype });
  }

  /** Values of a new node's results, or those of an equal node that exists. */
  nodes(options: NodeOptions): readonly Value[] {
    const attributes = options.attributes ?? {};
    const ids = options.inputs.map((input) => input?.id ?? '').join();
    const results = options.results.map((type) => `${type.dtype}[${type.shape.join()}]`).join();
    const key = `${options.op}|${ids}|${JSON.stringify(attributes)}|${results}`;
    const known = this.#nodes.get(key);
    if (known) return known.outputs;
    const outputs: Value[] = [];
    const node: GraphNode = {
      id: this.#nextId++,
      op: options.op,
      inputs: options.inputs,
      attributes,
      outputs,
    };
    for (const [index, type] of options.results.entries())
      outputs.push(this.#value(type, { kind: 'node', node, index }));
    this.#nodes.set(key, node);
    return outputs;
  }

  /** A node with one result. */
  node(
    op: string,
    inputs: readonly (Value | undefined)[],
    result: ResultType,
    attributes: Attributes = {},
  ): Value {
    return this.nodes({ op, inputs, results: [result], attributes })[0]!;
  }

  #value(type: ResultType, source: Value['source']): Value {
    return { id: this.#nextId++, shape: [...type.shape], dtype: type.dtype, source };
  }
}

/** The node that makes a value when it is one of the named operator. */
export function producedBy(value: Value, op: string): GraphNode | undefined {
  return value.source.kind === 'node' && value.source.node.op === op ? value.source.node : undefined;
}

/** A constant's data, or undefined. */
export function constantData(value: Value): OnnxData | undefined {
  return value.source.kind === 'constant' ? value.source.data : undefined;
}

/** The number a constant holds everywhere, when it has one element; undefined otherwise. */
export function uniformNumber(value: Value): number | undefined {
  const data = constantData(value);
  return data?.length === 1 ? Number(data[0]) : undefined;
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((size, dim) => size * dim, 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** NumPy broadcasting of static shapes. */
export function broadcastShape(...shapes: readonly Shape[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    let dim = 1;
    for (const shape of shapes) {
      const size = shape[axis - rank + shape.length] ?? 1;
      if (size === 1) continue;
      if (dim !== 1 && dim !== size)
        throw new Error(`internal: shapes ${shapes.map((s) => `[${s.join()}]`).join(' ')} do not broadcast`);
      dim = size;
    }
    return dim;
  });
}

/** The shape with leading 1s up to a rank. */
export function padRank(shape: Shape, rank: number): number[] {
  return [...Array<number>(Math.max(0, rank - shape.length)).fill(1), ...shape];
}

export function dataOf(values: ArrayLike<number>, dtype: Dtype): OnnxData {
  switch (dtype) {
    case 'float32':
      return Float32Array.from(values);
    case 'int32':
      return Int32Array.from(values);
    case 'bool':
      return Uint8Array.from(values, (x) => (x ? 1 : 0));
    case 'int64':
      return BigInt64Array.from(Array.from(values, BigInt));
  }
}

/** Attribute makers, so that call sites read as ONNX does. */
export const int = (value: number): OnnxAttribute => ({ kind: 'int', value });
export const float = (value: number): OnnxAttribute => ({ kind: 'float', value });
export const ints = (value: readonly number[]): OnnxAttribute => ({ kind: 'ints', value });
export const text = (value: string): OnnxAttribute => ({ kind: 'text', value });
