// Large images go through the kernels in bands and strips; a plain loop over the whole image says what must come out.
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/core/rng.ts';
import { resample } from '../../src/images/resample.ts';
import { type AxisWeights, weightsAlong } from '../../src/images/resample-weights.ts';
import type { RgbImage } from '../../src/images/rgb-image.ts';

function noise(widthPx: number, heightPx: number): RgbImage {
  const rng = new Rng(1, `noise ${widthPx}`);
  return {
    widthPx,
    heightPx,
    data: Uint8Array.from({ length: widthPx * heightPx * 3 }, () => rng.below(256)),
  };
}

/** One axis of [rows, sizePx, step] bytes, each pixel `step` bytes. */
function plainPass(
  data: Uint8Array,
  sizePx: number,
  step: number,
  { starts, lengths, weights, stride }: AxisWeights,
): Uint8Array {
  const rows = data.length / (sizePx * step);
  const out = new Uint8ClampedArray(rows * starts.length * step);
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < starts.length; i++)
      for (let c = 0; c < step; c++) {
        let sum = 1 << 21;
        for (let k = 0; k < lengths[i]!; k++)
          sum =
            (sum + Math.imul(weights[i * stride + k]!, data[(row * sizePx + starts[i]! + k) * step + c]!)) |
            0;
        out[(row * starts.length + i) * step + c] = sum >> 22;
      }
  return new Uint8Array(out.buffer);
}

describe('resampling an image larger than a band', () => {
  it.each([
    { name: 'rows in bands', source: [901, 700], size: [101, 90], downFirst: false },
    { name: 'rows each longer than a band', source: [360_000, 3], size: [500, 2], downFirst: false },
    { name: 'columns in strips', source: [403, 2400], size: [201, 150], downFirst: true },
    { name: 'strips of one vector', source: [17, 70_000], size: [10, 300], downFirst: true },
  ])('gives the bytes of two plain passes: $name', ({ source, size, downFirst }) => {
    const image = noise(source[0]!, source[1]!);
    const [widthPx, heightPx] = size as [number, number];
    const box = { left: 1.3, top: 0.2, right: image.widthPx - 2.6, bottom: image.heightPx - 0.7 };
    const whole = { first: 0, mirror: false };
    const across = weightsAlong(
      { ...whole, start: box.left, end: box.right, length: widthPx, count: widthPx },
      image.widthPx,
      'cubic',
    );
    const down = weightsAlong(
      { ...whole, start: box.top, end: box.bottom, length: heightPx, count: heightPx },
      image.heightPx,
      'cubic',
    );
    const expected = downFirst
      ? plainPass(plainPass(image.data, image.heightPx, image.widthPx * 3, down), image.widthPx, 3, across)
      : plainPass(plainPass(image.data, image.widthPx, 3, across), image.heightPx, widthPx * 3, down);

    const out = new Uint8Array(widthPx * heightPx * 3 + 7).fill(9);
    const region = { left: 0, top: 0, widthPx, heightPx };
    resample(image, { box, widthPx, heightPx, kernel: 'cubic', mirror: false, region }, out);

    expect(Buffer.compare(out.subarray(0, -7), expected)).toBe(0);
    expect([...out.subarray(-7)]).toEqual(new Array(7).fill(9));
  });
});
