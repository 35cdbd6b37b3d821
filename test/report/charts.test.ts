import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { barChart } from '../../src/report/charts/bars.ts';
import { heatMap } from '../../src/report/charts/heat-map.ts';
import { histogram } from '../../src/report/charts/histogram.ts';
import { evenly, lineChart } from '../../src/report/charts/lines.ts';
import { axisOf, domainOf, scaleOf, shortened } from '../../src/report/charts/scale.ts';
import type { SafeHtml } from '../../src/report/html.ts';
import type { Measured } from '../../src/report/input.ts';
import { formatNumber } from '../../src/report/number-format.ts';
import { type ParsedHtml, parseHtml } from './parsed-html.ts';

const bars = (values: readonly Measured[]): SafeHtml =>
  barChart({
    title: 'Bars',
    axisTitle: 'images',
    format: formatNumber,
    bars: values.map((value, i) => ({ label: `bar ${i}`, value })),
  });
const lines = (points: readonly (readonly [Measured, Measured])[]): SafeHtml =>
  lineChart({
    title: 'Lines',
    xTitle: 'step',
    yTitle: 'loss',
    series: [{ name: 'one', points: points.map(([x, y]) => ({ x, y })) }],
  });
const bins = (edges: readonly number[], counts: readonly number[]): SafeHtml =>
  histogram({ title: 'Bins', xTitle: 'score', noun: 'pairs', edges, series: [{ name: 'true', counts }] });
const heat = (values: readonly (readonly Measured[])[]): SafeHtml =>
  heatMap({
    title: 'Heat',
    rows: values.map((_, i) => `row ${i}`),
    columns: (values[0] ?? []).map((_, i) => `column ${i}`),
    values,
    pivot: 1,
    format: formatNumber,
  });

/** Parses, and fails on a coordinate that a browser would refuse. */
function sound(chart: SafeHtml): ParsedHtml {
  const parsed = parseHtml(chart.toString());
  for (const element of parsed.elements)
    for (const [name, value] of element.attributes)
      if (/^(x|y|x1|x2|y1|y2|cx|cy|r|width|height|d|viewBox)$/.test(name)) {
        expect(value, `${element.tag} ${name}`).not.toMatch(/NaN|Infinity|undefined|null|e[+-]/);
        if (name === 'width' || name === 'height') expect(Number(value)).toBeGreaterThanOrEqual(0);
      }
  return parsed;
}
const count = (parsed: ParsedHtml, tag: string): number =>
  parsed.elements.filter((one) => one.tag === tag).length;

