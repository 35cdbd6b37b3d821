/**
 * A tensorflow.js backend that computes nothing: each kernel becomes nodes of a graph. Kernels on known values alone are folded.
 *
 * What a trace must not do throws: reading the value of a tensor that depends on inputs, drawing random numbers (they would be
 * frozen into the graph), using a variable that is not declared as state.
 */
import * as tf from '@tensorflow/tfjs';
import { StillhouseError } from '../core/failure.ts';
import { constantOf, constantValues, foldConstants, tfDtype } from './fold-constants.ts';
import { type Graph, constantData, sizeOf } from './graph.ts';
import { loweringTable } from './kernels/covered.ts';
import { KernelCall } from './kernels/kernel-call.ts';
import { UNIFORM_KERNELS } from './kernels/shape.ts';
import type { Traced } from './traced.ts';

// A library does not advertise on its user's terminal: without this, tensorflow.js prints a notice about another backend.
tf.enableProdMode();

/** Name under which the backend is registered with tensorflow.js. */
export const TRACE_BACKEND = 'stillhouse-trace';

/** Op scopes of tensorflow.js that draw random numbers. */
const RANDOM_OP = /^(rand|random\w*|truncatedNormal|dropout|multinomial)__op$/;

interface Entry {
  readonly tensor: Traced;
  references: number;
}

class TraceBackend extends tf.KernelBackend {
  #graph: Graph | undefined;
  #calls = 0;
  #entries = new Map<object, Entry>();
  /** Tensors of other backends, read once. */
  #captured = new Map<object, Traced>();

  begin(graph: Graph): void {
    if (this.#graph) throw new Error('internal: a trace is under way already');
    this.#graph = graph;
    this.#calls = 0;
  }

  end(): void {
    this.#graph = undefined;
    this.#entries = new Map();
    this.#captured = new Map();
  }

  /** A tensorflow.js tensor that stands for a value of the graph. */
  tensorOf(tensor: Traced): tf.Tensor {
    return tf.engine().makeTensorFromTensorInfo(this.#infoOf(tensor), this);
  }

  /** What a tensor stands for; a tensor of another backend becomes a constant. */
  tracedOf(info: tf.TensorInfo): Traced {
    const own = this.#entries.get(info.dataId);
    if (own) return own.tensor;
    const known = this.#captured.get(info.dataId);
    if (known) return known;
    this.#refuseVariable(info);
    const captured = constantOf(this.#tracing(), tf.engine().readSync(info.dataId), info.shape, info.dtype);
    this.#captured.set(info.dataId, captured);
    return captured;
  }

  run(kernel: string, inputs: tf.NamedTensorInfoMap, attributes: tf.NamedAttrMap): tf.TensorInfo[] {
    const graph = this.#tracing();
    this.#calls++;
    this.#refuseRandomness(kernel === 'Multinomial');
    const tensors = new Map<string, Traced>();
    for (const [name, info] of Object.entries(inputs)) if (info) tensors.set(name, this.tracedOf(info));
    const known = [...tensors.values()].every((tensor) => constantData(tensor.value));
    const uniform = [...tensors.values()].every((tensor) => sizeOf(tensor.value.shape) === 1);
    const lowering = loweringTable[kernel];
    const cheap = kernel === 'Fill' || (uniform && UNIFORM_KERNELS.has(kernel));
    const folded =
      known && !cheap ? foldConstants({ graph, kernel, inputs: tensors, attributes }) : undefined;
    if (folded) return folded.map((tensor) => this.#infoOf(tensor));
    const where = `kernel call ${this.#calls}, in ${scopes() || 'no op'}`;
    if (!lowering) throw uncovered(kernel, where);
    const result = lowering(new KernelCall({ kernel, graph, inputs: tensors, attributes, where }));
    const results = isList(result) ? result : [result];
    return results.map((tensor) => this.#infoOf(tensor));
  }

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): object {
    this.#refuseRandomness(false);
    return this.#infoOf(constantOf(this.#tracing(), values, shape, dtype)).dataId;
  }

  override readSync(dataId: object): tf.backend_util.BackendValues {
    const entry = this.#entries.get(dataId);
    if (entry && constantData(entry.tensor.value)) return constantValues(entry.tensor);
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'the value of a tensor was read while tracing',
      where: `after kernel call ${this.#calls}, in ${scopes() || 'no op'}`,
      wanted: 'tensor operations only: a trace has shapes, not values',
      got: 'dataSync(), arraySync(), print() or a host if on a tensor that depends on inputs or state',
      next: 'return the tensor as an output of the step, or use tf.where',
    });
  }

  override read(dataId: object): Promise<tf.backend_util.BackendValues> {
    return new Promise((resolve) => resolve(this.readSync(dataId)));
  }

  override incRef(dataId: object): void {
    const entry = this.#entries.get(dataId);
    if (entry) entry.references++;
  }

  override refCount(dataId: object): number {
    return this.#entries.get(dataId)?.references ?? 0;
  }

  override disposeData(dataId: object, force = false): boolean {
    const entry = this.#entries.get(dataId);
    if (!entry) return true;
    entry.references--;
    if (!force && entry.references > 0) return false;
    this.#entries.delete(dataId);
    return true;
  }

  override numDataIds(): number {
    return this.#entries.size;
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override dispose(): void {
    this.end();
  }

  #infoOf(tensor: Traced): tf.TensorInfo {
    const dataId = {};
    this.#entries.set(dataId, { tensor, references: 1 });
    return { dataId, shape: [...tensor.shape], dtype: tfDtype(tensor.value.dtype) };
  }

  #tracing(): Graph {
    if (!this.#graph) throw new Error(`internal: backend ${TRACE_BACKEND} is used outside a trace`);
    return this.#graph;
  }

  #refuseRandomness(always: boolean): void {
    if (!always && !scopeNames().some((name) => RANDOM_OP.test(name))) return;
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'a random operation was called while tracing',
      where: `after kernel call ${this.#calls}, in ${scopes()}`,
      wanted: 'random masks, crops and noise as inputs of the step',
      got: 'a draw that would be frozen into the compiled graph, the same in every step',
      next: 'draw it outside with Rng (core/rng.ts) and feed it',
    });
  }

  #refuseVariable(info: tf.TensorInfo): void {
    const variables = Object.values(tf.engine().registeredVariables);
    const variable = variables.find((one) => one.dataId === info.dataId);
    if (!variable) return;
    throw new StillhouseError({
      kind: 'bad-input',
      what: `variable ${variable.name} is used by the step but not declared`,
      where: `kernel call ${this.#calls}, in ${scopes() || 'no op'}`,
      wanted: 'every variable the step reads or assigns in `variables`',
      got: 'one that would be frozen at its present value',
      next: 'add it to `variables`, or read it into a tensor before tracing',
    });
  }
}
export type { TraceBackend };

