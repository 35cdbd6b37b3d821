/**
 * From a raw output tensor to a summary vector or a spatial map. The rule is part of the space, so two ways to read one tensor
 * never share targets.
 */
import type { Tensor } from 'onnxruntime-node';
import type { Json } from '../core/canonical-json.ts';
import { StillhouseError } from '../core/failure.ts';
import { decodeHalf } from '../core/half.ts';

export type SummaryForm = 'vector' | 'mean-pool' | 'cls';
export type SpatialLayout = 'NCHW' | 'NHWC' | 'tokens';

export type TapPlan =
  | {
      readonly kind: 'summary';
      readonly tensor: string;
      readonly form: SummaryForm;
      readonly layout: SpatialLayout;
      readonly prefixTokens: number;
      readonly rule: Json;
    }
  | {
      readonly kind: 'spatial';
      readonly tensor: string;
      readonly layout: SpatialLayout;
      readonly prefixTokens: number;
      readonly rule: Json;
    };

export interface TapValues {
  /** Of one row. */
  readonly shape: readonly number[];
  /** [rows, ...shape], row-major float32. */
  readonly values: Float32Array;
}

/** @throws StillhouseError bad-input when the tensor's rank or type does not fit the tap. */
export function readTap(tap: TapPlan, tensor: Tensor, rows: number, teacher: string): TapValues {
  const data = floatsOf(tensor);
  if (data === null) throw unfit(tap, tensor, teacher, 'float32 or float16 values');
  if (tap.kind === 'summary' && tap.form === 'vector') {
    // [batch, 1, D] and [batch, D, 1, 1] are vectors too
    const long = tensor.dims.slice(1).filter((side) => side !== 1);
    if (tensor.dims.length < 2 || long.length > 1) throw unfit(tap, tensor, teacher, '[batch, D]');
    const width = long[0] ?? 1;
    return { shape: [width], values: data.slice(0, rows * width) };
  }
  if (tap.kind === 'summary' && tap.form === 'cls') {
    const [, tokens, width] = tensor.dims;
    if (tensor.dims.length !== 3 || tokens === undefined || width === undefined)
      throw unfit(tap, tensor, teacher, '[batch, tokens, D]');
    const values = new Float32Array(rows * width);
    for (let row = 0; row < rows; row++)
      values.set(data.subarray(row * tokens * width, (row * tokens + 1) * width), row * width);
    return { shape: [width], values };
  }
  const map = spatialMap(tap, tensor, data, rows, teacher);
  return tap.kind === 'spatial' ? map : meanPool(map, rows);
}

/** Halves are widened; every one of them is a float32. Null for another type. */
function floatsOf({ type, data }: Tensor): Float32Array | null {
  if (data instanceof Float32Array) return data;
  // an engine on a Node that has Float16Array gives that, on others the bits
  if (type !== 'float16' || !ArrayBuffer.isView(data)) return null;
  return decodeHalf(new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2));
}

function spatialMap(
  tap: TapPlan,
  tensor: Tensor,
  data: Float32Array,
  rows: number,
  teacher: string,
): TapValues {
  const dims = tensor.dims;
  if (tap.layout === 'tokens') {
    const [, tokens, width] = dims;
    if (dims.length !== 3 || tokens === undefined || width === undefined)
      throw unfit(tap, tensor, teacher, '[batch, tokens, C]');
    const side = Math.sqrt(tokens - tap.prefixTokens);
    if (!Number.isInteger(side) || side < 1)
      throw unfit(tap, tensor, teacher, `a square number of tokens after ${tap.prefixTokens} prefix tokens`, {
        next: prefixAdvice(tokens),
      });
    const values = new Float32Array(rows * side * side * width);
    for (let row = 0; row < rows; row++) {
      const start = (row * tokens + tap.prefixTokens) * width;
      values.set(data.subarray(start, start + side * side * width), row * side * side * width);
    }
    return { shape: [side, side, width], values };
  }
  const [, a, b, c] = dims;
  if (dims.length !== 4 || a === undefined || b === undefined || c === undefined)
    throw unfit(tap, tensor, teacher, 'four dimensions');
  if (tap.layout === 'NHWC') return { shape: [a, b, c], values: data.slice(0, rows * a * b * c) };
  return { shape: [b, c, a], values: channelsLast(data, rows, a, b * c) };
}

/** [rows, C, positions] -> [rows, positions, C] */
function channelsLast(data: Float32Array, rows: number, channels: number, positions: number): Float32Array {
  const out = new Float32Array(rows * channels * positions);
  for (let row = 0; row < rows; row++) {
    const base = row * channels * positions;
    for (let channel = 0; channel < channels; channel++)
      for (let at = 0; at < positions; at++)
        out[base + at * channels + channel] = data[base + channel * positions + at]!;
  }
  return out;
}

/** Mean over positions, summed in float64. */
function meanPool(map: TapValues, rows: number): TapValues {
  const [h, w, channels] = map.shape as [number, number, number];
  const positions = h * w;
  const values = new Float32Array(rows * channels);
  const sum = new Float64Array(channels);
  for (let row = 0; row < rows; row++) {
    sum.fill(0);
    for (let at = 0; at < positions; at++) {
      const start = (row * positions + at) * channels;
      for (let channel = 0; channel < channels; channel++) sum[channel]! += map.values[start + channel]!;
    }
    for (let channel = 0; channel < channels; channel++)
      values[row * channels + channel] = sum[channel]! / positions;
  }
  return { shape: [channels], values };
}

/** CLS and registers are few: the largest square below the number of tokens is most likely the grid. */
function prefixAdvice(tokens: number): string {
  const side = Math.floor(Math.sqrt(tokens));
  return `correct prefixTokens in the teacher manifest: ${tokens - side * side} would leave ${side} x ${side} tokens`;
}

function unfit(
  tap: TapPlan,
  tensor: Tensor,
  teacher: string,
  wanted: string,
  { next = 'correct the tap in the teacher manifest' }: { readonly next?: string } = {},
): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: `the ${tap.kind} tap of a teacher does not fit its tensor`,
    where: `${teacher}, tensor ${tap.tensor}`,
    wanted,
    got: `${tensor.type} [${tensor.dims.join(',')}]`,
    next,
  });
}
