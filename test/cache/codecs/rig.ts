/** Targets of a made-up teacher with uneven channels, their statistics, and one trip through a codec. */
import { CodecErrorSums, cosineOf } from '../../../src/cache/codecs/codec-error.ts';
import { openCodec } from '../../../src/cache/codecs/open-codec.ts';
import {
  type CodedShape,
  newTensorValues,
  normalisedShapeOf,
  targetShapeOf,
} from '../../../src/cache/codecs/stored-tensor.ts';
import type { CodecStatistics, TargetForm } from '../../../src/cache/codecs/target-codec.ts';
import { product64 } from '../../../src/core/linear-algebra/packed-matrix.ts';
import { symmetricEigen } from '../../../src/core/linear-algebra/symmetric-eigen.ts';
import { Rng } from '../../../src/core/rng.ts';
import { rowValuesOf } from '../../../src/format/tensor-part.ts';

export interface MadeUpOptions {
  readonly channels: number;
  readonly tokens: number;
  readonly seed: number;
  /** Hidden directions; fewer than channels make a rank-deficient teacher. */
  readonly rank?: number;
  /** One channel is this many times as large as the others, as ViTs have them. Default 1. */
  readonly outlier?: number;
}

/** [tokens, channels] float32. */
export function madeUpTokens(options: MadeUpOptions): Float32Array {
  const { channels, tokens, seed, rank = channels, outlier = 1 } = options;
  const rng = new Rng(seed, 'made up');
  const mixing = Float64Array.from({ length: rank * channels }, () => rng.normal());
  const sizes = Float64Array.from(
    { length: channels },
    (_, c) => Math.exp(rng.normal()) * (c === 1 ? outlier : 1),
  );
  const hidden = Float64Array.from({ length: tokens * rank }, () => rng.normal());
  return Float32Array.from(
    product64(hidden, mixing, { k: rank, n: channels }),
    (x, i) => (x / Math.sqrt(rank) + 0.5) * sizes[i % channels]!,
  );
}

export function statisticsOf(tokens: Float32Array, channels: number): CodecStatistics {
  const count = tokens.length / channels;
  const zeros = () => new Float64Array(channels);
  const [mean, std, min, max] = [zeros(), zeros(), zeros().fill(Infinity), zeros().fill(-Infinity)];
  tokens.forEach((x, i) => {
    const c = i % channels;
    mean[c]! += x / count;
    min[c] = Math.min(min[c]!, x);
    max[c] = Math.max(max[c]!, x);
  });
  const centred = Float64Array.from(tokens, (x, i) => x - mean[i % channels]!);
  const turned = new Float64Array(centred.length);
  for (let t = 0; t < count; t++)
    for (let c = 0; c < channels; c++) turned[c * count + t] = centred[t * channels + c]!;
  const covariance = product64(turned, centred, { k: count, n: channels }).map((x) => x / count);
  for (let c = 0; c < channels; c++) std[c] = Math.sqrt(covariance[c * channels + c]!);
  const { values, vectors } = symmetricEigen(covariance, channels);
  return { mean, std, min, max, eigenvalues: values, eigenvectors: vectors };
}

/** One target through a codec and back. */
export function through(coded: CodedShape, statistics: CodecStatistics | null, target: Float32Array) {
  const codec = openCodec(coded, statistics);
  const row = newTensorValues(codec.stored.dtype, rowValuesOf(codec.stored.shape));
  const sums = new CodecErrorSums();
  const trouble = codec.encode(target, row, sums);
  const bytes = new Uint8Array(row.buffer);
  const decoded = (form: TargetForm): Float32Array => {
    const shape = form === 'teacher' ? targetShapeOf(coded) : normalisedShapeOf(coded)!;
    const out = new Float32Array(rowValuesOf(shape));
    codec.decode(bytes, out, form);
    return out;
  };
  return { trouble, bytes, error: sums.result(), decoded };
}

/** Sum of squared differences over sum of squares around the mean of each channel. */
export function relativeError(source: Float32Array, decoded: Float32Array, mean: Float64Array): number {
  let [error, variance] = [0, 0];
  source.forEach((x, i) => {
    error += (x - decoded[i]!) ** 2;
    variance += (x - mean[i % mean.length]!) ** 2;
  });
  return error / variance;
}

/** What a codec says about its tokens, by plain loops. */
export function compareTokens(
  row: { readonly source: Float32Array; readonly decoded: Float32Array; readonly channels: number },
  sums: CodecErrorSums,
): void {
  const { source, decoded, channels } = row;
  for (let at = 0; at < source.length; at += channels) {
    let [dot, square, decodedSquare, error] = [0, 0, 0, 0];
    for (let c = at; c < at + channels; c++) {
      dot += source[c]! * decoded[c]!;
      square += source[c]! ** 2;
      decodedSquare += decoded[c]! ** 2;
      error += (source[c]! - decoded[c]!) ** 2;
    }
    sums.addToken(cosineOf(dot, square, decodedSquare), error / channels);
  }
}
