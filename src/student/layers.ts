/** The few layers that trunk and heads share, in plain tensorflow.js ops on [rows, width] matrices. */
import * as tf from '@tensorflow/tfjs';
import type { Weights } from './parameters.ts';

const LAYER_NORM_EPSILON = 1e-6;

/** x [n, in] -> [n, out]. */
export function linear(x: tf.Tensor2D, weights: Weights, name: string): tf.Tensor2D {
  return tf.add(tf.matMul(x, weights(`${name}.weight`) as tf.Tensor2D), weights(`${name}.bias`));
}

/** Normalises each row to mean 0 and variance 1, then applies gain and bias. x [n, D] -> [n, D]. */
export function layerNorm(x: tf.Tensor2D, weights: Weights, name: string): tf.Tensor2D {
  const centred = tf.sub(x, tf.mean(x, -1, true));
  const variance = tf.mean(tf.square(centred), -1, true);
  const normal = tf.mul(centred, tf.rsqrt(tf.add(variance, LAYER_NORM_EPSILON)));
  return tf.add(tf.mul(normal, weights(`${name}.gain`)), weights(`${name}.bias`));
}

/** Exact GELU: x * Phi(x), through erf. [n, D] -> [n, D]. */
export function gelu(x: tf.Tensor2D): tf.Tensor2D {
  const phi = tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
  return tf.mul(x, phi);
}
