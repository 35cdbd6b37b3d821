/**
 * Which source pixels make up each pixel of a resampled axis, and with what fixed-point weights; as Pillow computes them
 * (libImaging/Resample.c). A kernel is widened by the scale when shrinking, so nothing between two samples is skipped.
 */

/** Resampling kernels. `linear` is Pillow's BILINEAR, `cubic` its BICUBIC (Catmull-Rom, a = -0.5), `lanczos3` its LANCZOS. */
export const KERNELS = ['nearest', 'box', 'linear', 'hamming', 'cubic', 'lanczos3'] as const;
export type Kernel = (typeof KERNELS)[number];

/** One axis: the source span [start, end) stretched to `length` pixels, of which `count` from `first` on are wanted. */
export interface AxisSpan {
  /** Source pixels, not necessarily whole. */
  readonly start: number;
  readonly end: number;
  readonly length: number;
  readonly first: number;
  readonly count: number;
  /** Counts the stretched pixels from the far end. */
  readonly mirror: boolean;
}

export interface AxisWeights {
  /** Per wanted pixel: first source pixel, and how many. */
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
  /** [count, stride], 22 bits behind the binary point; of each row the first `lengths` entries count. */
  readonly weights: Int32Array;
  readonly stride: number;
}

const ONE = 1 << 22;

interface Filter {
  /** Half the width, in pixels of the coarser grid. */
  readonly support: number;
  readonly weight: (distance: number) => number;
}

const FILTERS: Readonly<Record<Exclude<Kernel, 'nearest'>, Filter>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  linear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  // its two constants are of single precision in Pillow
  hamming: {
    support: 1,
    weight: (x) =>
      Math.abs(x) < 1 ? sinc(x) * (Math.fround(0.54) + Math.fround(0.46) * Math.cos(x * Math.PI)) : 0,
  },
  cubic: { support: 2, weight: (x) => catmullRom(Math.abs(x)) },
  lanczos3: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

function catmullRom(x: number): number {
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? -0.5 * (((x - 5) * x + 8) * x - 4) : 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

/** @param sizePx of the source along the axis */
export function weightsAlong(
  span: AxisSpan,
  sizePx: number,
  kernel: Exclude<Kernel, 'nearest'>,
): AxisWeights {
  const filter = FILTERS[kernel];
  const { start: from, scale } = gridOf(span);
  const widening = Math.max(1, scale);
  const support = filter.support * widening;
  const stride = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(span.count);
  const lengths = new Int32Array(span.count);
  const weights = new Int32Array(span.count * stride);
  const exact = new Float64Array(stride);
  for (let i = 0; i < span.count; i++) {
    const position = span.mirror ? span.length - 1 - (span.first + i) : span.first + i;
    const centre = from + (position + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const length = Math.min(sizePx, Math.trunc(centre + support + 0.5)) - start;
    let sum = 0;
    for (let k = 0; k < length; k++) {
      exact[k] = filter.weight((start + k - centre + 0.5) / widening);
      sum += exact[k]!;
    }
    for (let k = 0; k < length; k++) weights[i * stride + k] = fixed(sum === 0 ? exact[k]! : exact[k]! / sum);
    starts[i] = start;
    lengths[i] = length;
  }
  return { starts, lengths, weights, stride };
}

/** Rounded half away from zero. */
function fixed(weight: number): number {
  return Math.trunc(weight * ONE + (weight < 0 ? -0.5 : 0.5));
}

/** The source pixel that holds the centre of each wanted pixel. */
export function nearestAlong(span: AxisSpan, sizePx: number): Int32Array {
  const { start, scale } = gridOf(span);
  // step by step rather than by a product: a centre on an edge between two pixels falls to the side that Pillow's falls to
  const centres = new Float64Array(span.length);
  for (let i = 0, at = start + scale * 0.5; i < span.length; i++, at += scale) centres[i] = at;
  return Int32Array.from({ length: span.count }, (_, i) => {
    const position = span.mirror ? span.length - 1 - (span.first + i) : span.first + i;
    return Math.min(sizePx - 1, Math.max(0, Math.floor(centres[position]!)));
  });
}

/** Edges are kept in single precision, as in Pillow; so is their difference. */
function gridOf({ start, end, length }: AxisSpan): { readonly start: number; readonly scale: number } {
  const [low, high] = [Math.fround(start), Math.fround(end)];
  return { start: low, scale: Math.fround(high - low) / length };
}
