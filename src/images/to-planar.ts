/** Pixels to the numbers a network eats: (x * scale - mean) / std per channel, in either memory layout and colour order. */
import { type ByteScale, byteTables } from './byte-tables.ts';
import type { RgbImage } from './rgb-image.ts';

/** Mean and deviation are in the order of the output channels. */
export interface Normalisation extends ByteScale {
  readonly colour: 'RGB' | 'BGR';
}

export interface TensorForm extends Normalisation {
  readonly layout: 'NCHW' | 'NHWC';
  /** Of one image of the tensor. Smaller pixels lie at the top left. */
  readonly heightPx: number;
  readonly widthPx: number;
  /** What the network sees where there are no pixels, in the order of the output channels. */
  readonly pad: readonly [number, number, number];
}

/** Writes one image, 3 * heightPx * widthPx float32, from `offset` on. Pure and synchronous. */
export type TensorWriter = (pixels: RgbImage, out: Float32Array, offset: number) => void;

/**
 * Makes the writer of one tensor form; its tables of normalised bytes are built once.
 * @throws from the writer, Error (a defect) when pixels are larger than the form or the target is too short.
 */
export function tensorWriter(form: TensorForm): TensorWriter {
  const { layout, widthPx, heightPx, pad } = form;
  const area = widthPx * heightPx;
  const tables = byteTables(form);
  const step = layout === 'NCHW' ? 1 : 3;
  return (pixels, out, offset) => {
    check(form, pixels, out, offset);
    for (let channel = 0; channel < 3; channel++) {
      const table = tables[channel]!;
      const base = offset + (layout === 'NCHW' ? channel * area : channel);
      const rowStep = widthPx * step;
      let from = form.colour === 'RGB' ? channel : 2 - channel;
      for (let y = 0; y < heightPx; y++) {
        const shown = y < pixels.heightPx ? pixels.widthPx : 0;
        let at = base + y * rowStep;
        const split = at + shown * step;
        for (; at < split; at += step, from += 3) out[at] = table[pixels.data[from]!]!;
        const end = base + (y + 1) * rowStep;
        for (; at < end; at += step) out[at] = pad[channel]!;
      }
    }
  };
}

function check(form: TensorForm, pixels: RgbImage, out: Float32Array, offset: number): void {
  const fits =
    pixels.widthPx <= form.widthPx &&
    pixels.heightPx <= form.heightPx &&
    pixels.data.length >= pixels.widthPx * pixels.heightPx * 3 &&
    offset >= 0 &&
    offset + form.widthPx * form.heightPx * 3 <= out.length;
  if (!fits)
    throw new Error(
      `internal: ${pixels.data.length} bytes of ${pixels.widthPx} x ${pixels.heightPx} px do not fit ` +
        `${form.widthPx} x ${form.heightPx} px at ${offset} of ${out.length} values`,
    );
}
