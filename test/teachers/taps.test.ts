import * as ort from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/core/rng.ts';
import { type SpatialLayout, type TapPlan, readTap } from '../../src/teachers/taps.ts';

const BATCH = 3;

function tensor(...dims: number[]): ort.Tensor {
  const rng = new Rng(dims.join(), 'taps');
  const size = dims.reduce((product, side) => product * side, 1);
  return new ort.Tensor(
    'float32',
    Float32Array.from({ length: size }, () => rng.normal()),
    dims,
  );
}

/** Element of a row-major tensor by its indices. */
function at(source: ort.Tensor, ...indices: number[]): number {
  const flat = indices.reduce((sum, index, axis) => sum * source.dims[axis]! + index, 0);
  return (source.data as Float32Array)[flat]!;
}

const spatial = (layout: SpatialLayout, prefixTokens = 0): TapPlan => ({
  kind: 'spatial',
  tensor: 't',
  layout,
  prefixTokens,
  rule: {},
});
const summary = (
  form: 'vector' | 'cls' | 'mean-pool',
  layout: SpatialLayout = 'tokens',
  prefixTokens = 0,
): TapPlan => ({
  kind: 'summary',
  tensor: 't',
  form,
  layout,
  prefixTokens,
  rule: {},
});

/** One map [h, w, C] of a 2 x 3 grid (2 x 2 for tokens) by plain indexing. */
const cases = [
  { layout: 'NCHW', prefix: 0, source: tensor(BATCH, 5, 2, 3), grid: [2, 3], channels: 5 },
  { layout: 'NHWC', prefix: 0, source: tensor(BATCH, 2, 3, 5), grid: [2, 3], channels: 5 },
  { layout: 'tokens', prefix: 0, source: tensor(BATCH, 4, 5), grid: [2, 2], channels: 5 },
  { layout: 'tokens', prefix: 3, source: tensor(BATCH, 7, 5), grid: [2, 2], channels: 5 },
] as const;

function plainMap({ layout, prefix, source, grid, channels }: (typeof cases)[number], row: number): number[] {
  const out: number[] = [];
  for (let y = 0; y < grid[0]; y++)
    for (let x = 0; x < grid[1]; x++)
      for (let c = 0; c < channels; c++)
        out.push(
          layout === 'NCHW'
            ? at(source, row, c, y, x)
            : layout === 'NHWC'
              ? at(source, row, y, x, c)
              : at(source, row, prefix + y * grid[1] + x, c),
        );
  return out;
}

describe('a spatial tap', () => {
  it.each(cases)(
    'gives [h, w, C] of a $layout tensor with $prefix prefix tokens, as plain indexing does',
    (one) => {
      for (const rows of [1, 2, BATCH]) {
        const { shape, values } = readTap(spatial(one.layout, one.prefix), one.source, rows, 'toy');
        expect(shape).toEqual([...one.grid, one.channels]);
        expect([...values]).toEqual(Array.from({ length: rows }, (_, row) => plainMap(one, row)).flat());
      }
    },
  );

  it('refuses tokens that form no square after the prefix, and says how many there are', () => {
    expect(() => readTap(spatial('tokens', 1), tensor(BATCH, 7, 5), 1, 'toy')).toThrow(
      /square number of tokens after 1 prefix[\s\S]*\[3,7,5\]/,
    );
    expect(() => readTap(spatial('tokens', 4), tensor(BATCH, 4, 5), 1, 'toy')).toThrow('square number');
  });
});

describe('a summary tap', () => {
  it('takes a vector as it is', () => {
    const source = tensor(BATCH, 6);
    expect(readTap(summary('vector'), source, 2, 'toy')).toEqual({
      shape: [6],
      values: (source.data as Float32Array).slice(0, 12),
    });
  });

  it('takes token 0 for cls', () => {
    const source = tensor(BATCH, 4, 5);
    const { shape, values } = readTap(summary('cls'), source, BATCH, 'toy');
    expect(shape).toEqual([5]);
    expect([...values]).toEqual(
      [0, 1, 2].flatMap((row) => Array.from({ length: 5 }, (_, c) => at(source, row, 0, c))),
    );
  });

  it.each(cases)(
    'is the mean over the positions of a $layout tensor, without its $prefix prefix tokens',
    (one) => {
      const { shape, values } = readTap(
        summary('mean-pool', one.layout, one.prefix),
        one.source,
        BATCH,
        'toy',
      );
      expect(shape).toEqual([one.channels]);
      const positions = one.grid[0] * one.grid[1];
      for (let row = 0; row < BATCH; row++) {
        const map = plainMap(one, row);
        for (let c = 0; c < one.channels; c++) {
          const mean =
            map.filter((_, i) => i % one.channels === c).reduce((sum, x) => sum + x, 0) / positions;
          expect(values[row * one.channels + c]).toBe(Math.fround(mean));
        }
      }
    },
  );

  it.each([
    ['vector', tensor(BATCH, 4, 5), '[batch, D]'],
    ['cls', tensor(BATCH, 5), '[batch, tokens, D]'],
    ['mean-pool', tensor(BATCH, 5), '[batch, tokens, C]'],
  ] as const)('of form %s names the rank it wanted and the shape it got', (form, source, wanted) => {
    expect(() => readTap(summary(form), source, 1, 'toy')).toThrow(
      expect.objectContaining({
        exitCode: 3,
        failure: expect.objectContaining({
          wanted,
          where: 'toy, tensor t',
          got: `float32 [${source.dims.join(',')}]`,
        }),
      }),
    );
  });
});

it('refuses a tensor of another type', () => {
  const source = new ort.Tensor('int64', BigInt64Array.of(1n, 2n), [1, 2]);
  expect(() => readTap(summary('vector'), source, 1, 'toy')).toThrow('float32 or float16 values');
});