let backend: TraceBackend | undefined;

/** The one instance, registered with tensorflow.js on first use together with a function for every kernel name it knows. */
function theBackend(): TraceBackend {
  if (backend) return backend;
  const created = new TraceBackend();
  // Lowest priority: tensorflow.js must never choose it by itself.
  tf.registerBackend(TRACE_BACKEND, () => created, -1);
  const names = new Set(Object.keys(loweringTable));
  for (const { kernelName } of tf.getKernelsForBackend('cpu')) names.add(kernelName);
  for (const kernelName of names)
    tf.registerKernel({
      kernelName,
      backendName: TRACE_BACKEND,
      kernelFunc: ({ inputs, attrs }) => {
        const results = created.run(kernelName, inputs, attrs ?? {});
        return results.length === 1 && !LIST_KERNELS.has(kernelName) ? results[0]! : results;
      },
    });
  backend = created;
  return created;
}

/** Kernels whose result is a list even when it has one member. */
const LIST_KERNELS: ReadonlySet<string> = new Set(['SplitV', 'Unpack']);

/**
 * Runs `body` with the trace backend active and puts the previous backend back, whatever happens. Tensors made inside are gone
 * afterwards. Traces do not nest.
 */
export function tracing<T>(graph: Graph, body: (backend: TraceBackend) => T): T {
  tf.backend(); // picks and starts the default backend when none is yet
  const previous = tf.getBackend();
  const active = theBackend();
  active.begin(graph);
  try {
    // With a factory that is synchronous, setBackend is done when it returns.
    void tf.setBackend(TRACE_BACKEND);
    let result: { readonly value: T } | undefined;
    tf.tidy('trace', () => {
      result = { value: body(active) };
    });
    return result!.value;
  } finally {
    void tf.setBackend(previous);
    active.end();
  }
}

function uncovered(kernel: string, where: string): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: `tensorflow.js kernel ${kernel} cannot be compiled`,
    where,
    wanted: 'a kernel of COVERED_KERNELS (src/compile/kernels/covered.ts)',
    got: kernel,
    next: 'write the step with covered operations, or add a lowering for it',
  });
}

/** Names of the open scopes, outermost first: ops as `name__op`, tidy blocks by their name. */
function scopeNames(): string[] {
  return tf.engine().state.scopeStack.map((scope) => scope.name);
}

function scopes(): string {
  return scopeNames()
    .filter((name) => name !== '' && name !== 'trace' && name !== 'default scope' && name !== 'unnamed scope')
    .map((name) => name.replace(/__op$/, ''))
    .join(' > ');
}

function isList(result: Traced | readonly Traced[]): result is readonly Traced[] {
  return Array.isArray(result);
}
