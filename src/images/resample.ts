/**
 * Resampling that equals Pillow's `Image.resize(size, resample, box=...)` on 8-bit RGB, bit for bit: the processors that teachers
 * were trained with run on Pillow, and other libraries differ from it (decisions/0011). Two passes, across and down, each with
 * fixed-point weights and rounded to bytes. Pure and synchronous: usable in any worker thread.
 */
import { type AxisWeights, type Kernel, nearestAlong, weightsAlong } from './resample-weights.ts';
import type { RgbImage } from './rgb-image.ts';

/** A rectangle of the source in pixels; its edges need not be whole. */
export interface SourceBox {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export interface ResampleOptions {
  /** What is shown; inside the source. Near its edges the kernel also reads the pixels beyond, as Pillow's does. */
  readonly box: SourceBox;
  /** What the box is stretched to. */
  readonly widthPx: number;
  readonly heightPx: number;
  readonly kernel: Kernel;
  /** Mirrors the stretched box from left to right, before the region is taken. */
  readonly mirror: boolean;
  /** The part of the stretched box to make; nothing else is computed. */
  readonly region: PixelRegion;
}

export interface PixelRegion {
  readonly left: number;
  readonly top: number;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Writes the region, [heightPx, widthPx, 3] uint8, to the start of `out`. */
export function resample(source: RgbImage, options: ResampleOptions, out: Uint8Array): void {
  const { box, region, kernel, mirror } = options;
  if (out.length < region.widthPx * region.heightPx * 3)
    throw new Error(`internal: ${out.length} bytes for ${region.widthPx} x ${region.heightPx} pixels`);
  const columns = {
    start: box.left,
    end: box.right,
    length: options.widthPx,
    first: region.left,
    count: region.widthPx,
    mirror,
  };
  const rows = {
    start: box.top,
    end: box.bottom,
    length: options.heightPx,
    first: region.top,
    count: region.heightPx,
    mirror: false,
  };
  if (kernel === 'nearest') {
    pick(source, nearestAlong(columns, source.widthPx), nearestAlong(rows, source.heightPx), out);
    return;
  }
  const across = weightsAlong(columns, source.widthPx, kernel);
  const down = weightsAlong(rows, source.heightPx, kernel);
  // stores to a clamped array clamp, which is cheaper than comparing
  const clamped = new Uint8ClampedArray(out.buffer, out.byteOffset, out.length);
  const whole: Window = { data: source.data, rowBytes: source.widthPx * 3, firstColumn: 0, firstRow: 0 };
  if (downFirst(source, options)) {
    const { first, end } = spanOf(across);
    const short = scratchOf(region.heightPx * (end - first) * 3);
    passDown(whole, { first, end }, down, short);
    const half = { ...windowOn(short, end - first), firstColumn: first };
    passAcross(half, { first: 0, end: region.heightPx }, across, clamped);
  } else {
    const { first, end } = spanOf(down);
    const narrow = scratchOf((end - first) * region.widthPx * 3);
    passAcross(whole, { first, end }, across, narrow);
    const half = { ...windowOn(narrow, region.widthPx), firstRow: first };
    passDown(half, { first: 0, end: region.widthPx }, down, clamped);
  }
}

/**
 * Which pass goes first decides a level here and there, since bytes lie between them. Pillow 13 goes down first where that removes
 * more than twice as many rows as columns are removed, whatever the box; its releases before go across first always.
 */
function downFirst(source: RgbImage, { widthPx, heightPx }: ResampleOptions): boolean {
  const removedRows = source.heightPx - heightPx;
  return removedRows > 0 && removedRows > 2 * (source.widthPx - widthPx);
}

/** Pixels of which the first row and column may be others than those of the whole picture. */
interface Window {
  readonly data: Uint8Array;
  readonly rowBytes: number;
  readonly firstColumn: number;
  readonly firstRow: number;
}

function windowOn(data: Uint8ClampedArray, widthPx: number): Window {
  // one type of array for what passes read, so that their loops are compiled once
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
  return { data: bytes, rowBytes: widthPx * 3, firstColumn: 0, firstRow: 0 };
}

/** [first, end) of the rows or columns of a picture. */
interface Span {
  readonly first: number;
  readonly end: number;
}

/** The pixels of an axis that its weights read. */
function spanOf({ starts, lengths }: AxisWeights): Span {
  let [first, end] = [Infinity, 0];
  for (let i = 0; i < starts.length; i++) {
    first = Math.min(first, starts[i]!);
    end = Math.max(end, starts[i]! + lengths[i]!);
  }
  return { first, end };
}

/** Weights have 22 bits behind the binary point; sums start at a half, so that shifting rounds. */
const SHIFT = 22;
const HALF = 1 << (SHIFT - 1);

/**
 * The rows, each to one pixel per weight set; written to the start of `out`. Two rows go together, which reads each weight once
 * for both; an odd last row is its own partner.
 */
function passAcross(
  { data, rowBytes, firstColumn, firstRow }: Window,
  { first, end }: Span,
  { starts, lengths, weights, stride }: AxisWeights,
  out: Uint8ClampedArray,
): void {
  const count = starts.length;
  for (let row = first; row < end; row += 2) {
    const alone = row + 1 === end;
    const below = alone ? 0 : rowBytes;
    const toBelow = alone ? 0 : count * 3;
    const rowStart = (row - firstRow) * rowBytes - firstColumn * 3;
    let to = (row - first) * count * 3;
    for (let i = 0; i < count; i++, to += 3) {
      let from = rowStart + starts[i]! * 3;
      let at = i * stride;
      const last = at + lengths[i]!;
      let [r, g, b, r2, g2, b2] = [HALF, HALF, HALF, HALF, HALF, HALF];
      for (; at < last; at++, from += 3) {
        const weight = weights[at]!;
        r = (r + Math.imul(weight, data[from]!)) | 0;
        g = (g + Math.imul(weight, data[from + 1]!)) | 0;
        b = (b + Math.imul(weight, data[from + 2]!)) | 0;
        r2 = (r2 + Math.imul(weight, data[from + below]!)) | 0;
        g2 = (g2 + Math.imul(weight, data[from + below + 1]!)) | 0;
        b2 = (b2 + Math.imul(weight, data[from + below + 2]!)) | 0;
      }
      out[to] = r >> SHIFT;
      out[to + 1] = g >> SHIFT;
      out[to + 2] = b >> SHIFT;
      out[to + toBelow] = r2 >> SHIFT;
      out[to + toBelow + 1] = g2 >> SHIFT;
      out[to + toBelow + 2] = b2 >> SHIFT;
    }
  }
}

/** The columns, each to one pixel per weight set; written to the start of `out`, row by row. */
function passDown(
  { data, rowBytes, firstColumn, firstRow }: Window,
  { first, end }: Span,
  { starts, lengths, weights, stride }: AxisWeights,
  out: Uint8ClampedArray,
): void {
  const widthBytes = (end - first) * 3;
  for (let y = 0, to = 0; y < starts.length; y++) {
    const base = (starts[y]! - firstRow) * rowBytes + (first - firstColumn) * 3;
    const start = y * stride;
    const last = start + lengths[y]!;
    for (let x = 0; x < widthBytes; x += 3, to += 3) {
      let [r, g, b] = [HALF, HALF, HALF];
      for (let at = start, from = base + x; at < last; at++, from += rowBytes) {
        const weight = weights[at]!;
        r = (r + Math.imul(weight, data[from]!)) | 0;
        g = (g + Math.imul(weight, data[from + 1]!)) | 0;
        b = (b + Math.imul(weight, data[from + 2]!)) | 0;
      }
      out[to] = r >> SHIFT;
      out[to + 1] = g >> SHIFT;
      out[to + 2] = b >> SHIFT;
    }
  }
}

function pick(source: RgbImage, columns: Int32Array, rows: Int32Array, out: Uint8Array): void {
  const { data, widthPx } = source;
  let to = 0;
  for (const row of rows)
    for (const column of columns) {
      const from = (row * widthPx + column) * 3;
      out[to] = data[from]!;
      out[to + 1] = data[from + 1]!;
      out[to + 2] = data[from + 2]!;
      to += 3;
    }
}

let scratch = new Uint8ClampedArray(0);

/** One buffer per thread, grown and never given back: calls do not overlap, since each runs to its end. */
function scratchOf(sizeBytes: number): Uint8ClampedArray {
  if (scratch.length < sizeBytes) scratch = new Uint8ClampedArray(sizeBytes);
  return scratch;
}
