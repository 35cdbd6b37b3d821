import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { smoothL1, spatialLoss, summaryLoss } from '../../src/student/losses.ts';
import { randomTensor } from './tiny.ts';

const at = (tensor: tf.Tensor): number => tensor.dataSync()[0]!;
const vectors = (seed: string): tf.Tensor2D => randomTensor([4, 7], seed) as tf.Tensor2D;
const maps = (seed: string): tf.Tensor4D => randomTensor([4, 3, 3, 7], seed) as tf.Tensor4D;
const everyone = tf.tensor1d([1, 1, 1, 1]);

describe('summaryLoss', () => {
  it('does not change when the teacher or the student is scaled', () => {
    const [p, t] = [vectors('p'), vectors('t')];
    const loss = at(summaryLoss(p, t, everyone));
    expect(at(summaryLoss(p, tf.mul(t, 10), everyone))).toBeCloseTo(loss, 6);
    expect(at(summaryLoss(tf.mul(p, 0.01), t, everyone))).toBeCloseTo(loss, 6);
  });

  it('is 0 for parallel vectors, 2 for opposite ones, and positive in between', () => {
    const t = vectors('t');
    expect(at(summaryLoss(tf.mul(t, 3), t, everyone))).toBeCloseTo(0, 6);
    expect(at(summaryLoss(tf.mul(t, -3), t, everyone))).toBeCloseTo(2, 6);
    expect(at(summaryLoss(vectors('p'), t, everyone))).toBeGreaterThan(0.01);
  });

  it('has a gradient orthogonal to the prediction', () => {
    const [p, t] = [vectors('p'), vectors('t')];
    const gradient = tf.grad((x) => summaryLoss(x as tf.Tensor2D, t, everyone))(p);
    for (const dot of tf.sum(tf.mul(gradient, p), 1).dataSync()) expect(Math.abs(dot)).toBeLessThan(1e-6);
    expect(at(tf.norm(gradient))).toBeGreaterThan(0.01);
  });

  it('is 0 with a finite gradient when no image counts or a vector is zero', () => {
    const nobody = tf.tensor1d([0, 0, 0, 0]);
    expect(at(summaryLoss(vectors('p'), vectors('t'), nobody))).toBe(0);
    const gradient = tf.grad((x) => summaryLoss(x as tf.Tensor2D, tf.zeros([4, 7]), everyone));
    for (const value of gradient(tf.zeros([4, 7])).dataSync()) expect(Number.isFinite(value)).toBe(true);
  });
});

describe('smoothL1', () => {
  it('is d^2/2 within one of zero and |d| - 1/2 beyond, with the clipped difference as its gradient', () => {
    const d = tf.tensor2d([[-3], [-1], [-0.4], [0], [0.4], [1], [3]]);
    const zero = tf.zerosLike(d);
    const values = smoothL1(d, zero).dataSync();
    [2.5, 0.5, 0.08, 0, 0.08, 0.5, 2.5].forEach((wanted, i) => expect(values[i]).toBeCloseTo(wanted, 6));
    const gradient = tf
      .grad((x) => tf.sum(smoothL1(x, zero)))(d)
      .dataSync();
    [-1, -1, -0.4, 0, 0.4, 1, 1].forEach((wanted, i) => expect(gradient[i]).toBeCloseTo(wanted, 6));
  });
});

describe('spatialLoss', () => {
  it('with the right direction and the wrong norm is the smooth-L1 share alone', () => {
    const t = maps('t');
    const p: tf.Tensor4D = tf.mul(t, 1.5);
    expect(at(spatialLoss(p, t, everyone))).toBeCloseTo(0.1 * at(tf.mean(smoothL1(p, t))), 6);
    expect(at(spatialLoss(t, t, everyone))).toBeCloseTo(0, 6);
  });

  it('pins the norm: along the ray of the target its gradient points back to the target', () => {
    const t = maps('t');
    const slope = (scale: number): number => {
      const p: tf.Tensor4D = tf.mul(t, scale);
      const gradient = tf.grad((x) => spatialLoss(x as tf.Tensor4D, t, everyone))(p);
      return at(tf.sum(tf.mul(gradient, t)));
    };
    expect(slope(1.3)).toBeGreaterThan(1e-3);
    expect(slope(0.7)).toBeLessThan(-1e-3);
  });

  it('ignores masked images: neither loss nor gradient depends on them', () => {
    const [p, t] = [maps('p'), maps('t')];
    const mask = tf.tensor1d([1, 0, 1, 0]);
    const other: tf.Tensor4D = tf.concat([
      tf.slice(t, 0, 1),
      tf.mul(tf.slice(t, 1, 1), -9),
      tf.slice(t, 2, 2),
    ]);
    expect(at(spatialLoss(p, other, mask))).toBe(at(spatialLoss(p, t, mask)));
    expect(at(spatialLoss(p, other, everyone))).not.toBe(at(spatialLoss(p, t, everyone)));
    const gradient = tf.grad((x) => spatialLoss(x as tf.Tensor4D, t, mask))(p);
    const perImage = tf.sum(tf.abs(gradient), [1, 2, 3]).dataSync();
    expect([perImage[1], perImage[3]]).toEqual([0, 0]);
    expect(Math.min(perImage[0]!, perImage[2]!)).toBeGreaterThan(0);
  });

  it('averages over the images that count, not over the batch', () => {
    const [p, t] = [maps('p'), maps('t')];
    const alone = spatialLoss(tf.slice(p, 2, 1), tf.slice(t, 2, 1), tf.tensor1d([1]));
    expect(at(spatialLoss(p, t, tf.tensor1d([0, 0, 1, 0])))).toBeCloseTo(at(alone), 6);
  });
});
