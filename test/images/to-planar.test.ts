import { describe, expect, it } from 'vitest';
import { writeInterleaved, writePlanar } from '../../src/images/to-planar.ts';

const pixels = Uint8Array.of(10, 20, 30, 40, 50, 60); // two pixels
const plain = { scale: 1, mean: [0, 0, 0], std: [1, 1, 1], colour: 'RGB' } as const;

describe('pixels as a tensor', () => {
  it('are planes one after the other, at the offset, and nothing else is touched', () => {
    const out = new Float32Array(10).fill(-1);
    writePlanar(pixels, plain, { out, offset: 2 });
    expect([...out]).toEqual([-1, -1, 10, 40, 20, 50, 30, 60, -1, -1]);
  });

  it('are blue first where the network wants BGR, mean and std in that order', () => {
    const out = new Float32Array(6);
    writePlanar(pixels, { ...plain, colour: 'BGR', mean: [30, 20, 10], std: [1, 2, 5] }, { out, offset: 0 });
    expect([...out]).toEqual([0, 30, 0, 15, 0, 6]);
  });

  it('keep the order of the pixels where the network wants NHWC', () => {
    const out = new Float32Array(7);
    writeInterleaved(pixels, { ...plain, colour: 'BGR' }, { out, offset: 1 });
    expect([...out]).toEqual([0, 30, 20, 10, 60, 50, 40]);
  });

  it('are scaled, then shifted, then divided, rounded once to float32', () => {
    const out = new Float32Array(6);
    const imagenet = {
      scale: 1 / 255,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
      colour: 'RGB',
    } as const;
    writePlanar(pixels, imagenet, { out, offset: 0 });
    expect(out[0]).toBe(Math.fround((10 / 255 - 0.485) / 0.229));
    expect(out[5]).toBe(Math.fround((60 / 255 - 0.406) / 0.225));
  });

  it('do not run over the end of the target', () => {
    expect(() => writePlanar(pixels, plain, { out: new Float32Array(6), offset: 1 })).toThrow(/^internal/);
    expect(() =>
      writeInterleaved(pixels.subarray(1), plain, { out: new Float32Array(6), offset: 0 }),
    ).toThrow(/^internal/);
  });
});
