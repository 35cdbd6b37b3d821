import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { partOf } from '../../../src/cache/target-part.ts';
import { wantedRows } from '../../../src/cache/plan.ts';
import { type SpaceDescriptor, spaceIdOf } from '../../../src/cache/space.ts';
import { openCatalogue } from '../../../src/cache/catalogue.ts';
import {
  type Interpolation,
  meanCosine,
  measureInterpolation,
  sizePairs,
} from '../../../src/cache/statistics/interpolation.ts';
import { mapResizer } from '../../../src/cache/statistics/resize-map.ts';
import { bilinearMatrix } from '../../../src/core/linear-algebra/bilinear.ts';
import { Rng } from '../../../src/core/rng.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { images, openWriter, space } from '../rig.ts';

const side = fc.integer({ min: 1, max: 8 });
const seed = fc.integer({ min: 0, max: 1e6 });
const CHANNELS = 3;

const randomMap = (cells: number, seed: number): Float32Array => {
  const rng = new Rng(seed, 'interpolation');
  return Float32Array.from({ length: cells * CHANNELS }, () => rng.normal());
};

describe('resizing a map', () => {
  it('to its own grid changes nothing', () => {
    fc.assert(
      fc.property(side, side, seed, (h, w, seed) => {
        const map = randomMap(h * w, seed);
        expect(mapResizer([h, w, CHANNELS], [h, w])(map)).toEqual(map);
      }),
    );
  });

  it('is the product with the matrices that the student resizes with', () => {
    fc.assert(
      fc.property(side, side, side, side, seed, (h, w, height, width, seed) => {
        const map = randomMap(h * w, seed);
        const [down, across] = [bilinearMatrix(h, height), bilinearMatrix(w, width)];
        const resized = mapResizer([h, w, CHANNELS], [height, width])(map);
        for (let y = 0; y < height; y++)
          for (let x = 0; x < width; x++)
            for (let c = 0; c < CHANNELS; c++) {
              let wanted = 0;
              for (let i = 0; i < h; i++)
                for (let j = 0; j < w; j++)
                  wanted += down[y * h + i]! * across[x * w + j]! * map[(i * w + j) * CHANNELS + c]!;
              expect(resized[(y * width + x) * CHANNELS + c]).toBeCloseTo(wanted, 4);
            }
      }),
      { numRuns: 30 },
    );
  });

  it('that samples a bilinear function gives the function at every place between the old centres', () => {
    const grid = fc.integer({ min: 2, max: 6 });
    const weight = fc.integer({ min: -4, max: 4 });
    const coefficients = fc.array(weight, { minLength: 4 * CHANNELS, maxLength: 4 * CHANNELS });
    fc.assert(
      fc.property(grid, grid, coefficients, (from, times, weights) => {
        const to = from * times;
        const value = (y: number, x: number, c: number): number => {
          const [a, b, d, e] = weights.slice(4 * c, 4 * c + 4) as [number, number, number, number];
          return a + b * y + d * x + e * x * y;
        };
        const sampled = (cells: number): Float32Array =>
          Float32Array.from({ length: cells * cells * CHANNELS }, (_, i) => {
            const cell = Math.floor(i / CHANNELS);
            return value(
              (Math.floor(cell / cells) + 0.5) / cells,
              ((cell % cells) + 0.5) / cells,
              i % CHANNELS,
            );
          });
        const resized = mapResizer([from, from, CHANNELS], [to, to])(sampled(from));
        const native = sampled(to);
        const isBetween = (i: number): boolean => (i + 0.5) / times >= 0.5 && (i + 0.5) / times <= from - 0.5;
        for (let y = 0; y < to; y++)
          for (let x = 0; x < to; x++) {
            if (!isBetween(y) || !isBetween(x)) continue;
            const at = (y * to + x) * CHANNELS;
            const [got, wanted] = [resized, native].map((map) => map.slice(at, at + CHANNELS)) as [
              Float32Array,
              Float32Array,
            ];
            for (let c = 0; c < CHANNELS; c++) expect(got[c]).toBeCloseTo(wanted[c]!, 4);
          }
      }),
      { numRuns: 30 },
    );
  });
});

describe('the cosine of two maps', () => {
  it('is the mean over cells, does not change with the lengths of the vectors, and is -1 for the opposite', () => {
    const a = Float32Array.of(1, 0, 0, 3);
    expect(meanCosine(a, Float32Array.of(7, 0, 0.1, 0), 2)).toBe(0.5);
    expect(
      meanCosine(
        a,
        a.map((x) => -2 * x),
        2,
      ),
    ).toBe(-1);
  });

  it('of cells without a direction is 1 when both have none, else 0', () => {
    expect(meanCosine(Float32Array.of(0, 0, 0, 0), Float32Array.of(0, 0, 2, 1), 2)).toBe(0.5);
  });
});

