/**
 * i8c: 8 bits per value, each channel with a scale and a zero of its own:
 *
 *     value = zero[c] + scale[c] * code        code 0..255
 *
 * The range of a channel is that of the statistics, widened on both sides: later images may go further than those that were
 * measured. What lies beyond is moved to the border and counted.
 */
import { rowValuesOf } from '../../format/tensor-part.ts';
import { STANDARDISED_EVERY, compareStandardised, precisionOf, rowComparison } from './codec-error.ts';
import { halfSource } from './half-source.ts';
import { type CodedShape, storedTensorOf, targetShapeOf } from './stored-tensor.ts';
import type { CodecStatistics, TargetCodec } from './target-codec.ts';

/** Widening on each side, as a share of the measured range: costs a quarter of a bit. */
const MARGIN = 1 / 16;
const CODES = 255;

export interface ChannelScales {
  /** [C], float32 values. */
  readonly scale: Float32Array;
  readonly zero: Float32Array;
}

export function channelScales({ min, max }: Pick<CodecStatistics, 'min' | 'max'>): ChannelScales {
  return {
    scale: Float32Array.from(min, (low, c) => ((max[c]! - low) * (1 + 2 * MARGIN)) / CODES),
    zero: Float32Array.from(min, (low, c) => low - (max[c]! - low) * MARGIN),
  };
}

export function channelCodec(coded: CodedShape, statistics: CodecStatistics): TargetCodec {
  const channels = coded.shape.at(-1)!;
  if (statistics.mean.length !== channels)
    throw new Error(`internal: statistics of ${statistics.mean.length} channels for ${channels}`);
  const { scale, zero } = channelScales(statistics);
  const perScale = Float64Array.from(scale, (step) => (step > 0 ? 1 / step : 0));
  const source = halfSource(coded);
  const length = rowValuesOf(targetShapeOf(coded));
  const decoded = new Float32Array(length);
  const precision = precisionOf(statistics.std);
  const compare = rowComparison(channels);
  let encoded = 0;
  return {
    stored: storedTensorOf(coded),
    encode: (values, row, sums) => {
      const trouble = source.load(values);
      if (trouble !== null) return trouble;
      let clipped = 0;
      for (let at = 0; at < length; at += channels)
        for (let c = 0; c < channels; c++) {
          const steps = (source.values[at + c]! - zero[c]!) * perScale[c]! + 0.5;
          // compared before it becomes a whole number, which would wrap around
          const code = steps < 0 ? 0 : steps >= CODES + 1 ? CODES : steps | 0;
          if (steps < 0 || steps >= CODES + 1) clipped += 1;
          row[at + c] = code;
          decoded[at + c] = zero[c]! + scale[c]! * code;
        }
      sums.clipped += clipped;
      compare({ source: source.values, decoded }, sums);
      if (encoded++ % STANDARDISED_EVERY === 0)
        compareStandardised({ source: source.values, decoded, channels }, precision, sums);
      return null;
    },
    decode: (row, out, form) => {
      if (form === 'normalised') throw new Error('internal: i8c has no normalised form');
      for (let at = 0; at < length; at += channels)
        for (let c = 0; c < channels; c++) out[at + c] = zero[c]! + scale[c]! * row[at + c]!;
    },
  };
}
