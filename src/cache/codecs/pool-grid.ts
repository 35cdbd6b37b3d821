/** Averages square blocks of cells of a map: four times fewer tokens at `pool` 2, with the same meaning. */
import { type CodedShape, targetShapeOf } from './stored-tensor.ts';

/** values [h, w, C] -> out [h / pool, w / pool, C], summed in float64; a copy where nothing is pooled. */
export function poolGrid(values: Float32Array, coded: CodedShape, out: Float32Array): void {
  const { pool } = coded.codec;
  if (pool === undefined) {
    out.set(values);
    return;
  }
  const width = coded.shape[1]!;
  const [rows, columns, channels] = targetShapeOf(coded) as [number, number, number];
  const sums = new Float64Array(channels);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      sums.fill(0);
      for (let dy = 0; dy < pool; dy++)
        for (let dx = 0; dx < pool; dx++) {
          const from = ((row * pool + dy) * width + column * pool + dx) * channels;
          for (let c = 0; c < channels; c++) sums[c]! += values[from + c]!;
        }
      const to = (row * columns + column) * channels;
      for (let c = 0; c < channels; c++) out[to + c] = sums[c]! / (pool * pool);
    }
}