const coarse = space({
  tap: { kind: 'spatial', rule: {} },
  sizePx: 8,
  shape: [2, 2, CHANNELS],
  codec: { id: 'f32' },
});
const fine: SpaceDescriptor = { ...coarse, sizePx: 16, shape: [4, 4, CHANNELS] };

/** A cache with one map per image in both spaces. */
async function pairOf(count: number, mapAt: (cells: number, image: number) => Float32Array) {
  const root = await tempFolder();
  const { writer } = await openWriter(root);
  for (const one of [coarse, fine])
    await writer.commit([
      partOf(
        one,
        wantedRows(images(count)),
        Float32Array.from(Array.from({ length: count }, (_, i) => [...mapAt(one.shape[0]!, i)]).flat()),
      ),
    ]);
  const { spaces } = await openCatalogue(root);
  const [low, high] = [coarse, fine].map((one) => spaces.get(spaceIdOf(one))!);
  return { low: low!, high: high! };
}

const measured = async (pair: Awaited<ReturnType<typeof pairOf>>, rows = 100): Promise<Interpolation> =>
  (await measureInterpolation({ ...pair, rows }))!;

describe('how well a teacher interpolates', () => {
  const upscaled = mapResizer([2, 2, CHANNELS], [4, 4]);

  it('is 1 for a teacher whose fine map is the coarse one resized, and less against another image', async () => {
    const pair = await pairOf(5, (cells, i) =>
      cells === 2 ? randomMap(4, i) : Float32Array.from(upscaled(randomMap(4, i))),
    );
    const { mean, p05, worst, otherImage, ...rest } = await measured(pair);
    for (const cosine of [mean, p05, worst]) expect(cosine).toBeCloseTo(1, 6);
    expect(otherImage).toBeLessThan(0.8);
    expect(rest).toEqual({
      low: 'sums@8.spatial.f32',
      high: 'sums@16.spatial.f32',
      teacher: 'sums',
      lowPx: 8,
      highPx: 16,
      codec: 'f32',
      rows: 5,
      measured: 5,
    });
  });

  it('tells the mean, the fifth percentile and the worst image', async () => {
    // the fine map of every fifth image is turned round
    const pair = await pairOf(5, (cells, i) =>
      new Float32Array(cells * cells * CHANNELS).fill(cells === 4 && i === 4 ? -1 : 1),
    );
    const { mean, p05, worst } = await measured(pair);
    expect([mean, p05, worst].map((x) => Number(x.toFixed(6)))).toEqual([0.6, -0.6, -1]);
  });

  it('is measured on rows that both have, as many as are asked for, and says of how many', async () => {
    const pair = await pairOf(6, (cells, i) =>
      cells === 2 && i === 0 ? randomMap(4, 1).fill(NaN) : randomMap(cells ** 2, i),
    );
    expect(await measured(pair)).toMatchObject({ rows: 5, measured: 5 });
    const some = await measured(pair, 2);
    expect(some).toMatchObject({ rows: 5, measured: 2 });
    expect(await measured(pair, 2)).toEqual(some);
    const nothing = await pairOf(2, (cells) => randomMap(cells ** 2, 1).fill(NaN));
    expect(await measureInterpolation({ ...nothing, rows: 9 })).toBeNull();
  });

  it('is asked of maps of one teacher, tap and codec at every two sizes, the coarser first', async () => {
    const { low } = await pairOf(1, (cells) => randomMap(cells ** 2, 1));
    const of = (changes: Partial<SpaceDescriptor>) => ({ ...low, descriptor: { ...coarse, ...changes } });
    const large = of({ sizePx: 32 });
    const pairs = sizePairs([
      large,
      of({}),
      of({ sizePx: 16 }),
      of({ sizePx: 16, codec: { id: 'f16' } }),
      of({ sizePx: 64, tap: { kind: 'summary', rule: {} } }),
      of({ sizePx: 64, teacher: { ...coarse.teacher, weightsSha256: 'others' } }),
    ]);
    expect(pairs.map((pair) => [pair.low.descriptor.sizePx, pair.high.descriptor.sizePx])).toEqual([
      [8, 16],
      [8, 32],
      [16, 32],
    ]);
  });
});
