/**
 * One training step as a pure tensorflow.js function over variables: forward, losses, backward, clipping, AdamW. Traced once, it
 * is one ONNX graph that holds every teacher at every resolution in every step, as RADIOv2.5 wants.
 */
import * as tf from '@tensorflow/tfjs';
import { type TensorSpec, type TracedStep, traceStep } from '../compile/trace-step.ts';
import { type TargetInput, targetInputs } from './feeds.ts';
import { type HeadOutput, headsForward, studentParameters } from './heads.ts';
import { spatialLoss, summaryLoss } from './losses.ts';
import { STEP_SCALARS, applyAdamW, clipFactor, globalNorm } from './optimiser.ts';
import { type ParameterSpec, type ParameterValues, type Weights, sizeOf, weightsFrom } from './parameters.ts';
import { type StudentConfig, type TargetKind, isLearned, targetsOf } from './student-config.ts';
import { vitForward } from './vit.ts';

const FIRST_MOMENT = 'first/';
const SECOND_MOMENT = 'second/';

/** Names of the AdamW moments that belong to a parameter. */
export const momentNames = (parameter: string): readonly [first: string, second: string] => [
  FIRST_MOMENT + parameter,
  SECOND_MOMENT + parameter,
];

export type Tensors = Record<string, tf.Tensor>;

export interface TrainStep {
  readonly inputs: Record<string, TensorSpec>;
  /** Parameters, then moments. Their values are zeros: a run feeds its own state. */
  readonly variables: readonly tf.Variable[];
  /**
   * Inputs by name to outputs: `loss`, `gradientNorm` (before clipping), and per teacher `loss.<teacher>` (weighted),
   * `loss.<teacher>.summary` and `.spatial` (unweighted), all []. Assigns the variables.
   */
  readonly step: (inputs: Tensors) => Tensors;
  dispose(): void;
}

/** Inputs that carry images and targets, without the optimiser's scalars. */
export function dataInputs(config: StudentConfig): Record<string, TensorSpec> {
  const { imagePx } = config.vit;
  const inputs: Record<string, TensorSpec> = {
    pixels: { shape: [config.batchSize, 3, imagePx, imagePx], dtype: 'float32' },
  };
  for (const { name, maskName, shape } of targetInputs(config)) {
    inputs[name] = { shape: [config.batchSize, ...shape], dtype: 'float32' };
    inputs[maskName] = { shape: [config.batchSize], dtype: 'float32' };
  }
  return inputs;
}

/** Creates the step and its variables, whose names are global in tensorflow.js: dispose one step before building another. */
export function buildTrainStep(config: StudentConfig): TrainStep {
  const specs = studentParameters(config);
  const variable = (name: string, shape: readonly number[]): tf.Variable =>
    tf.tidy(() => tf.variable(tf.zeros([...shape]), true, name));
  const trained = specs.map((spec) => {
    const [first, second] = momentNames(spec.name);
    return {
      spec,
      parameter: variable(spec.name, spec.shape),
      firstMoment: variable(first, spec.shape),
      secondMoment: variable(second, spec.shape),
    };
  });
  const parameters = trained.map(({ parameter }) => parameter);
  const weights = weightsFrom(new Map(parameters.map((parameter) => [parameter.name, parameter])));

  const step = (inputs: Tensors): Tensors => {
    let losses: Tensors = {};
    const { grads } = tf.variableGrads(() => {
      losses = studentLosses(config, weights, inputs);
      Object.values(losses).forEach((loss) => tf.keep(loss));
      return tf.clone(need(losses, 'loss')) as tf.Scalar;
    }, parameters);
    const norm = globalNorm(Object.values(grads));
    const factor = clipFactor(norm, config.optimiser.clipNorm);
    for (const { spec, parameter, firstMoment, secondMoment } of trained)
      applyAdamW({
        config: config.optimiser,
        scalars: {
          learningRate: need(inputs, 'learningRate'),
          biasCorrection1: need(inputs, 'biasCorrection1'),
          biasCorrection2: need(inputs, 'biasCorrection2'),
        },
        parameter,
        gradient: tf.mul(need(grads, spec.name), factor),
        firstMoment,
        secondMoment,
        decay: spec.decay,
      });
    return { ...handedBack(losses), gradientNorm: norm };
  };

  const scalar: TensorSpec = { shape: [], dtype: 'float32' };
  return {
    inputs: {
      ...dataInputs(config),
      ...Object.fromEntries(STEP_SCALARS.map((name) => [name, scalar])),
    },
    variables: trained.flatMap((entry) => [entry.parameter, entry.firstMoment, entry.secondMoment]),
    step,
    dispose: () =>
      trained.forEach((entry) => tf.dispose([entry.parameter, entry.firstMoment, entry.secondMoment])),
  };
}

