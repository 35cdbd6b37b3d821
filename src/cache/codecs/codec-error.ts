/**
 * What storing cost: a codec's output against its source, token by token, on the rows it was given. Mean squared errors are means
 * over channels; the standardised one divides each channel's error by that channel's variance first, which is what a
 * distillation loss on standardised targets sees.
 */
import { z } from 'zod';
import { PAIR_SUMS, PairSums } from '../../core/linear-algebra/pair-sums.ts';

const meanAndWorst = z.strictObject({ mean: z.number(), worst: z.number() });
export const codecErrorSchema = z.strictObject({
  /** Tokens compared: h * w per map, 1 per summary. */
  tokens: z.int().min(0),
  /** Of source and decoded token; worst is the least. */
  cosine: meanAndWorst,
  mse: meanAndWorst,
  /** Null where the deviations of the channels are not known. Measured on `tokens` of its own where all would cost too much. */
  standardisedMse: meanAndWorst.extend({ tokens: z.int().min(1) }).nullable(),
  /** Values that lay outside the codec's range and were moved to its border. */
  clipped: z.int().min(0),
});
export type CodecError = z.infer<typeof codecErrorSchema>;

/** Schema metadata key of a part's error, as JSON. */
export const CODEC_ERROR = 'stillhouse.codec-error';

export class CodecErrorSums {
  #tokens = 0;
  #cosine = 0;
  #worstCosine = 1;
  #mse = 0;
  #worstMse = 0;
  #standardisedTokens = 0;
  #standardised = 0;
  #worstStandardised = 0;
  clipped = 0;

  addToken(cosine: number, mse: number): void {
    this.#tokens += 1;
    this.#cosine += cosine;
    this.#mse += mse;
    if (cosine < this.#worstCosine) this.#worstCosine = cosine;
    if (mse > this.#worstMse) this.#worstMse = mse;
  }

  addStandardised(mse: number): void {
    this.#standardisedTokens += 1;
    this.#standardised += mse;
    if (mse > this.#worstStandardised) this.#worstStandardised = mse;
  }

  /** Null when nothing was compared. */
  result(): CodecError | null {
    if (this.#tokens === 0) return null;
    return {
      tokens: this.#tokens,
      cosine: { mean: this.#cosine / this.#tokens, worst: this.#worstCosine },
      mse: { mean: this.#mse / this.#tokens, worst: this.#worstMse },
      standardisedMse:
        this.#standardisedTokens === 0
          ? null
          : {
              mean: this.#standardised / this.#standardisedTokens,
              worst: this.#worstStandardised,
              tokens: this.#standardisedTokens,
            },
      clipped: this.clipped,
    };
  }
}

/** Over several parts: means weighted by tokens, worst of worst. Null when none of them measured anything. */
export function mergedCodecError(errors: readonly CodecError[]): CodecError | null {
  const tokens = errors.reduce((sum, error) => sum + error.tokens, 0);
  if (tokens === 0) return null;
  const mean = (of: (error: CodecError) => number): number =>
    errors.reduce((sum, error) => sum + of(error) * error.tokens, 0) / tokens;
  const standardised = errors.flatMap(({ standardisedMse }) => standardisedMse ?? []);
  const standardisedTokens = standardised.reduce((sum, one) => sum + one.tokens, 0);
  return {
    tokens,
    cosine: {
      mean: mean(({ cosine }) => cosine.mean),
      worst: least(errors.map(({ cosine }) => cosine.worst)),
    },
    mse: { mean: mean(({ mse }) => mse.mean), worst: most(errors.map(({ mse }) => mse.worst)) },
    standardisedMse:
      standardisedTokens === 0
        ? null
        : {
            mean: standardised.reduce((sum, one) => sum + one.mean * one.tokens, 0) / standardisedTokens,
            worst: most(standardised.map(({ worst }) => worst)),
            tokens: standardisedTokens,
          },
    clipped: errors.reduce((sum, { clipped }) => sum + clipped, 0),
  };
}

const least = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b));
const most = (values: readonly number[]): number => values.reduce((a, b) => Math.max(a, b));

export interface ComparedRow {
  /** [tokens, channels] */
  readonly source: Float32Array;
  readonly decoded: Float32Array;
  readonly channels: number;
}

/** Adds every token of a row. Two zero tokens agree; a zero token and another have cosine 0. */
export function rowComparison(
  channels: number,
): (row: Omit<ComparedRow, 'channels'>, sums: CodecErrorSums) => void {
  const pairs = new PairSums(channels);
  let found = new Float64Array(0);
  return ({ source, decoded }, sums) => {
    const values = (source.length / channels) * PAIR_SUMS;
    if (found.length < values) found = new Float64Array(values);
    pairs.run(source, decoded, found);
    for (let i = 0; i < values; i += PAIR_SUMS)
      sums.addToken(cosineOf(found[i + 1]!, found[i]!, found[i + 2]!), found[i + 3]! / channels);
  };
}

/** One target in so many tells the standardised error: the rest would cost more than the encoding. */
export const STANDARDISED_EVERY = 8;

/** Adds the standardised error alone. */
export function compareStandardised(
  { source, decoded, channels }: ComparedRow,
  precision: Float64Array,
  sums: CodecErrorSums,
): void {
  for (let at = 0; at < source.length; at += channels) {
    let standardised = 0;
    for (let c = 0; c < channels; c++) {
      const difference = source[at + c]! - decoded[at + c]!;
      standardised += difference * difference * precision[c]!;
    }
    sums.addStandardised(standardised / channels);
  }
}

/** 1 / variance by channel; a channel that never moves counts for nothing. */
export const precisionOf = (std: Float64Array): Float64Array =>
  std.map((deviation) => (deviation > 0 ? 1 / (deviation * deviation) : 0));

export function cosineOf(dot: number, squareA: number, squareB: number): number {
  if (squareA === 0 || squareB === 0) return squareA === squareB ? 1 : 0;
  return Math.min(1, dot / Math.sqrt(squareA * squareB));
}
