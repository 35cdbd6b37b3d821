/** Bilinear resizing of one feature map, as the recipe brings a low-resolution target to a finer grid. */
import { bilinearTaps } from '../../core/linear-algebra/bilinear.ts';

type MapShape = readonly [rows: number, columns: number, channels: number];

/** Prepared once for many maps. @returns map [h, w, C] -> the same memory each time, [height, width, C], sums in float64 */
export function mapResizer(from: MapShape, grid: readonly [rows: number, columns: number]) {
  const [h, w, channels] = from;
  const [height, width] = grid;
  const [down, across] = [bilinearTaps(h, height), bilinearTaps(w, width)];
  const out = new Float32Array(height * width * channels);
  return (map: Float32Array): Float32Array => {
    let to = 0;
    for (const y of down)
      for (const x of across) {
        const top = (y.low * w + x.low) * channels;
        const topRight = (y.low * w + x.high) * channels;
        const bottom = (y.high * w + x.low) * channels;
        const bottomRight = (y.high * w + x.high) * channels;
        for (let c = 0; c < channels; c++) {
          const upper = map[top + c]! * (1 - x.share) + map[topRight + c]! * x.share;
          const lower = map[bottom + c]! * (1 - x.share) + map[bottomRight + c]! * x.share;
          out[to++] = upper * (1 - y.share) + lower * y.share;
        }
      }
    return out;
  };
}
