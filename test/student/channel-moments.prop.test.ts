import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/core/rng.ts';
import { ChannelMoments } from '../../src/student/channel-moments.ts';
import { normals } from './tiny.ts';

describe('ChannelMoments', () => {
  it('gives mean and standard deviation however the rows are split', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 49 }), (cut) => {
        const values = normals(150, new Rng(1, 'moments')).map((v, i) => v * [1, 100, 0.01][i % 3]! + 50);
        const moments = new ChannelMoments(3);
        moments.add(values.subarray(0, cut * 3));
        moments.add(values.subarray(cut * 3));
        for (let c = 0; c < 3; c++) {
          const column = [...values].filter((_, i) => i % 3 === c);
          const mean = column.reduce((a, b) => a + b, 0) / 50;
          const variance = column.reduce((a, b) => a + (b - mean) ** 2, 0) / 50;
          expect(moments.mean()[c]).toBeCloseTo(mean, 6);
          expect(moments.variance()[c]! / variance).toBeCloseTo(1, 8);
        }
      }),
    );
  });

  it('does not amplify a dead channel', () => {
    const moments = new ChannelMoments(2);
    moments.add(Float32Array.of(1, 5, 2, 5.000001, 3, 5));
    expect(moments.standardisation().std[1]).toBe(1);
    expect(moments.standardisation().std[0]).toBeCloseTo(Math.sqrt(2 / 3), 6);
  });
});
