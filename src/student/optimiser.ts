/**
 * AdamW (Loshchilov and Hutter, 2019) in tensorflow.js ops, its state in variables, so that it is traced with the step. What
 * changes from step to step (learning rate, bias corrections) comes in as scalars: a traced graph freezes anything else.
 */
import * as tf from '@tensorflow/tfjs';
import type { OptimiserConfig } from './student-config.ts';

/** Scalar inputs of one update. */
export const STEP_SCALARS = ['learningRate', 'biasCorrection1', 'biasCorrection2'] as const;
export type StepScalars<T> = Record<(typeof STEP_SCALARS)[number], T>;

/**
 * Learning rate of step 0, 1, ...: linear warm-up to the peak, then half a cosine down to the final rate at the last step. Constant
 * after that.
 */
export function learningRateAt(config: OptimiserConfig, step: number): number {
  const { learningRate, finalLearningRate, warmupSteps, totalSteps } = config;
  if (step < warmupSteps) return (learningRate * (step + 1)) / warmupSteps;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - 1 - warmupSteps));
  return finalLearningRate + (learningRate - finalLearningRate) * 0.5 * (1 + Math.cos(Math.PI * progress));
}

/** The scalars of step 0, 1, ...; bias corrections are 1 - beta^(step + 1). */
export function stepScalars(config: OptimiserConfig, step: number): StepScalars<number> {
  return {
    learningRate: learningRateAt(config, step),
    biasCorrection1: 1 - config.beta1 ** (step + 1),
    biasCorrection2: 1 - config.beta2 ** (step + 1),
  };
}

/** Square root of the sum of all squares over all tensors. */
export function globalNorm(gradients: readonly tf.Tensor[]): tf.Scalar {
  const squares = gradients.map((gradient) => tf.reshape(tf.sum(tf.square(gradient)), [1]));
  return tf.sqrt(tf.sum(tf.concat(squares)));
}

/** Factor that brings a gradient of this global norm down to `clipNorm`; 1 when it is smaller already. */
export function clipFactor(norm: tf.Scalar, clipNorm: number): tf.Scalar {
  return tf.minimum(tf.div(clipNorm, tf.add(norm, 1e-6)), 1);
}

export interface AdamWUpdate {
  readonly config: OptimiserConfig;
  readonly scalars: StepScalars<tf.Tensor>;
  readonly parameter: tf.Variable;
  readonly gradient: tf.Tensor;
  readonly firstMoment: tf.Variable;
  readonly secondMoment: tf.Variable;
  readonly decay: boolean;
}

/** Assigns the three variables their next values. */
export function applyAdamW(update: AdamWUpdate): void {
  const { config, scalars, parameter, gradient, firstMoment, secondMoment } = update;
  const first = tf.add(tf.mul(firstMoment, config.beta1), tf.mul(gradient, 1 - config.beta1));
  const second = tf.add(tf.mul(secondMoment, config.beta2), tf.mul(tf.square(gradient), 1 - config.beta2));
  const root = tf.sqrt(tf.div(second, scalars.biasCorrection2));
  let direction = tf.div(tf.div(first, scalars.biasCorrection1), tf.add(root, config.epsilon));
  if (update.decay && config.weightDecay > 0)
    direction = tf.add(direction, tf.mul(parameter, config.weightDecay));
  const next = tf.sub(parameter, tf.mul(direction, scalars.learningRate));
  firstMoment.assign(first);
  secondMoment.assign(second);
  parameter.assign(next);
}
