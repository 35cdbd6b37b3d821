import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bilinearMatrix } from '../../src/core/linear-algebra/bilinear.ts';
import { matchGrids, resizeGrid } from '../../src/student/grid-resize.ts';
import { randomTensor } from './tiny.ts';

const side = fc.integer({ min: 1, max: 9 });

describe('resizeGrid', () => {
  it('leaves a map on its own grid untouched', () => {
    const map = randomTensor([2, 3, 4, 5], 1) as tf.Tensor4D;
    expect(resizeGrid(map, 3, 4)).toBe(map);
  });

  it('keeps a constant map constant', () => {
    fc.assert(
      fc.property(side, side, side, side, (h, w, toH, toW) => {
        const out = tf.tidy(() => resizeGrid(tf.fill([1, h, w, 2], 3), toH, toW).dataSync());
        expect(out.length).toBe(toH * toW * 2);
        for (const value of out) expect(value).toBeCloseTo(3, 5);
      }),
    );
  });

  it('is exact for a linear ramp wherever the sample lies between two centres', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 9 }), side, (from, to) => {
        const matrix = bilinearMatrix(from, to);
        for (let i = 0; i < to; i++) {
          const at = ((i + 0.5) * from) / to - 0.5;
          if (at < 0 || at > from - 1) continue;
          let value = 0;
          for (let j = 0; j < from; j++) value += matrix[i * from + j]! * j;
          expect(value).toBeCloseTo(at, 5);
        }
      }),
    );
  });

  it('samples as PyTorch does with align_corners=false', () => {
    // torch.nn.functional.interpolate(torch.tensor([[[0., 1., 4.]]]), size=6, mode='linear'), by hand from its definition
    const out = tf.tidy(() => resizeGrid(tf.tensor4d([0, 1, 4], [1, 1, 3, 1]), 1, 6).dataSync());
    expect([...out]).toEqual([0, 0.25, 0.75, 1.75, 3.25, 4]);
  });

  it('has the adjoint as its gradient: <Rx, y> = <x, grad of <Rx, y>>', () => {
    const x = randomTensor([2, 4, 5, 3], 'x') as tf.Tensor4D;
    const y = randomTensor([2, 7, 3, 3], 'y');
    const inner = (map: tf.Tensor): tf.Scalar => tf.sum(tf.mul(resizeGrid(map as tf.Tensor4D, 7, 3), y));
    const forward = inner(x).dataSync()[0]!;
    const backward = tf.sum(tf.mul(x, tf.grad(inner)(x))).dataSync()[0]!;
    expect(Math.abs(forward - backward)).toBeLessThan(1e-4);
    const bump = tf.tensor4d(
      Float32Array.from({ length: 120 }, (_, i) => (i === 37 ? 1 : 0)),
      [2, 4, 5, 3],
    );
    const perUnit = inner(tf.add(x, bump)).dataSync()[0]! - forward;
    expect(tf.grad(inner)(x).dataSync()[37]).toBeCloseTo(perUnit, 3);
  });
});

describe('matchGrids', () => {
  it('brings both maps to the larger side of each axis', () => {
    const [a, b] = matchGrids(
      randomTensor([1, 2, 6, 1], 1) as tf.Tensor4D,
      randomTensor([1, 5, 3, 1], 2) as tf.Tensor4D,
    );
    expect(a.shape).toEqual([1, 5, 6, 1]);
    expect(b.shape).toEqual([1, 5, 6, 1]);
  });
});
