/**
 * A step written in tensorflow.js (forward, gradients, optimizer) to one ONNX graph with its state as inputs and outputs.
 *
 * The step runs once, on shapes. Host code runs at that time only: its numbers, loops and ifs are frozen into the graph.
 */
import * as tf from '@tensorflow/tfjs';
import { StillhouseError } from '../core/failure.ts';
import { Graph, type Value } from './graph.ts';
import { castTo } from './kernels/elementwise.ts';
import { lower } from './lower.ts';
import { type TraceBackend, tracing } from './trace-backend.ts';
import { traced, wholeValue } from './traced.ts';

export { COVERED_KERNELS } from './kernels/covered.ts';

export interface TensorSpec {
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32' | 'bool';
}

export interface TraceStepOptions {
  /** What is fed each step: batches, masks, the learning rate as shape []. */
  readonly inputs: Readonly<Record<string, TensorSpec>>;
  /** The state: float32 variables that exist before tracing, each name once. Their present values do not matter. */
  readonly variables: readonly tf.Variable[];
  /** May assign the variables. Runs once; must not read tensor values, draw random numbers or make variables. */
  readonly step: (inputs: Record<string, tf.Tensor>) => Record<string, tf.Tensor>;
}

export interface TracedState {
  readonly name: string;
  readonly shape: readonly number[];
  readonly inputName: string;
  /** null when the step does not change it. */
  readonly outputName: string | null;
}

export interface TracedStep {
  /** The model, opset 18: inputs and states in, outputs (all float32) and changed states out. */
  readonly onnx: Uint8Array;
  readonly inputs: Readonly<Record<string, TensorSpec>>;
  readonly outputs: readonly string[];
  readonly states: readonly TracedState[];
  readonly nodeCount: number;
}

/**
 * Traces one step. tensorflow.js is as before afterwards: its backend, the variables and their values.
 * @throws StillhouseError bad-input when the step does what a trace cannot hold (module comment), or uses a kernel that is not
 *   among COVERED_KERNELS; the message names the kernel and the ops it was called in.
 */
export function traceStep(options: TraceStepOptions): TracedStep {
  checkVariables(options.variables);
  const graph = new Graph();
  return tracing(graph, (backend) => {
    const inputs: Record<string, tf.Tensor> = {};
    for (const [name, spec] of Object.entries(options.inputs))
      inputs[name] = backend.tensorOf(traced(graph.input(name, spec)));

    const { outputs, next } = runOnSymbols(graph, backend, options, inputs);
    const states = options.variables.map((variable): TracedState => {
      const { name } = variable;
      const outputName = next.has(name) ? `next:${name}` : null;
      return { name, shape: [...variable.shape], inputName: `state:${name}`, outputName };
    });
    const results = new Map([
      ...outputs,
      ...[...next].map(([name, value]) => [`next:${name}`, value] as const),
    ]);
    const lowered = lower({ name: 'step', graph, outputs: results });
    return { ...lowered, inputs: options.inputs, outputs: [...outputs.keys()], states };
  });
}

interface StepResult {
  readonly outputs: Map<string, Value>;
  /** New value by name, of the variables that changed. */
  readonly next: Map<string, Value>;
}

/** Runs the step with a graph input in place of every variable's data, and puts the data back. */
function runOnSymbols(
  graph: Graph,
  backend: TraceBackend,
  { variables, step }: TraceStepOptions,
  inputs: Record<string, tf.Tensor>,
): StepResult {
  const engine = tf.engine();
  const registered = new Map(Object.entries(engine.registeredVariables).map(([, one]) => [one, one.dataId]));
  const symbols = new Map<tf.Variable, Value>();
  for (const variable of variables) {
    const value = graph.input(`state:${variable.name}`, { shape: variable.shape, dtype: 'float32' });
    symbols.set(variable, value);
    variable.dataId = backend.tensorOf(traced(value)).dataId;
  }
  try {
    const given = step(inputs);
    const created = Object.values(engine.registeredVariables).filter((one) => !registered.has(one));
    if (created.length > 0) throw variableCreated(created);
    for (const [variable, dataId] of registered)
      if (!symbols.has(variable) && variable.dataId !== dataId) throw undeclaredAssigned(variable);
    const outputs = new Map<string, Value>();
    for (const [name, tensor] of Object.entries(given)) {
      if (name in inputs) throw outputNamedLikeInput(name);
      const whole = wholeValue(graph, castTo(graph, backend.tracedOf(tensor), 'float32'));
      outputs.set(name, whole);
    }
    const next = new Map<string, Value>();
    for (const [variable, symbol] of symbols) {
      const value = wholeValue(graph, backend.tracedOf(variable));
      if (value !== symbol) next.set(variable.name, value);
    }
    return { outputs, next };
  } finally {
    for (const variable of Object.values(engine.registeredVariables)) {
      const dataId = registered.get(variable);
      if (dataId === undefined) variable.dispose();
      else if (variable.dataId !== dataId) {
        engine.disposeTensor(variable);
        variable.dataId = dataId;
      }
    }
  }
}

function checkVariables(variables: readonly tf.Variable[]): void {
  const seen = new Set<string>();
  for (const variable of variables) {
    const fault = variable.isDisposed
      ? 'is disposed'
      : variable.dtype !== 'float32'
        ? `is ${variable.dtype}`
        : seen.has(variable.name)
          ? 'is listed twice'
          : undefined;
    seen.add(variable.name);
    if (fault === undefined) continue;
    throw new StillhouseError({
      kind: 'bad-input',
      what: `variable ${variable.name} ${fault}`,
      wanted: 'float32 variables that exist, each once',
      next: 'correct `variables` of traceStep',
    });
  }
}

function variableCreated(created: readonly tf.Variable[]): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'a variable was created while tracing',
    wanted: 'all state made before the trace and listed in `variables`',
    got: created.map((variable) => variable.name).join(', '),
    next: 'make it first; the optimizers of tf.train make their slots inside the first step, so write the update in operations',
  });
}

function undeclaredAssigned(variable: tf.Variable): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: `variable ${variable.name} is assigned by the step but not declared`,
    wanted: 'every variable the step assigns in `variables`',
    next: 'add it to `variables`',
  });
}

function outputNamedLikeInput(name: string): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: `the step returns an output named ${name}, which is an input's name`,
    wanted: 'names that differ',
    next: 'rename the output',
  });
}
