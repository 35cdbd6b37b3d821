/** What each of the 256 bytes becomes in each channel: a table gives the value rounded once, whatever the order of the loops. */

export interface ByteScale {
  /** What a byte is multiplied by first: 1/255 for networks that expect 0..1, 1 for 0..255. */
  readonly scale: number;
  /** By channel, after scaling. */
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

/** @returns [3][256]: (byte * scale - mean) / std as float32. */
export function byteTables({ scale, mean, std }: ByteScale): Float32Array[] {
  return [0, 1, 2].map((channel) =>
    Float32Array.from({ length: 256 }, (_, byte) => (byte * scale - mean[channel]!) / std[channel]!),
  );
}
