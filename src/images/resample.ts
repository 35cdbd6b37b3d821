/**
 * Resampling that equals Pillow's `Image.resize(size, resample, box=...)` on 8-bit RGB, bit for bit: the processors that teachers
 * were trained with run on Pillow, and other libraries differ from it (decisions/0011). Two passes, across and down, each with
 * fixed-point weights and rounded to bytes. Pure and synchronous: usable in any worker thread.
 */
import { openResampleKernels } from './resample-kernels.ts';
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
  const axes = {
    across: weightsAlong(columns, source.widthPx, kernel),
    down: weightsAlong(rows, source.heightPx, kernel),
  };
  const made = downFirst(source, options) ? downThenAcross(source, axes) : acrossThenDown(source, axes);
  out.set(made);
}

/**
 * Which pass goes first decides a level here and there, since bytes lie between them. Pillow 13 goes down first where that removes
 * more than twice as many rows as columns are removed, whatever the box; its releases before go across first always.
 */
function downFirst(source: RgbImage, { widthPx, heightPx }: ResampleOptions): boolean {
  const removedRows = source.heightPx - heightPx;
  return removedRows > 0 && removedRows > 2 * (source.widthPx - widthPx);
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

interface Axes {
  readonly across: AxisWeights;
  readonly down: AxisWeights;
}

/** Source bytes that lie in the kernels' memory at a time: what a core's caches hold, however large the image. */
const BAND_BYTES = 1 << 20;

function acrossThenDown(source: RgbImage, { across, down }: Axes): Uint8Array {
  const [columns, rows] = [spanOf(across), spanOf(down)];
  const rowBytes = (columns.end - columns.first) * 3;
  const bandRows = Math.max(1, Math.min(rows.end - rows.first, Math.floor(BAND_BYTES / rowBytes)));
  const [widthBytes, heightPx] = [across.starts.length * 3, down.starts.length];
  const memory = new KernelMemory([
    ...tableBytes(across),
    ...tableBytes(down),
    bandRows * rowBytes,
    (rows.end - rows.first) * widthBytes,
    heightPx * widthBytes,
  ]);
  const acrossTables = memory.write(across, columns.first, 3);
  const downTables = memory.write(down, rows.first, widthBytes);
  const [band, middle, made] = [memory.next(), memory.next(), memory.next()];
  for (let row = rows.first; row < rows.end; row += bandRows) {
    const count = Math.min(bandRows, rows.end - row);
    for (let i = 0; i < count; i++) {
      const from = ((row + i) * source.widthPx + columns.first) * 3;
      memory.bytes.set(source.data.subarray(from, from + rowBytes), band + i * rowBytes);
    }
    const to = middle + (row - rows.first) * widthBytes;
    memory.run.across(band, rowBytes, to, widthBytes, count, across.starts.length, ...acrossTables);
  }
  memory.run.down(middle, widthBytes, made, widthBytes, heightPx, vectorsOf(widthBytes), ...downTables);
  return memory.bytes.subarray(made, made + heightPx * widthBytes);
}

function downThenAcross(source: RgbImage, { across, down }: Axes): Uint8Array {
  const [columns, rows] = [spanOf(across), spanOf(down)];
  const rowBytes = (columns.end - columns.first) * 3;
  const stripBytes =
    VECTOR_BYTES * Math.max(1, Math.floor(BAND_BYTES / (rows.end - rows.first) / VECTOR_BYTES));
  const stripStride = Math.min(stripBytes, rowBytes);
  // strips side by side: what one writes beyond the last column must not fall on the row below
  const middleStride = VECTOR_BYTES * vectorsOf(rowBytes);
  const [widthBytes, heightPx] = [across.starts.length * 3, down.starts.length];
  const memory = new KernelMemory([
    ...tableBytes(across),
    ...tableBytes(down),
    (rows.end - rows.first) * stripStride,
    heightPx * middleStride,
    heightPx * widthBytes,
  ]);
  const acrossTables = memory.write(across, columns.first, 3);
  const downTables = memory.write(down, rows.first, stripStride);
  const [strip, middle, made] = [memory.next(), memory.next(), memory.next()];
  for (let at = 0; at < rowBytes; at += stripBytes) {
    const width = Math.min(stripBytes, rowBytes - at);
    for (let row = rows.first; row < rows.end; row++) {
      const from = (row * source.widthPx + columns.first) * 3 + at;
      memory.bytes.set(source.data.subarray(from, from + width), strip + (row - rows.first) * stripStride);
    }
    memory.run.down(strip, stripStride, middle + at, middleStride, heightPx, vectorsOf(width), ...downTables);
  }
  memory.run.across(middle, middleStride, made, widthBytes, heightPx, across.starts.length, ...acrossTables);
  return memory.bytes.subarray(made, made + heightPx * widthBytes);
}

const VECTOR_BYTES = 16;
const vectorsOf = (bytes: number): number => Math.ceil(bytes / VECTOR_BYTES);

/** Of offsets, lengths and weights. */
const tableBytes = ({ starts, weights }: AxisWeights): number[] => [
  starts.byteLength,
  starts.byteLength,
  weights.byteLength,
];

let kernels = openResampleKernels(0);

/** The places of one call in the kernels' memory. It is one per thread, grown and never given back: calls do not overlap. */
class KernelMemory {
  readonly bytes: Uint8Array;
  readonly run: typeof kernels.run;
  readonly #places: number[] = [];

  /** @param sizesBytes of the places that {@link next} hands out, in order. */
  constructor(sizesBytes: readonly number[]) {
    let end = 0;
    for (const size of sizesBytes) {
      this.#places.push(end);
      // kernels read and write up to one vector beyond
      end += VECTOR_BYTES * (vectorsOf(size) + 1);
    }
    if (kernels.buffer.byteLength < end) kernels = openResampleKernels(end);
    this.bytes = new Uint8Array(kernels.buffer);
    this.run = kernels.run;
  }

  next(): number {
    return this.#places.shift()!;
  }

  /** Writes an axis as a kernel reads it: the offset of `first` is 0, its pixels lie `stepBytes` apart. */
  write({ starts, lengths, weights, stride }: AxisWeights, first: number, stepBytes: number): Tables {
    const [offsetsAt, lengthsAt, weightsAt] = [this.next(), this.next(), this.next()];
    const offsets = new Int32Array(kernels.buffer, offsetsAt, starts.length);
    for (let i = 0; i < starts.length; i++) offsets[i] = (starts[i]! - first) * stepBytes;
    // at least one: kernels look whether there is more when they are through with a tap
    const atLeastOne = new Int32Array(kernels.buffer, lengthsAt, lengths.length);
    for (let i = 0; i < lengths.length; i++) atLeastOne[i] = Math.max(1, lengths[i]!);
    new Int32Array(kernels.buffer, weightsAt, weights.length).set(weights);
    return [offsetsAt, lengthsAt, weightsAt, stride * Int32Array.BYTES_PER_ELEMENT];
  }
}

/** Addresses of offsets, lengths and weights; bytes from one set of weights to the next. */
type Tables = readonly [number, number, number, number];

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