describe('a chart', () => {
  test.each([
    ['bars', bars([])],
    ['lines', lines([])],
    [
      'lines of nothing measured',
      lines([
        [0, null],
        [1, NaN],
      ]),
    ],
    ['a histogram without bins', bins([], [])],
    ['a histogram without counts', bins([0, 1, 2], [0, 0])],
    ['a heat map', heat([])],
  ])('of no data says that nothing was measured: %s', (_, chart) => {
    const parsed = sound(chart);
    expect(parsed.text).toContain('Nothing was measured');
    expect(count(parsed, 'svg')).toBe(0);
  });

  test.each([
    ['one bar', bars([3])],
    ['one zero bar', bars([0])],
    ['equal bars', bars([5, 5, 5])],
    ['negative bars', bars([-2, 3])],
    ['one point', lines([[10, 0.5]])],
    [
      'equal values',
      lines([
        [0, 2],
        [1, 2],
        [2, 2],
      ]),
    ],
    [
      'equal places',
      lines([
        [1, 2],
        [1, 3],
      ]),
    ],
    [
      'tiny values',
      lines([
        [0, 5e-324],
        [1, 1e-323],
      ]),
    ],
    [
      'huge values',
      lines([
        [0, -1.7e308],
        [1, 1.7e308],
      ]),
    ],
    [
      'values a rounding apart',
      lines([
        [0, 1e9],
        [1, 1e9 + 1e-6],
      ]),
    ],
    ['one bin', bins([0, 1], [4])],
    ['a bin without a finite count', bins([0, 1, 2], [4, NaN])],
    ['one cell', heat([[1]])],
    [
      'equal cells',
      heat([
        [2, 2],
        [2, 2],
      ]),
    ],
  ])('draws %s', (_, chart) => {
    const parsed = sound(chart);
    expect(count(parsed, 'svg')).toBeGreaterThan(0);
    expect(count(parsed, 'table')).toBe(1);
    expect(parsed.text).not.toMatch(/NaN|Infinity|undefined|null/);
  });

  test('shows what was not measured in words, in the drawing and in the table', () => {
    for (const value of [null, NaN, Infinity, -Infinity]) {
      expect(sound(bars([1, value])).text.match(/not measured/g)).toHaveLength(2);
      expect(sound(heat([[1.5, value]])).text).toContain('–');
      expect(
        sound(
          lines([
            [0, 1],
            [1, value],
          ]),
        ).text,
      ).toContain('not measured');
    }
  });

  test('breaks a line where a point is missing', () => {
    const path = sound(
      lines([
        [0, 1],
        [1, 2],
        [2, null],
        [3, 1],
        [4, 2],
      ]),
    ).elements.find((one) => one.attributes.get('class')?.startsWith('line') && one.tag === 'path');
    expect(path?.attributes.get('d')?.match(/M/g)).toHaveLength(2);
  });

  test('shows a point between two gaps', () => {
    const path = sound(
      lines([
        [0, 1],
        [1, null],
        [2, 2],
        [3, null],
        [4, 1],
        [5, 2],
      ]),
    ).elements.find((one) => one.tag === 'path');
    expect(path?.attributes.get('d')).toMatch(/^M[\d. ]+h0M[\d. ]+h0M[\d. ]+L[\d. ]+$/);
  });

  test('keeps the highest and the lowest of a long line, and stays small', () => {
    const points = Array.from({ length: 20_000 }, (_, i): [number, number] => [
      i,
      i === 7777 ? 9 : i === 12_345 ? -9 : 0,
    ]);
    const chart = lines(points).toString();
    expect(chart.length).toBeLessThan(20_000);
    const path = parseHtml(chart)
      .elements.find((one) => one.tag === 'path')!
      .attributes.get('d')!;
    const heights = [...path.matchAll(/[ML][\d.]+ ([\d.]+)/g)].map((m) => Number(m[1]));
    const middle = heights[0]!;
    expect(Math.min(...heights)).toBeLessThan(middle - 50);
    expect(Math.max(...heights)).toBeGreaterThan(middle + 50);
  });

  test('has a table with scoped headers and every value, and an accessible name', () => {
    const parsed = sound(bars([12.34, 56.78]));
    const heads = parsed.elements.filter((one) => one.tag === 'th');
    expect(heads.map((one) => one.attributes.get('scope'))).toEqual(['col', 'col', 'row', 'row']);
    expect(parsed.text).toContain('12.3');
    expect(parsed.text).toContain('56.8');
    const drawing = parsed.elements.find((one) => one.tag === 'svg' && one.attributes.get('role') === 'img');
    expect(drawing?.attributes.get('aria-label')).toContain('Bars');
  });

  test('is sound for whatever numbers it gets', () => {
    const value = fc.option(fc.double(), { nil: null });
    fc.assert(fc.property(fc.array(value, { maxLength: 8 }), (values) => void sound(bars(values))));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(value, value), { maxLength: 300 }),
        (points) => void sound(lines(points)),
      ),
    );
    fc.assert(
      fc.property(
        fc.array(fc.double(), { maxLength: 6 }),
        fc.array(fc.double(), { maxLength: 6 }),
        (edges, counts) => void sound(bins(edges, counts)),
      ),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(value, value), { maxLength: 5 }), (values) => void sound(heat(values))),
    );
  });
});

describe('an axis', () => {
  test('covers its domain with a handful of round ticks', () => {
    const domain = fc
      .tuple(
        fc.double({ min: -1e12, max: 1e12, noNaN: true }),
        fc.double({ min: 1e-3, max: 1e12, noNaN: true }),
      )
      .map(([low, span]) => ({ low, high: low + span }))
      .filter(({ low, high }) => high > low);
    fc.assert(
      fc.property(domain, (range) => {
        const axis = axisOf(range, 5);
        const slack = 1e-6 * (range.high - range.low) + 1e-9 * Math.abs(range.low);
        expect(axis.domain.low).toBeLessThanOrEqual(range.low + slack);
        expect(axis.domain.high).toBeGreaterThanOrEqual(range.high - slack);
        expect(axis.ticks.length).toBeGreaterThanOrEqual(2);
        expect(axis.ticks.length).toBeLessThanOrEqual(9);
      }),
    );
  });

  test('has a domain even for no value, one value, or none that is finite', () => {
    expect(domainOf([])).toEqual({ low: 0, high: 1 });
    expect(domainOf([NaN, null, Infinity])).toEqual({ low: 0, high: 1 });
    expect(domainOf([4])).toEqual({ low: 2, high: 6 });
    expect(domainOf([4], true)).toEqual({ low: 0, high: 4 });
    expect(domainOf([0])).toEqual({ low: 0, high: 1 });
  });

  test('maps values into its pixels and clamps those outside', () => {
    const x = scaleOf({ low: 0, high: 10 }, 100, 200);
    expect([0, 5, 10, -3, 99].map(x)).toEqual([100, 150, 200, 100, 200]);
  });
});

test('names are cut by code point, and even choices keep both ends', () => {
  expect(shortened('😀😀😀😀', 3)).toBe('😀😀…');
  expect(shortened('abc', 3)).toBe('abc');
  expect(evenly([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 4)).toEqual([0, 3, 6, 9]);
});
