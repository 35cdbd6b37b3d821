/** A traced step ready to run again and again: an onnxruntime session and the state between steps. */
import * as ort from 'onnxruntime-node';
import { StillhouseError } from '../core/failure.ts';
import { sizeOf } from './graph.ts';
import type { TensorSpec, TracedState, TracedStep } from './trace-step.ts';

export interface CompiledStepOptions {
  /** Threads of one operator; the runtime's default when left out. */
  readonly threads?: number;
  /** Execution providers in order of preference. Default: cpu. */
  readonly providers?: string[];
}

/** One state's two buffers. A step reads `current` and writes `spare`: never one buffer for both, see {@link CompiledStep}. */
interface Slot {
  readonly state: TracedState;
  current: ort.Tensor;
  spare: ort.Tensor | undefined;
}

/**
 * Runs a {@link TracedStep}. State tensors swap places after each step, because a runtime may write a new weight before the
 * last node that reads the old one has run. One step at a time; `run` blocks the event loop while it computes.
 */
export class CompiledStep {
  readonly #session: ort.InferenceSession;
  readonly #traced: TracedStep;
  readonly #slots: readonly Slot[];
  #busy = false;

  private constructor(session: ort.InferenceSession, traced: TracedStep, slots: readonly Slot[]) {
    this.#session = session;
    this.#traced = traced;
    this.#slots = slots;
  }

  /**
   * @param initial Row-major values of every state, by variable name. Copied.
   * @throws StillhouseError bad-input when a state is missing or of another size; environment when onnxruntime
   *   cannot load the step, for example because a provider is missing.
   */
  static async create(
    traced: TracedStep,
    initial: ReadonlyMap<string, Float32Array>,
    options: CompiledStepOptions = {},
  ): Promise<CompiledStep> {
    const slots = traced.states.map((state): Slot => {
      const values = initial.get(state.name);
      const size = sizeOf(state.shape);
      if (values?.length !== size)
        throw wrongSize(`initial value of state ${state.name}`, state.shape, values?.length);
      const spare = state.outputName === null ? undefined : tensorOf(state, new Float32Array(size));
      return { state, current: tensorOf(state, values.slice()), spare };
    });
    const session = await sessionOf(traced, options);
    return new CompiledStep(session, traced, slots);
  }

  /**
   * One step.
   * @param feeds Row-major values of every input: Float32Array for float32, Int32Array for int32, Uint8Array of 0 and 1 for bool.
   * @returns Every output, row-major.
   * @throws StillhouseError bad-input when a feed is missing, unknown, or of another size or type. The state is then unchanged.
   */
  async run(
    feeds: Record<string, Float32Array | Int32Array | Uint8Array>,
  ): Promise<Record<string, Float32Array>> {
    if (this.#busy) throw new Error('internal: a step is under way; await it before the next');
    const given: Record<string, ort.Tensor> = {};
    for (const name of Object.keys(feeds))
      if (!Object.hasOwn(this.#traced.inputs, name))
        throw wrongSize(`feed ${name}`, undefined, feeds[name]!.length);
    for (const [name, spec] of Object.entries(this.#traced.inputs))
      given[name] = fed(name, spec, feeds[name]);
    const fetches: Record<string, ort.Tensor | null> = {};
    for (const name of this.#traced.outputs) fetches[name] = null;
    for (const { state, current, spare } of this.#slots) {
      given[state.inputName] = current;
      if (state.outputName !== null) fetches[state.outputName] = spare!;
    }
    this.#busy = true;
    try {
      const results = await this.#session.run(given, fetches);
      for (const slot of this.#slots) {
        if (slot.state.outputName === null) continue;
        const before = slot.current;
        slot.current = results[slot.state.outputName]!;
        slot.spare = before;
      }
      return Object.fromEntries(
        this.#traced.outputs.map((name) => [name, results[name]!.data as Float32Array]),
      );
    } finally {
      this.#busy = false;
    }
  }

  /** Copies of all states, by variable name. */
  state(): Map<string, Float32Array> {
    return new Map(
      this.#slots.map(({ state, current }) => [state.name, (current.data as Float32Array).slice()]),
    );
  }

  /** Frees the session. The step cannot run afterwards; `state` still works. */
  async close(): Promise<void> {
    await this.#session.release();
  }
}

async function sessionOf(traced: TracedStep, options: CompiledStepOptions): Promise<ort.InferenceSession> {
  const providers = options.providers ?? ['cpu'];
  try {
    return await ort.InferenceSession.create(traced.onnx, {
      executionProviders: providers,
      ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
      logSeverityLevel: 3,
      // idle threads that spin take the cores from what reads the next batch (18.1 s spinning, 16.0 s sleeping for 120 steps)
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    });
  } catch (cause) {
    throw new StillhouseError(
      {
        kind: 'environment',
        what: 'the compiled step cannot be loaded by onnxruntime',
        wanted: `one of the execution providers ${providers.join(', ')}`,
        got: cause instanceof Error ? cause.message : String(cause),
        next: 'choose another device, or install what the provider needs',
      },
      cause,
    );
  }
}

function tensorOf(state: TracedState, values: Float32Array): ort.Tensor {
  return new ort.Tensor('float32', values, [...state.shape]);
}

function fed(
  name: string,
  spec: TensorSpec,
  values: Float32Array | Int32Array | Uint8Array | undefined,
): ort.Tensor {
  const dims = [...spec.shape];
  if (values?.length === sizeOf(spec.shape)) {
    if (spec.dtype === 'float32' && values instanceof Float32Array)
      return new ort.Tensor('float32', values, dims);
    if (spec.dtype === 'int32' && values instanceof Int32Array) return new ort.Tensor('int32', values, dims);
    if (spec.dtype === 'bool' && values instanceof Uint8Array) return new ort.Tensor('bool', values, dims);
  }
  throw wrongSize(`feed ${name} (${spec.dtype})`, spec.shape, values?.length);
}

function wrongSize(
  what: string,
  shape: readonly number[] | undefined,
  got: number | undefined,
): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: `${what} does not fit the compiled step`,
    wanted: shape ? `${sizeOf(shape)} values of shape [${shape.join(',')}]` : 'no such name',
    got: got === undefined ? 'nothing' : `${got} values`,
    next: 'feed what the step was traced with, in its dtype',
  });
}
