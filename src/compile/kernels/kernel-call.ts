/** One kernel that tensorflow.js asks for during a trace, and how it is turned into graph nodes. */
import { StillhouseError } from '../../core/failure.ts';
import type { Graph, Shape, Value } from '../graph.ts';
import { type Traced, wholeValue } from '../traced.ts';

/** Turns a kernel call into nodes. Throws what {@link KernelCall.unsupported} gives for a case it does not cover. */
export type Lowering = (call: KernelCall) => Traced | readonly Traced[];
export type LoweringTable = Readonly<Record<string, Lowering>>;

export interface KernelCallOptions {
  readonly kernel: string;
  readonly graph: Graph;
  /** By the kernel's own input names; list inputs (Concat, Pack) under '0', '1', ... */
  readonly inputs: ReadonlyMap<string, Traced>;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Ops and user scopes the call was made in, outermost first. */
  readonly where: string;
}

export class KernelCall {
  readonly kernel: string;
  readonly graph: Graph;
  readonly where: string;
  readonly #inputs: ReadonlyMap<string, Traced>;
  readonly #attributes: Readonly<Record<string, unknown>>;

  constructor(options: KernelCallOptions) {
    this.kernel = options.kernel;
    this.graph = options.graph;
    this.where = options.where;
    this.#inputs = options.inputs;
    this.#attributes = options.attributes;
  }

  input(name: string): Traced {
    const found = this.#inputs.get(name);
    if (!found) throw new Error(`internal: kernel ${this.kernel} has no input ${name}`);
    return found;
  }

  maybeInput(name: string): Traced | undefined {
    return this.#inputs.get(name);
  }

  list(): Traced[] {
    return [...this.#inputs.values()];
  }

  /** The input with every element present. */
  whole(name: string): Value {
    return wholeValue(this.graph, this.input(name));
  }

  number(name: string): number {
    const value = this.#attributes[name];
    if (typeof value !== 'number') throw this.#badAttribute(name, 'a number');
    return value;
  }

  numbers(name: string): number[] {
    const value = this.#attributes[name];
    if (!isNumbers(value)) throw this.#badAttribute(name, 'numbers');
    return [...value];
  }

  /** A pair given as one number or two. */
  pair(name: string): [number, number] {
    const value = this.#attributes[name];
    if (typeof value === 'number') return [value, value];
    if (isNumbers(value) && value.length === 2) return [value[0]!, value[1]!];
    throw this.#badAttribute(name, 'one or two numbers');
  }

  /** Axes as given: one, several, or none for all of `shape`; returned non-negative, ascending. */
  axes(name: string, shape: Shape): number[] {
    const value = this.#attributes[name];
    const all = shape.map((_, i) => i);
    const given =
      value === undefined || value === null
        ? all
        : typeof value === 'number'
          ? [value]
          : isNumbers(value)
            ? value
            : undefined;
    if (!given) throw this.#badAttribute(name, 'axes');
    return given.map((axis) => (axis < 0 ? axis + shape.length : axis)).sort((a, b) => a - b);
  }

  flag(name: string): boolean {
    return this.#attributes[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#attributes[name];
    return typeof value === 'string' ? value : undefined;
  }

  attribute(name: string): unknown {
    return this.#attributes[name];
  }

  /** The failure for a form of this kernel that is not lowered. */
  unsupported(form: string): StillhouseError {
    return new StillhouseError({
      kind: 'bad-input',
      what: `tensorflow.js kernel ${this.kernel} cannot be compiled: ${form}`,
      where: this.where,
      wanted: 'a form that src/compile lowers to ONNX',
      got: form,
      next: 'rewrite the step without it, or add the case to src/compile/kernels',
    });
  }

  #badAttribute(name: string, wanted: string): Error {
    return new Error(`internal: kernel ${this.kernel} attribute ${name} is not ${wanted}`);
  }
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'number');
}
