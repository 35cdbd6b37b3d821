/** i8p and i4p: values rounded to binary16, pooled, brought to normalised PHI-S space, and quantised token by token. */
import { IntegerMatrix } from '../../core/linear-algebra/integer-matrix.ts';
import { PackedMatrix } from '../../core/linear-algebra/packed-matrix.ts';
import { PAIR_SUMS, PairSums } from '../../core/linear-algebra/pair-sums.ts';
import { rowValuesOf } from '../../format/tensor-part.ts';
import {
  type CodecErrorSums,
  STANDARDISED_EVERY,
  compareStandardised,
  cosineOf,
  precisionOf,
} from './codec-error.ts';
import { type PhiS, forwardMatrix, inverseMatrix, phiS } from './phi-s.ts';
import { halfSource } from './half-source.ts';
import { type CodedShape, keptChannels, storedTensorOf, targetShapeOf } from './stored-tensor.ts';
import type { CodecStatistics, TargetCodec } from './target-codec.ts';
import { int4Quantiser, int8Quantiser } from './token-quantisers.ts';

export function rotatedCodec(coded: CodedShape, statistics: CodecStatistics): TargetCodec {
  const channels = coded.shape.at(-1)!;
  const kept = keptChannels(coded);
  if (statistics.mean.length !== channels)
    throw new Error(`internal: statistics of ${statistics.mean.length} channels for ${channels}`);
  const transform = phiS(statistics, kept);
  const forward = new PackedMatrix(forwardMatrix(transform), { dtype: 'float32', k: channels, n: kept });
  const quantiser = coded.codec.id === 'i8p' ? int8Quantiser(kept) : int4Quantiser(kept);
  const inverse = new IntegerMatrix(inverseMatrix(transform), {
    k: kept,
    n: channels,
    longestRow: quantiser.longestIntegers,
  });
  const source = halfSource(coded);
  const tokens = rowValuesOf(targetShapeOf(coded)) / channels;
  const normalised = new Float32Array(tokens * kept);
  const stored = new Float32Array(tokens * kept);
  const integers = new Int16Array(tokens * inverse.rowStride);
  const scales = new Float64Array(tokens);
  const decoded = new Float32Array(tokens * channels);
  const rotateBack = (row: Uint8Array, out: Float32Array): void => {
    for (let token = 0; token < tokens; token++)
      scales[token] = quantiser.decodeIntegers(
        row,
        token * quantiser.recordBytes,
        integers,
        token * inverse.rowStride,
      );
    inverse.product(integers, scales, transform.mean, out);
  };
  const precision = precisionOf(statistics.std);
  const measure = rotatedError(transform);
  let encoded = 0;
  return {
    stored: storedTensorOf(coded),
    encode: (values, row, sums) => {
      const trouble = source.load(values);
      if (trouble !== null) return trouble;
      forward.product(source.values, normalised, { centre: transform.mean });
      stored.set(normalised);
      for (let token = 0; token < tokens; token++) {
        const fits = quantiser.encode({
          values: stored,
          from: token * kept,
          row: row as Uint8Array,
          at: token * quantiser.recordBytes,
        });
        if (!fits) return 'beyond-codec';
      }
      measure({ source: source.values, normalised, stored }, sums);
      if (encoded++ % STANDARDISED_EVERY === 0) {
        rotateBack(row as Uint8Array, decoded);
        compareStandardised({ source: source.values, decoded, channels }, precision, sums);
      }
      return null;
    },
    decode: (row, out, form) => {
      if (form === 'teacher') rotateBack(row, out);
      else
        for (let token = 0; token < tokens; token++)
          quantiser.decode(row, token * quantiser.recordBytes, out, token * kept);
    },
  };
}

interface RotatedRow {
  /** [tokens, C] */
  readonly source: Float32Array;
  /** [tokens, k], before and after quantising. */
  readonly normalised: Float32Array;
  readonly stored: Float32Array;
}

/**
 * Cosine and squared error in the teacher's space without rotating back: distances there are phi times those here, and products
 * follow from y = mean + phi R^T q.
 */
function rotatedError(transform: PhiS): (row: RotatedRow, sums: CodecErrorSums) => void {
  const { channels, kept, phi, mean, rotation } = transform;
  const rotatedMean = new Float64Array(kept);
  let meanSquare = 0;
  for (let c = 0; c < channels; c++) meanSquare += mean[c]! * mean[c]!;
  for (let i = 0; i < kept; i++)
    for (let c = 0; c < channels; c++) rotatedMean[i]! += rotation[i * channels + c]! * mean[c]!;
  const [ofSource, ofStored] = [new PairSums(channels), new PairSums(kept)];
  let room: RotatedSums | null = null;
  return ({ source, normalised, stored }, sums) => {
    const tokens = source.length / channels;
    if (room?.tokens !== tokens) room = rotatedSums(tokens, mean, rotatedMean);
    ofSource.run(source, room.means, room.source);
    ofStored.run(normalised, stored, room.stored);
    ofStored.run(stored, room.rotatedMeans, room.storedMean);
    for (let at = 0; at < tokens * PAIR_SUMS; at += PAIR_SUMS) {
      const [square, withMean, centred] = [room.source[at]!, room.source[at + 1]!, room.source[at + 3]!];
      const [normalisedSquare, product] = [room.stored[at]!, room.stored[at + 1]!];
      const [storedSquare, error] = [room.stored[at + 2]!, room.stored[at + 3]!];
      const storedMean = room.storedMean[at + 1]!;
      // what lies in directions that were dropped; without any it is 0 but for rounding
      const dropped = kept === channels ? 0 : Math.max(0, centred - phi * phi * normalisedSquare);
      const dot = withMean + phi * (phi * product + storedMean);
      const decodedSquare = meanSquare + 2 * phi * storedMean + phi * phi * storedSquare;
      sums.addToken(cosineOf(dot, square, decodedSquare), (phi * phi * error + dropped) / channels);
    }
  };
}

/** Room for the sums of a target, and the mean repeated for each of its tokens. */
interface RotatedSums {
  readonly tokens: number;
  /** [tokens, C] and [tokens, k] */
  readonly means: Float32Array;
  readonly rotatedMeans: Float32Array;
  /** [tokens, 4] of source and mean, normalised and stored, stored and rotated mean. */
  readonly source: Float64Array;
  readonly stored: Float64Array;
  readonly storedMean: Float64Array;
}

function rotatedSums(tokens: number, mean: Float64Array, rotatedMean: Float64Array): RotatedSums {
  const repeated = (row: Float64Array): Float32Array => {
    const out = new Float32Array(tokens * row.length);
    for (let token = 0; token < tokens; token++) out.set(row, token * row.length);
    return out;
  };
  const sums = (): Float64Array => new Float64Array(tokens * PAIR_SUMS);
  return {
    tokens,
    means: repeated(mean),
    rotatedMeans: repeated(rotatedMean),
    source: sums(),
    stored: sums(),
    storedMean: sums(),
  };
}
