/** An image whose every pixel says where it is: red counts columns, green counts rows, blue is constant. */
import type { RgbImage } from '../../src/images/rgb-image.ts';

export const COORDINATE_BLUE = 77;

export function coordinateImage(widthPx: number, heightPx: number): RgbImage {
  const data = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y++)
    for (let x = 0; x < widthPx; x++) data.set([x, y, COORDINATE_BLUE], (y * widthPx + x) * 3);
  return { widthPx, heightPx, data };
}
