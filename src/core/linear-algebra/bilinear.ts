/**
 * Bilinear resampling of a line, half-pixel centres and borders repeated: align_corners=false as in PyTorch. A map is resized along
 * one axis and then the other.
 */

/** Of each place of the new line: the two neighbours in the old one, and the second one's share. */
export interface LineTap {
  readonly low: number;
  readonly high: number;
  /** 0..1 */
  readonly share: number;
}

export function bilinearTaps(from: number, to: number): LineTap[] {
  return Array.from({ length: to }, (_, i) => {
    const at = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    const low = Math.min(Math.floor(at), from - 1);
    const high = Math.min(low + 1, from - 1);
    return { low, high, share: high === low ? 0 : at - low };
  });
}

/** Row-major [to, from] matrix that resamples a line of `from` values at `to` places; each row sums to 1. */
export function bilinearMatrix(from: number, to: number): Float32Array {
  const matrix = new Float32Array(to * from);
  for (const [i, { low, high, share }] of bilinearTaps(from, to).entries()) {
    matrix[i * from + low]! += 1 - share;
    matrix[i * from + high]! += share;
  }
  return matrix;
}
