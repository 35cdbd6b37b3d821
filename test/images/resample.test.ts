// Byte equality with Pillow over a table of sizes and boxes; what each rule of a teacher makes of it is test/teachers/families.test.ts.
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/digest.ts';
import { decodeImage } from '../../src/images/decode.ts';
import { type ResampleOptions, resample } from '../../src/images/resample.ts';
import { KERNELS, type Kernel } from '../../src/images/resample-weights.ts';
import type { RgbImage } from '../../src/images/rgb-image.ts';

interface Case {
  readonly image: string;
  readonly kernel: Kernel;
  readonly size: readonly [number, number];
  readonly box: readonly [number, number, number, number];
  readonly sha256: string;
}
const { cases } = JSON.parse(readFileSync('test/golden/images/resample.json', 'utf8')) as {
  cases: readonly Case[];
};
const images = new Map<string, RgbImage>();
beforeAll(async () => {
  for (const name of new Set(cases.map(({ image }) => image)))
    images.set(name, await decodeImage(readFileSync(`test/golden/teachers/images/${name}.png`)));
});

function resampled({ image, kernel, size, box }: Case, more: Partial<ResampleOptions> = {}): Uint8Array {
  const [widthPx, heightPx] = size;
  const [left, top, right, bottom] = box;
  const options = {
    box: { left, top, right, bottom },
    widthPx,
    heightPx,
    kernel,
    mirror: false,
    region: { left: 0, top: 0, widthPx, heightPx },
    ...more,
  };
  const out = new Uint8Array(options.region.widthPx * options.region.heightPx * 3);
  resample(images.get(image)!, options, out);
  return out;
}

const named = (one: Case): string => `${one.image} to ${one.size.join(' x ')}`;

describe.each(KERNELS)('resampling with %s', (kernel) => {
  const own = cases.filter((one) => one.kernel === kernel);

  it('gives Pillow’s bytes: up, down, odd sizes, whole pictures and boxes between pixels', () => {
    expect(own.length).toBeGreaterThanOrEqual(40);
    const wrong = own.filter((one) => sha256(resampled(one)) !== one.sha256).map(named);
    expect(wrong).toEqual([]);
  });

  it('makes a part of the picture as the whole has it, also mirrored', () => {
    for (const one of own) {
      const [widthPx, heightPx] = one.size;
      const whole = resampled(one);
      const region = {
        left: widthPx >> 2,
        top: heightPx >> 1,
        widthPx: (widthPx + 2) >> 1,
        heightPx: (heightPx + 1) >> 1,
      };
      for (const mirror of [false, true]) {
        const part = resampled(one, { region, mirror });
        const wanted = new Uint8Array(part.length);
        for (let y = 0; y < region.heightPx; y++)
          for (let x = 0; x < region.widthPx; x++) {
            const column = region.left + x;
            const from = (region.top + y) * widthPx + (mirror ? widthPx - 1 - column : column);
            wanted.set(whole.subarray(from * 3, from * 3 + 3), (y * region.widthPx + x) * 3);
          }
        expect(Buffer.compare(part, wanted), `${named(one)}, mirror ${mirror}`).toBe(0);
      }
    }
  });
});
