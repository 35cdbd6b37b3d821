import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CanvasForm,
  canvasValues,
  composeCanvases,
  cutMaps,
  tileShape,
} from '../../../src/teachers/mosaic/canvas.ts';
import { tilesOf } from '../../../src/teachers/mosaic/layout.ts';

/** Layouts in cells, so that all of them are possible: up to 3 x 3 tiles of 1..3 cells of 1..3 px, with gaps and a rest. */
const layouts = fc.record({
  k: fc.integer({ min: 1, max: 3 }),
  cellPx: fc.integer({ min: 1, max: 3 }),
  tile: fc.integer({ min: 1, max: 3 }),
  gap: fc.integer({ min: 0, max: 2 }),
  rest: fc.integer({ min: 0, max: 2 }),
  rows: fc.integer({ min: 1, max: 20 }),
  layout: fc.constantFrom('NCHW', 'NHWC'),
});
type Case = typeof layouts extends fc.Arbitrary<infer T> ? T : never;

function formOf({ k, cellPx, tile, gap, rest, layout }: Case): CanvasForm & { readonly cellPx: number } {
  const slot = tile + gap;
  return {
    tilesPerSide: k,
    tilePx: tile * cellPx,
    slotPx: slot * cellPx,
    canvasPx: (k * slot + rest) * cellPx,
    layout,
    pad: [-1, -2, -3],
    cellPx,
  };
}

/** Every value of a picture says where it is: tile, row, column. */
function coordinateTiles(rows: number, { tilePx, layout }: CanvasForm): Float32Array {
  const tiles = new Float32Array(rows * 3 * tilePx * tilePx);
  for (let row = 0; row < rows; row++)
    for (let y = 0; y < tilePx; y++)
      for (let x = 0; x < tilePx; x++)
        [row, y, x].forEach((value, channel) => {
          const inTile =
            layout === 'NCHW' ? (channel * tilePx + y) * tilePx + x : (y * tilePx + x) * 3 + channel;
          tiles[row * 3 * tilePx * tilePx + inTile] = value;
        });
  return tiles;
}

/** The canvases of the first `rows` of some tiles, in memory that held something else before. */
function composed(tiles: Float32Array, rows: number, form: CanvasForm): Float32Array {
  const out = new Float32Array(canvasValues(rows, form)).fill(99);
  composeCanvases(tiles.subarray(0, rows * 3 * form.tilePx ** 2), form, out);
  return out;
}

/** A teacher that gives the pixel at the corner of each cell: [canvases, h, w, 3]. */
function corners(canvases: Float32Array, { canvasPx, cellPx, layout }: CanvasForm & { cellPx: number }) {
  const side = canvasPx / cellPx;
  const count = canvases.length / (3 * canvasPx * canvasPx);
  const map = new Float32Array(count * side * side * 3);
  for (let n = 0; n < count; n++)
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++)
        for (let c = 0; c < 3; c++) {
          const [top, left] = [y * cellPx, x * cellPx];
          const at =
            layout === 'NCHW' ? (c * canvasPx + top) * canvasPx + left : (top * canvasPx + left) * 3 + c;
          map[((n * side + y) * side + x) * 3 + c] = canvases[n * 3 * canvasPx * canvasPx + at]!;
        }
  return { maps: map, shape: [side, side, 3] as const };
}

describe('tiles on canvases', () => {
  it('come back cell by cell from their own tile and place, whatever the layout and however full the last canvas', () => {
    fc.assert(
      fc.property(layouts, (one) => {
        const form = formOf(one);
        const { rows, tile, cellPx } = one;
        const canvases = composed(coordinateTiles(rows, form), rows, form);
        expect(canvases.length).toBe(Math.ceil(rows / tilesOf(form)) * 3 * form.canvasPx ** 2);
        const { maps, shape } = corners(canvases, form);
        const cut = cutMaps(maps, rows, { ...form, shape });
        expect(tileShape({ ...form, shape })).toEqual([tile, tile, 3]);
        const wanted = Array.from({ length: rows }, (_, row) =>
          Array.from({ length: tile * tile }, (_, i) => [
            row,
            Math.floor(i / tile) * cellPx,
            (i % tile) * cellPx,
          ]),
        );
        expect([...cut]).toEqual(wanted.flat(2));
      }),
    );
  });

  it('leave the padding everywhere else', () => {
    fc.assert(
      fc.property(layouts, (one) => {
        const form = formOf(one);
        const canvases = composed(coordinateTiles(one.rows, form), one.rows, form);
        const padding = canvases.reduce((count, value) => count + Number(value < 0), 0);
        expect(padding).toBe(canvases.length - one.rows * 3 * form.tilePx ** 2);
        const area = form.canvasPx ** 2;
        canvases.forEach((value, i) => {
          const channel = form.layout === 'NHWC' ? i % 3 : Math.floor(i / area) % 3;
          if (value < 0) expect(value).toBe(form.pad[channel]);
        });
      }),
      { numRuns: 20 },
    );
  });

  it('of which there are fewer give the same rows as among more', () => {
    fc.assert(
      fc.property(layouts, fc.integer({ min: 1, max: 20 }), (one, fewer) => {
        const form = formOf(one);
        const rows = Math.min(fewer, one.rows);
        const all = coordinateTiles(one.rows, form);
        const cutOf = (count: number): Float32Array => {
          const { maps, shape } = corners(composed(all, count, form), form);
          return cutMaps(maps, count, { ...form, shape });
        };
        expect(cutOf(rows)).toEqual(cutOf(one.rows).subarray(0, rows * one.tile ** 2 * 3));
      }),
    );
  });
});
