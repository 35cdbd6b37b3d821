/** Distillation losses of AM-RADIO §3.4. A mask [B] of 0 and 1 says which images count; masked rows must still be finite. */
import * as tf from '@tensorflow/tfjs';
import { matchGrids } from './grid-resize.ts';

const COSINE_SHARE = 0.9;
const SMOOTH_L1_SHARE = 0.1;
/** Keeps the gradient finite where a vector is zero; far below the squared norm of any real feature. */
const SQUARED_NORM_FLOOR = 1e-12;

/** Cosine over the last axis. [..., C], [..., C] -> [...]. */
export function cosine(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  const norm = (x: tf.Tensor): tf.Tensor => tf.sqrt(tf.add(tf.sum(tf.square(x), -1), SQUARED_NORM_FLOOR));
  return tf.div(tf.sum(tf.mul(a, b), -1), tf.mul(norm(a), norm(b)));
}

/**
 * Mean over the last axis of smooth-L1 with beta 1: d^2/2 within one of zero, |d| - 1/2 beyond. [..., C], [..., C] -> [...].
 * With c = d clipped to [-1, 1] both pieces are c * (d - c/2), which needs no branch.
 */
export function smoothL1(prediction: tf.Tensor, target: tf.Tensor): tf.Tensor {
  const difference = tf.sub(prediction, target);
  const clipped = tf.clipByValue(difference, -1, 1);
  return tf.mean(tf.mul(clipped, tf.sub(difference, tf.mul(clipped, 0.5))), -1);
}

/** Mean of 1 - cosine over the images that count; 0 when none does. [B, C], [B, C], [B] -> []. */
export function summaryLoss(prediction: tf.Tensor2D, target: tf.Tensor2D, mask: tf.Tensor1D): tf.Scalar {
  return maskedMean(tf.sub(1, cosine(prediction, target)), mask);
}

/**
 * Mean over tokens and images of 0.9 (1 - cosine) + 0.1 smooth-L1, on the larger of the two grids. The second term pins the norm,
 * which cosine leaves free, so that a head's output can stand in for the teacher's. [B, h, w, C], [B, h', w', C], [B] -> [].
 */
export function spatialLoss(prediction: tf.Tensor4D, target: tf.Tensor4D, mask: tf.Tensor1D): tf.Scalar {
  const [a, b] = matchGrids(prediction, target);
  const perToken = tf.add(
    tf.mul(tf.sub(1, cosine(a, b)), COSINE_SHARE),
    tf.mul(smoothL1(a, b), SMOOTH_L1_SHARE),
  );
  return maskedMean(tf.mean(perToken, [1, 2]), mask);
}

/** [B], [B] -> []. */
function maskedMean(perImage: tf.Tensor, mask: tf.Tensor1D): tf.Scalar {
  return tf.div(tf.sum(tf.mul(perImage, mask)), tf.maximum(tf.sum(mask), 1));
}
