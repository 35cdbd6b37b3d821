/** A learnable world: smooth random images, and two teachers that are fixed random projections of their colours. */
import { Rng } from '../../src/core/rng.ts';
import type { TrainBatch } from '../../src/student/feeds.ts';
import { bilinearMatrix } from '../../src/core/linear-algebra/bilinear.ts';
import { normals, uniforms } from './tiny.ts';

const IMAGE_PX = 8;
const SEM = normals(3 * 6, new Rng('sem'));
const SEM_SUMMARY = normals(12 * 6, new Rng('sem summary'));
const EDGE = normals(3 * 5, new Rng('edge')).map((w) => w * 5);

/** Colours of one image on a grid, [grid, grid, 3], from its four corner colours [2, 2, 3]. */
function colours(corners: Float32Array, grid: number): Float32Array {
  const matrix = bilinearMatrix(2, grid);
  const out = new Float32Array(grid * grid * 3);
  for (let y = 0; y < grid; y++)
    for (let x = 0; x < grid; x++)
      for (let c = 0; c < 3; c++)
        for (let j = 0; j < 2; j++)
          for (let i = 0; i < 2; i++)
            out[(y * grid + x) * 3 + c]! +=
              matrix[y * 2 + j]! * matrix[x * 2 + i]! * corners[(j * 2 + i) * 3 + c]!;
  return out;
}

/** Rows of `width` inputs times a [width, channels] matrix. */
function project(rows: Float32Array, weights: Float32Array, width: number): Float32Array {
  const channels = weights.length / width;
  const out = new Float32Array((rows.length / width) * channels);
  for (let r = 0; r < rows.length / width; r++)
    for (let c = 0; c < channels; c++)
      for (let k = 0; k < width; k++)
        out[r * channels + c]! += rows[r * width + k]! * weights[k * channels + c]!;
  return out;
}

/** A batch that fits tinyConfig, from (seed, index) alone. `shuffled` gives each image the targets of its neighbour. */
export function syntheticBatch(count: number, seed: string, index: number, shuffled = false): TrainBatch {
  const rng = new Rng(seed, index);
  const images = Array.from({ length: count }, () => uniforms(12, rng));
  const taught = shuffled ? [...images.slice(1), images[0]!] : images;
  const planes = images.flatMap((corners) => {
    const pixels = colours(corners, IMAGE_PX);
    return [0, 1, 2].flatMap((c) => [...pixels].filter((_, i) => i % 3 === c));
  });
  const joined = (rows: Float32Array[]): Float32Array => Float32Array.from(rows.flatMap((row) => [...row]));
  const maps = (grid: number, weights: Float32Array): Float32Array =>
    joined(taught.map((corners) => project(colours(corners, grid), weights, 3)));
  return {
    pixels: Float32Array.from(planes),
    targets: {
      'sem@16.summary': joined(taught.map((corners) => project(corners, SEM_SUMMARY, 12))),
      'sem@32.summary': joined(taught.map((corners) => project(corners, SEM_SUMMARY, 12))),
      'sem@16.spatial': maps(2, SEM),
      'sem@32.spatial': maps(3, SEM),
      'edge@16.spatial': maps(4, EDGE),
    },
  };
}

export interface StreamOptions {
  readonly batchSize: number;
  readonly seed: string;
  readonly from?: number;
  readonly count?: number;
  readonly shuffled?: boolean;
}

export async function* syntheticStream(options: StreamOptions): AsyncGenerator<TrainBatch> {
  const from = options.from ?? 0;
  for (let i = from; i < from + (options.count ?? Infinity); i++)
    yield await Promise.resolve(syntheticBatch(options.batchSize, options.seed, i, options.shuffled));
}