/** Kept tensors as ones that the enclosing tidy frees: variableGrads would free what its function makes besides its result. */
function handedBack(kept: Tensors): Tensors {
  const copies = Object.entries(kept).map(([name, tensor]) => [name, tf.clone(tensor)] as const);
  tf.dispose(kept);
  return Object.fromEntries(copies);
}

/** Traces the whole step into one graph. Its states are the parameters and the moments. */
export function traceTrainStep(config: StudentConfig): TracedStep {
  const step = buildTrainStep(config);
  try {
    return traceStep(step);
  } finally {
    step.dispose();
  }
}

/** State of a student before its first step: initial parameters and zero moments. */
export function initialMoments(specs: readonly ParameterSpec[]): Map<string, Float32Array> {
  return new Map(
    specs.flatMap(({ name, shape }) =>
      momentNames(name).map((moment): [string, Float32Array] => [moment, new Float32Array(sizeOf(shape))]),
    ),
  );
}

/** Splits a step's state into parameters and optimiser moments. */
export function splitState(state: ParameterValues): {
  parameters: Map<string, Float32Array>;
  optimiser: Map<string, Float32Array>;
} {
  const isMoment = (name: string): boolean => name.startsWith(FIRST_MOMENT) || name.startsWith(SECOND_MOMENT);
  const entries = [...state];
  return {
    parameters: new Map(entries.filter(([name]) => !isMoment(name))),
    optimiser: new Map(entries.filter(([name]) => isMoment(name))),
  };
}

/** All losses of one batch by output name; `loss` is the sum over teachers. Every tensor is []. */
export function studentLosses(config: StudentConfig, weights: Weights, inputs: Tensors): Tensors {
  const trunk = vitForward(config.vit, weights, need(inputs, 'pixels') as tf.Tensor4D);
  return lossesOf(config, headsForward(config, weights, trunk), inputs);
}

/**
 * Losses of given predictions. A teacher's resolutions are averaged, so that its weight means the same for one and for three;
 * teachers are summed with their weights.
 */
export function lossesOf(
  config: StudentConfig,
  predictions: ReadonlyMap<string, HeadOutput>,
  inputs: Tensors,
): Tensors {
  const losses: Tensors = {};
  const perTeacher: tf.Tensor[] = [];
  for (const [teacher, prediction] of predictions) {
    const weighted: tf.Tensor[] = [];
    for (const kind of ['summary', 'spatial'] as const) {
      if (!isLearned(config, teacher, kind)) continue;
      const loss = meanOverResolutions(config, { teacher, kind, prediction, inputs });
      losses[`loss.${teacher}.${kind}`] = loss;
      weighted.push(tf.mul(loss, config.weights[teacher]?.[kind] ?? 0));
    }
    if (weighted.length === 0) continue;
    const total = sumOf(weighted);
    losses[`loss.${teacher}`] = total;
    perTeacher.push(total);
  }
  losses['loss'] = sumOf(perTeacher);
  return losses;
}

interface HeadTargets {
  readonly teacher: string;
  readonly kind: TargetKind;
  readonly prediction: HeadOutput;
  readonly inputs: Tensors;
}

function meanOverResolutions(
  config: StudentConfig,
  { teacher, kind, prediction, inputs }: HeadTargets,
): tf.Tensor {
  const own = targetInputs(config).filter((input) => input.teacher === teacher && input.kind === kind);
  const losses = own.map((input) => {
    const target = standardised(config, input, need(inputs, input.name));
    const mask = need(inputs, input.maskName) as tf.Tensor1D;
    return kind === 'summary'
      ? summaryLoss(prediction.summary as tf.Tensor2D, target as tf.Tensor2D, mask)
      : spatialLoss(prediction.spatial as tf.Tensor4D, target as tf.Tensor4D, mask);
  });
  return tf.div(sumOf(losses), targetsOf(config, teacher, kind).length);
}

/** Targets [B, ..., C] on the scale that the heads predict: (y - mean) / std per channel, or unchanged. */
export function standardised(config: StudentConfig, input: TargetInput, target: tf.Tensor): tf.Tensor {
  const standard = config.standardisation[input.name];
  if (standard === undefined) return target;
  const scale = tf.tensor1d(standard.std.map((std) => 1 / std));
  return tf.mul(tf.sub(target, tf.tensor1d([...standard.mean])), scale);
}

const sumOf = (terms: readonly tf.Tensor[]): tf.Tensor => terms.reduce((sum, term) => tf.add(sum, term));

/** @throws Error (a defect) when no tensor has that name. */
export function need(tensors: Tensors, name: string): tf.Tensor {
  const tensor = tensors[name];
  if (tensor === undefined) throw new Error(`internal: no tensor named ${name}`);
  return tensor;
}
