/** Pixels to the numbers a network eats: (x * scale - mean) / std per channel, in either memory layout and colour order. */

export interface Normalisation {
  /** What a byte is multiplied by first: 1/255 for networks that expect 0..1, 1 for 0..255. */
  readonly scale: number;
  /** In the order of the output channels, after scaling. */
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  readonly colour: 'RGB' | 'BGR';
}

export interface TensorTarget {
  readonly out: Float32Array;
  /** Index of the first float to write. */
  readonly offset: number;
}

/**
 * [n, 3] uint8 RGB to [3, n] float32: one image of an NCHW batch, n = height * width.
 * @throws Error (a defect) when the target is too short.
 */
export function writePlanar(pixels: Uint8Array, normalisation: Normalisation, target: TensorTarget): void {
  const count = checkedCount(pixels, target);
  for (let channel = 0; channel < 3; channel++) {
    write(pixels, normalisation, { ...target, channel, count, at: target.offset + channel * count, step: 1 });
  }
}

/** [n, 3] uint8 RGB to [n, 3] float32: one image of an NHWC batch. Errors as {@link writePlanar}. */
export function writeInterleaved(
  pixels: Uint8Array,
  normalisation: Normalisation,
  target: TensorTarget,
): void {
  const count = checkedCount(pixels, target);
  for (let channel = 0; channel < 3; channel++) {
    write(pixels, normalisation, { ...target, channel, count, at: target.offset + channel, step: 3 });
  }
}

interface ChannelTarget extends TensorTarget {
  readonly channel: number;
  readonly count: number;
  readonly at: number;
  readonly step: number;
}

function write(pixels: Uint8Array, { scale, mean, std, colour }: Normalisation, to: ChannelTarget): void {
  const from = colour === 'RGB' ? to.channel : 2 - to.channel;
  const m = mean[to.channel]!;
  const s = std[to.channel]!;
  // 256 possible bytes: a table gives the value rounded once, whatever the order of the loops
  const table = Float32Array.from({ length: 256 }, (_, byte) => (byte * scale - m) / s);
  for (let i = 0, p = from, at = to.at; i < to.count; i++, p += 3, at += to.step)
    to.out[at] = table[pixels[p]!]!;
}

function checkedCount(pixels: Uint8Array, { out, offset }: TensorTarget): number {
  if (pixels.length % 3 !== 0 || offset < 0 || offset + pixels.length > out.length) {
    throw new Error(
      `internal: ${pixels.length} values at ${offset} do not fit a tensor of ${out.length}, three per pixel`,
    );
  }
  return pixels.length / 3;
}
