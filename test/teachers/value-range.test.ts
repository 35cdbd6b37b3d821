import { expect, it } from 'vitest';
import { valueRange } from '../../src/teachers/value-range.ts';

it('figures are over the finite values, and the others are counted by kind', () => {
  const values = Float32Array.of(1, NaN, 3, Infinity, 5, -Infinity, NaN, 7);
  expect(valueRange(values)).toEqual({
    values: 8,
    min: 1,
    max: 7,
    mean: 4,
    std: 2.2361,
    nan: 2,
    infinite: 2,
  });
});

it('without a finite value there are no figures, and JSON can say so', () => {
  const range = valueRange(Float32Array.of(NaN, Infinity));
  expect(JSON.parse(JSON.stringify(range))).toEqual({
    values: 2,
    min: null,
    max: null,
    mean: null,
    std: null,
    nan: 1,
    infinite: 1,
  });
});

it('a large common offset does not hide the deviation', () => {
  expect(valueRange(Float32Array.of(4096, 4097, 4098)).std).toBe(0.8165);
});
