import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/core/rng.ts';
import {
  applyAdamW,
  clipFactor,
  globalNorm,
  learningRateAt,
  stepScalars,
} from '../../src/student/optimiser.ts';
import { largestDifference, normals, tinyConfig } from './tiny.ts';

const config = tinyConfig().optimiser;

/** AdamW as in PyTorch's documentation, one number at a time in float64. */
class PlainAdamW {
  readonly w: Float64Array;
  readonly m: Float64Array;
  readonly v: Float64Array;
  #t = 0;

  constructor(start: Float32Array) {
    this.w = Float64Array.from(start);
    this.m = new Float64Array(start.length);
    this.v = new Float64Array(start.length);
  }

  step(gradient: Float32Array, decay: boolean): void {
    const lr = learningRateAt(config, this.#t++);
    for (let i = 0; i < this.w.length; i++) {
      const g = gradient[i]!;
      if (decay) this.w[i]! *= 1 - lr * config.weightDecay;
      this.m[i] = config.beta1 * this.m[i]! + (1 - config.beta1) * g;
      this.v[i] = config.beta2 * this.v[i]! + (1 - config.beta2) * g * g;
      const mHat = this.m[i]! / (1 - config.beta1 ** this.#t);
      const vHat = this.v[i]! / (1 - config.beta2 ** this.#t);
      this.w[i]! -= (lr * mHat) / (Math.sqrt(vHat) + config.epsilon);
    }
  }
}

describe('applyAdamW', () => {
  it.each([true, false])('follows plain AdamW over 20 steps (decay %s)', (decay) => {
    const rng = new Rng(1, 'adamw');
    const start = normals(30, rng);
    const plain = new PlainAdamW(start);
    const [parameter, firstMoment, secondMoment] = [
      tf.variable(tf.tensor2d(start, [5, 6])),
      tf.variable(tf.zeros([5, 6])),
      tf.variable(tf.zeros([5, 6])),
    ];
    for (let step = 0; step < 20; step++) {
      const gradient = normals(30, rng);
      plain.step(gradient, decay);
      const { learningRate, biasCorrection1, biasCorrection2 } = stepScalars(config, step);
      tf.tidy(() =>
        applyAdamW({
          config,
          scalars: {
            learningRate: tf.scalar(learningRate),
            biasCorrection1: tf.scalar(biasCorrection1),
            biasCorrection2: tf.scalar(biasCorrection2),
          },
          parameter,
          gradient: tf.tensor2d(gradient, [5, 6]),
          firstMoment,
          secondMoment,
          decay,
        }),
      );
    }
    expect(largestDifference(parameter.dataSync(), plain.w)).toBeLessThan(1e-6);
    expect(largestDifference(secondMoment.dataSync(), plain.v)).toBeLessThan(1e-6);
  });
});

describe('learningRateAt', () => {
  const schedule = { ...config, learningRate: 1, finalLearningRate: 0.1, warmupSteps: 4, totalSteps: 15 };

  it('rises linearly to the peak at the end of the warm-up', () => {
    expect([0, 1, 2, 3, 4].map((step) => learningRateAt(schedule, step))).toEqual([0.25, 0.5, 0.75, 1, 1]);
  });

  it('falls along half a cosine to the final rate at the last step and stays there', () => {
    expect(learningRateAt(schedule, 9)).toBeCloseTo(0.55, 10);
    expect(learningRateAt(schedule, 14)).toBeCloseTo(0.1, 10);
    expect(learningRateAt(schedule, 99)).toBeCloseTo(0.1, 10);
  });
});

describe('clipping', () => {
  it('scales a long gradient to the limit and leaves a short one alone', () => {
    const gradients = [tf.tensor1d([3, 0]), tf.tensor2d([[0, 4]])];
    const norm = globalNorm(gradients);
    expect(norm.dataSync()[0]).toBe(5);
    expect(clipFactor(norm, 2).dataSync()[0]).toBeCloseTo(0.4, 6);
    expect(clipFactor(norm, 6).dataSync()[0]).toBe(1);
  });
});
