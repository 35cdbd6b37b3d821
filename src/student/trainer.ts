/** The training loop: batches in, step records and checkpoints out. Same state and same batches give the same bits. */
import type { TracedStep } from '../compile/trace-step.ts';
import { CompiledStep } from '../compile/compiled-step.ts';
import { StillhouseError } from '../core/failure.ts';
import { type TrainBatch, batchFeeds } from './feeds.ts';
import { studentParameters } from './heads.ts';
import { stepScalars } from './optimiser.ts';
import { initialValues } from './parameters.ts';
import type { StudentConfig } from './student-config.ts';
import { initialMoments, splitState, traceTrainStep } from './train-step.ts';

/** Everything that a run needs to go on. */
export interface TrainState {
  /** Steps done. */
  readonly step: number;
  readonly config: StudentConfig;
  /** By name, see studentParameters. */
  readonly parameters: ReadonlyMap<string, Float32Array>;
  /** AdamW moments by name. */
  readonly optimiser: ReadonlyMap<string, Float32Array>;
}

export interface StepRecord {
  /** 0 for the first. */
  readonly step: number;
  readonly learningRate: number;
  /** `loss`, `gradientNorm`, `loss.<teacher>` and so on, see TrainStep. Losses are of the parameters before the step. */
  readonly values: Readonly<Record<string, number>>;
}

export interface TrainOptions {
  /** Where to start: {@link initialState}, or a checkpoint. */
  readonly from: TrainState;
  /** Batches from `from.step` on: the caller skips those that were seen. */
  readonly batches: AsyncIterable<TrainBatch>;
  /** Stop when this many steps are done in all; the optimiser's `totalSteps` unless given. */
  readonly untilStep?: number;
  readonly onStep: (record: StepRecord) => void;
  /** A checkpoint is saved after every such number of steps, and when the run is aborted. */
  readonly checkpointEverySteps: number;
  readonly save: (state: TrainState) => Promise<void>;
  readonly signal: AbortSignal;
  /** Turns the traced graph into something that runs; onnxruntime by default. */
  readonly compile?: (
    traced: TracedStep,
    initial: ReadonlyMap<string, Float32Array>,
  ) => Promise<RunnableStep>;
}

/** The part of a compiled step that the trainer uses. */
export type RunnableStep = Pick<CompiledStep, 'run' | 'state' | 'close'>;

/** Seeded start. */
export function initialState(config: StudentConfig): TrainState {
  const specs = studentParameters(config);
  return {
    step: 0,
    config,
    parameters: initialValues(specs, config.seed),
    optimiser: initialMoments(specs),
  };
}

/**
 * Trains until `untilStep`, or until the batches end. Each step blocks the event loop while it computes.
 *
 * @returns the last state, which is not saved unless its step is due.
 * @throws StillhouseError interrupted after saving when the signal is aborted; bad-input when the loss is not finite.
 */
export async function train(options: TrainOptions): Promise<TrainState> {
  const { from, signal } = options;
  const { config } = from;
  const untilStep = options.untilStep ?? config.optimiser.totalSteps;
  const compile = options.compile ?? ((traced, initial) => CompiledStep.create(traced, initial));
  if (from.step >= untilStep) return from;
  const compiled = await compile(traceTrainStep(config), new Map([...from.parameters, ...from.optimiser]));
  let step = from.step;
  const isAborted = (): boolean => signal.aborted;
  const state = (): TrainState => ({ step, config, ...splitState(compiled.state()) });
  try {
    if (isAborted()) throw interrupted(step);
    for await (const batch of options.batches) {
      const record = await runStep(compiled, config, step, batch);
      step++;
      options.onStep(record);
      const due = step % options.checkpointEverySteps === 0;
      if (due || isAborted()) await options.save(state());
      if (isAborted()) throw interrupted(step);
      if (step >= untilStep) break;
    }
    return state();
  } finally {
    await compiled.close();
  }
}

async function runStep(
  compiled: RunnableStep,
  config: StudentConfig,
  step: number,
  batch: TrainBatch,
): Promise<StepRecord> {
  const scalars = stepScalars(config.optimiser, step);
  const outputs = await compiled.run({
    ...batchFeeds(config, batch),
    ...Object.fromEntries(Object.entries(scalars).map(([name, value]) => [name, Float32Array.of(value)])),
  });
  const values = Object.fromEntries(Object.entries(outputs).map(([name, [value = NaN]]) => [name, value]));
  for (const [name, value] of Object.entries(values))
    if (!Number.isFinite(value)) throw diverged(name, value, step);
  return { step, learningRate: scalars.learningRate, values };
}

function interrupted(step: number): StillhouseError {
  return new StillhouseError({
    kind: 'interrupted',
    what: 'training was interrupted',
    where: `after step ${step}`,
    next: 'run the same command again: it goes on from the last checkpoint',
  });
}

function diverged(name: string, value: number, step: number): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'training diverged',
    where: `${name} at step ${step}`,
    wanted: 'a finite number',
    got: String(value),
    next: 'lower the learning rate, or look for targets that are not finite',
  });
}
