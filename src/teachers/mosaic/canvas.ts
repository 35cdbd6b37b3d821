/** Tiles onto canvases and maps apart again: moves of memory, nothing is interpolated. */
import { type MosaicLayout, tilesOf } from './layout.ts';

export interface CanvasForm extends MosaicLayout {
  readonly layout: 'NCHW' | 'NHWC';
  /** What the network sees between tiles and where there are none, in the order of the input's channels. */
  readonly pad: readonly [number, number, number];
}

/** Values of the canvases that so many tiles need. */
export function canvasValues(rows: number, form: MosaicLayout): number {
  return Math.ceil(rows / tilesOf(form)) * 3 * form.canvasPx ** 2;
}

/**
 * @param tiles [rows, 3, tile, tile], or [rows, tile, tile, 3] for NHWC, float32; tile r is the (r mod k k)th of its canvas, row by row
 * @param out [canvases, 3, canvas, canvas] or NHWC, written whole: padding where there are no tiles
 */
export function composeCanvases(tiles: Float32Array, form: CanvasForm, out: Float32Array): void {
  const { tilesPerSide, tilePx, slotPx, canvasPx, layout } = form;
  const perCanvas = tilesOf(form);
  const rows = tiles.length / (3 * tilePx * tilePx);
  const [planes, step] = layout === 'NCHW' ? [3, 1] : [1, 3];
  pad(out, form);
  const line = tilePx * step;
  for (let row = 0; row < rows; row++) {
    const tile = row % perCanvas;
    const top = Math.floor(tile / tilesPerSide) * slotPx;
    const left = (tile % tilesPerSide) * slotPx;
    for (let plane = 0; plane < planes; plane++)
      for (let y = 0; y < tilePx; y++) {
        const from = ((row * planes + plane) * tilePx + y) * line;
        const canvasRow = (Math.floor(row / perCanvas) * planes + plane) * canvasPx + top + y;
        out.set(tiles.subarray(from, from + line), (canvasRow * canvasPx + left) * step);
      }
  }
}

function pad(canvases: Float32Array, form: CanvasForm): void {
  const area = form.canvasPx * form.canvasPx;
  if (form.layout === 'NHWC') for (let i = 0; i < canvases.length; i++) canvases[i] = form.pad[i % 3]!;
  else
    for (let plane = 0; plane * area < canvases.length; plane++)
      canvases.fill(form.pad[plane % 3]!, plane * area, (plane + 1) * area);
}

export interface MapForm extends MosaicLayout {
  /** Of the whole canvas, [h, w, C]. */
  readonly shape: readonly number[];
  /** Input pixels per cell. */
  readonly cellPx: number;
}

/** Shape of one tile's map, [h, w, C]. */
export function tileShape({ tilePx, cellPx, shape }: MapForm): readonly [number, number, number] {
  return [tilePx / cellPx, tilePx / cellPx, shape[2]!];
}

/** maps [canvases, h, w, C] -> the maps of the first `rows` tiles, [rows, h', w', C] */
export function cutMaps(maps: Float32Array, rows: number, form: MapForm): Float32Array {
  const { tilesPerSide, slotPx, cellPx, shape } = form;
  const [h, w, channels] = shape as readonly [number, number, number];
  const [side] = tileShape(form);
  const slot = slotPx / cellPx;
  const perCanvas = tilesOf(form);
  const line = side * channels;
  const out = new Float32Array(rows * side * line);
  for (let row = 0; row < rows; row++) {
    const tile = row % perCanvas;
    const [top, left] = [Math.floor(tile / tilesPerSide) * slot, (tile % tilesPerSide) * slot];
    for (let y = 0; y < side; y++) {
      const from = ((Math.floor(row / perCanvas) * h + top + y) * w + left) * channels;
      out.set(maps.subarray(from, from + line), (row * side + y) * line);
    }
  }
  return out;
}
