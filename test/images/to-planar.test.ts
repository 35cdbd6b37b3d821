import { describe, expect, it } from 'vitest';
import { type TensorForm, tensorWriter } from '../../src/images/to-planar.ts';

const pixels = { widthPx: 2, heightPx: 1, data: Uint8Array.of(10, 20, 30, 40, 50, 60) };
const plain: TensorForm = {
  scale: 1,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  colour: 'RGB',
  layout: 'NCHW',
  widthPx: 2,
  heightPx: 1,
  pad: [0, 0, 0],
};

function write(form: Partial<TensorForm>, length = 6, offset = 0): number[] {
  const out = new Float32Array(length).fill(-1);
  tensorWriter({ ...plain, ...form })(pixels, out, offset);
  return [...out];
}

describe('pixels as a tensor', () => {
  it('are planes one after the other, at the offset, and nothing else is touched', () => {
    expect(write({}, 10, 2)).toEqual([-1, -1, 10, 40, 20, 50, 30, 60, -1, -1]);
  });

  it('are blue first where the network wants BGR, mean and std in that order', () => {
    expect(write({ colour: 'BGR', mean: [30, 20, 10], std: [1, 2, 5] })).toEqual([0, 30, 0, 15, 0, 6]);
  });

  it('keep the order of the pixels where the network wants NHWC', () => {
    expect(write({ colour: 'BGR', layout: 'NHWC' }, 7, 1)).toEqual([-1, 30, 20, 10, 60, 50, 40]);
  });

  it('are scaled, then shifted, then divided, rounded once to float32', () => {
    const out = write({ scale: 1 / 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
    expect(out[0]).toBe(Math.fround((10 / 255 - 0.485) / 0.229));
    expect(out[5]).toBe(Math.fround((60 / 255 - 0.406) / 0.225));
  });

  it('lie at the top left of a larger tensor, with the padding value of each channel elsewhere', () => {
    const form = { widthPx: 3, heightPx: 2, pad: [7, 8, 9] } as const;
    expect(write(form, 18)).toEqual([10, 40, 7, 7, 7, 7, 20, 50, 8, 8, 8, 8, 30, 60, 9, 9, 9, 9]);
    expect(write({ ...form, layout: 'NHWC', colour: 'BGR' }, 18)).toEqual([
      ...[30, 20, 10, 60, 50, 40, 7, 8, 9],
      ...[7, 8, 9, 7, 8, 9, 7, 8, 9],
    ]);
  });

  it('padding covers what another image left in a reused buffer', () => {
    const form = { ...plain, widthPx: 2, heightPx: 2 };
    const writer = tensorWriter(form);
    const reused = new Float32Array(12);
    writer({ widthPx: 2, heightPx: 2, data: new Uint8Array(12).fill(99) }, reused, 0);
    writer(pixels, reused, 0);
    const fresh = new Float32Array(12);
    writer(pixels, fresh, 0);
    expect(reused).toEqual(fresh);
  });

  it('do not run over the end of the target, nor read past their own', () => {
    expect(() => write({}, 6, 1)).toThrow(/^internal/);
    expect(() => write({}, 6, -1)).toThrow(/^internal/);
    expect(() => write({ widthPx: 1, heightPx: 2 })).toThrow(/^internal/);
    const short = { ...pixels, data: pixels.data.subarray(1) };
    expect(() => tensorWriter(plain)(short, new Float32Array(6), 0)).toThrow(/^internal/);
  });
});
