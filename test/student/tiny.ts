/** Small students and synthetic targets that the tests of this room share. */
import * as tf from '@tensorflow/tfjs';
import { Rng } from '../../src/core/rng.ts';
import { studentParameters } from '../../src/student/heads.ts';
import { type Weights, initialValues, weightsFrom } from '../../src/student/parameters.ts';
import type { StudentConfig } from '../../src/student/student-config.ts';

/** 8 px images in 4 px patches, width 16; teacher `sem` has both kinds at two resolutions, `edge` only a spatial map. */
export function tinyConfig(changes: Partial<StudentConfig> = {}): StudentConfig {
  return {
    vit: {
      imagePx: 8,
      patchPx: 4,
      width: 16,
      depth: 2,
      heads: 2,
      mlpRatio: 2,
      registers: 1,
      teachers: ['sem', 'edge'],
    },
    headHiddenCap: 64,
    targets: [
      { teacher: 'sem', sizePx: 16, summaryWidth: 6, spatialShape: [2, 2, 6] },
      { teacher: 'sem', sizePx: 32, summaryWidth: 6, spatialShape: [3, 3, 6] },
      { teacher: 'edge', sizePx: 16, summaryWidth: null, spatialShape: [4, 4, 5] },
    ],
    weights: { sem: { summary: 1, spatial: 1 }, edge: { summary: 0, spatial: 1 } },
    standardisation: {},
    optimiser: {
      learningRate: 3e-3,
      finalLearningRate: 1e-5,
      warmupSteps: 2,
      totalSteps: 20,
      beta1: 0.9,
      beta2: 0.99,
      epsilon: 1e-8,
      weightDecay: 0.02,
      clipNorm: 5,
    },
    batchSize: 4,
    seed: 1,
    ...changes,
  };
}

export function normals(count: number, rng: Rng): Float32Array {
  return Float32Array.from({ length: count }, () => rng.normal());
}

export function uniforms(count: number, rng: Rng): Float32Array {
  return Float32Array.from({ length: count }, () => rng.uniform());
}

export function randomTensor(shape: number[], seed: number | string): tf.Tensor {
  return tf.tensor(
    normals(
      shape.reduce((a, b) => a * b, 1),
      new Rng(seed, 'tensor'),
    ),
    shape,
  );
}

/** Seeded initial weights as tensors. */
export function initialWeights(config: StudentConfig): Weights {
  const specs = studentParameters(config);
  const values = initialValues(specs, config.seed);
  return weightsFrom(
    new Map(specs.map(({ name, shape }) => [name, tf.tensor(values.get(name)!, [...shape])])),
  );
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`lengths ${a.length} and ${b.length}`);
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}
