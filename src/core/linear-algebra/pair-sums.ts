/**
 * Sums over the channels of tokens, in float64: a.a, a.b, b.b and |a - b|^2, by SIMD kernels (core/wasm/kernels.ts). Four partial sums
 * each, over channels 0, 4, 8 ..., 1, 5, 9 ... and so on, then added in pairs: the same bits on every machine.
 */
import {
  type Code,
  advance,
  againWhile,
  constant,
  f64x2,
  get,
  lanes32,
  loadVector,
  loop,
  set,
  storeVector,
  v128,
} from '../wasm/instructions.ts';
import { type Kernels, kernelModule } from '../wasm/kernels.ts';

/** float64 values per token: a.a, a.b, b.b, |a - b|^2. */
export const PAIR_SUMS = 4;
/** Bytes of one operand that are worked on at a time. */
const CHUNK_BYTES = 32_768;

const [FIRST, SECOND, OUT, GROUPS, TOKENS, LEFT] = [0, 1, 2, 3, 4, 5] as const;
const [A, B, X, Y, SUMS] = [6, 7, 8, 9, 10] as const;
const VECTORS = 4 + 2 * PAIR_SUMS;

const sum = (half: number, what: number): number => SUMS + half * PAIR_SUMS + what;
const eachSum = (code: (half: number, what: number) => Code): Code =>
  [0, 1].flatMap((half) => [0, 1, 2, 3].flatMap((what) => code(half, what)));

const addProduct = (to: number, x: number, y: number): Code => [
  ...get(to),
  ...get(x),
  ...get(y),
  ...f64x2.multiply,
  ...f64x2.add,
  ...set(to),
];

/** Two channels: the low halves of A and B for `half` 0, the high ones for 1. */
const addTwo = (half: number): Code => [
  ...[A, B].flatMap((operand, i) => [
    ...get(operand),
    ...(half === 0 ? [] : [...get(operand), ...v128.highTwice]),
    ...f64x2.promoteLow,
    ...set(i === 0 ? X : Y),
  ]),
  ...addProduct(sum(half, 0), X, X),
  ...addProduct(sum(half, 1), X, Y),
  ...addProduct(sum(half, 2), Y, Y),
  ...get(X),
  ...get(Y),
  ...f64x2.subtract,
  ...set(X),
  ...addProduct(sum(half, 3), X, X),
];

const pairSumsCode: Code = loop([
  ...eachSum((half, what) => [...lanes32(0), ...set(sum(half, what))]),
  ...get(GROUPS),
  ...set(LEFT),
  ...loop([
    ...get(FIRST),
    ...loadVector(0),
    ...set(A),
    ...get(SECOND),
    ...loadVector(0),
    ...set(B),
    ...addTwo(0),
    ...addTwo(1),
    ...advance(FIRST, constant(16)),
    ...advance(SECOND, constant(16)),
    ...againWhile(LEFT),
  ]),
  ...[0, 1, 2, 3].flatMap((what) => [
    ...get(OUT),
    ...get(sum(0, what)),
    ...get(sum(1, what)),
    ...f64x2.add,
    ...storeVector(16 * what),
  ]),
  ...advance(OUT, constant(16 * PAIR_SUMS)),
  ...againWhile(TOKENS),
]);

const open = kernelModule(() => [
  { name: 'pairSums' as const, parameters: 5, integers: 1, vectors: VECTORS, code: pairSumsCode },
]);

/** For tokens of one width. Not shared between threads. */
export class PairSums {
  readonly #channels: number;
  /** Channels with zeros behind them up to a multiple of 4. */
  readonly #stride: number;
  readonly #chunkTokens: number;
  readonly #kernels: Kernels<'pairSums'>;
  readonly #a: Float32Array;
  readonly #b: Float32Array;
  readonly #out: Float64Array;

  constructor(channels: number) {
    this.#channels = channels;
    this.#stride = Math.ceil(channels / 4) * 4;
    this.#chunkTokens = Math.max(1, Math.floor(CHUNK_BYTES / (4 * this.#stride)));
    const values = this.#chunkTokens * this.#stride;
    this.#kernels = open(8 * values + 64 * this.#chunkTokens);
    const { buffer } = this.#kernels;
    this.#a = new Float32Array(buffer, 0, values);
    this.#b = new Float32Array(buffer, 4 * values, values);
    this.#out = new Float64Array(buffer, 8 * values, 8 * this.#chunkTokens);
  }

  /** a and b [tokens, channels] -> out [tokens, 4]. */
  run(a: Float32Array, b: Float32Array, out: Float64Array): void {
    const channels = this.#channels;
    const tokens = a.length / channels;
    if (!Number.isInteger(tokens) || b.length !== a.length || out.length < tokens * PAIR_SUMS)
      throw new Error(`internal: sums of ${a.length} and ${b.length} values in ${out.length}`);
    for (let start = 0; start < tokens; start += this.#chunkTokens) {
      const count = Math.min(this.#chunkTokens, tokens - start);
      this.#load(a, this.#a, start, count);
      this.#load(b, this.#b, start, count);
      this.#kernels.run.pairSums(
        this.#a.byteOffset,
        this.#b.byteOffset,
        this.#out.byteOffset,
        this.#stride / 4,
        count,
      );
      for (let i = 0; i < count * PAIR_SUMS; i++)
        out[start * PAIR_SUMS + i] = this.#out[2 * i]! + this.#out[2 * i + 1]!;
    }
  }

  #load(from: Float32Array, to: Float32Array, start: number, count: number): void {
    const channels = this.#channels;
    if (channels === this.#stride) {
      to.set(from.subarray(start * channels, (start + count) * channels));
      return;
    }
    // what lies behind a row stays zero
    for (let token = 0; token < count; token++)
      to.set(from.subarray((start + token) * channels, (start + token + 1) * channels), token * this.#stride);
  }
}
