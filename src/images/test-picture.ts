/**
 * A picture to try a teacher with where nobody gives one: not square, with colour gradients, sharp edges, a disc, stripes of rising
 * frequency and noise, so that no layer sees a constant. The same bytes on every machine.
 */
import { Rng } from '../core/rng.ts';
import type { RgbImage } from './rgb-image.ts';

export const TEST_PICTURE = { widthPx: 320, heightPx: 240 } as const;

export function testPicture(): RgbImage {
  const { widthPx, heightPx } = TEST_PICTURE;
  const rng = new Rng(0, 'test picture');
  const data = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y++)
    for (let x = 0; x < widthPx; x++) data.set(colourAt(x, y, rng), (y * widthPx + x) * 3);
  return { widthPx, heightPx, data };
}

type Colour = readonly [red: number, green: number, blue: number];

/** Four quarters: disc on a gradient, chequers, stripes, noise. */
function colourAt(x: number, y: number, rng: Rng): Colour {
  const { widthPx, heightPx } = TEST_PICTURE;
  const [halfWidth, halfHeight] = [widthPx / 2, heightPx / 2];
  const [right, low] = [x >= halfWidth, y >= halfHeight];
  if (!right && !low) {
    const isDisc = Math.hypot(x - halfWidth / 2, y - halfHeight / 2) < halfHeight / 3;
    return isDisc ? [220, 40, 30] : [share(x, halfWidth), share(y, halfHeight), 128];
  }
  if (right && !low)
    return (Math.floor(x / 20) + Math.floor(y / 20)) % 2 === 0 ? [240, 240, 240] : [20, 60, 140];
  if (!right) {
    // integer arithmetic: sines may differ in their last bit between machines
    const phase = Math.floor((x * x) / 160) % 2;
    return phase === 0 ? [30, 120, 40] : [200, 210, 60];
  }
  return [byte(rng), byte(rng), byte(rng)];
}

const share = (at: number, of: number): number => Math.floor((255 * at) / of);
const byte = (rng: Rng): number => Math.floor(256 * rng.uniform());
