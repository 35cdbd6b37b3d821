/** From the stored pixels of one view, [3, H, W] bytes, to the floats of a batch: the same values as from pixels that were just rendered. */
import { byteTables } from '../images/byte-tables.ts';
import type { ChannelScale } from './pixel-options.ts';
import type { RowDecoder } from './row-decoder.ts';

export function openPixelDecoder(sizePx: number, { mean, std }: ChannelScale): RowDecoder {
  const area = sizePx * sizePx;
  const tables = byteTables({ scale: 1 / 255, mean, std });
  return {
    decode: (stored, buffer, at) => {
      const out = new Float32Array(buffer, at, 3 * area);
      for (let channel = 0; channel < 3; channel++) {
        const table = tables[channel]!;
        for (let i = channel * area, end = i + area; i < end; i++) out[i] = table[stored[i]!]!;
      }
    },
  };
}
