/**
 * CRC-32 of rows that lie in shared memory, several times as fast as zlib's of Node, which has no carry-less multiplication.
 *
 * The polynomial of CRC-32 divides x^300 + x^155 + x^117 + x^89 + 1, and so, squared seven times, the same with x^128 for x: a block of 16
 * bytes may be taken away if it is added (exclusive or) to the blocks 145, 183, 211 and 300 behind it (K. Kadatch and B. Jenkins,
 * "Everything we know about CRC but afraid to forget", 2010; the idea of zlib-ng's Chorba). All but the last 300 blocks go that way, four
 * additions of vectors each; the checksum of what is left is the checksum of the whole.
 */
import { crc32 } from 'node:zlib';
import {
  type Code,
  advance,
  againWhile,
  constant,
  get,
  loadVector,
  loop,
  storeVector,
  v128,
} from './instructions.ts';
import { type Kernels, type SharedMemory, sharedKernels } from './kernels.ts';

const BLOCK_BYTES = 16;
/** Blocks behind a block that it is added to. */
const LAGS = [145, 183, 211, 300] as const;
const WINDOW = 300;
/** Blocks per turn of the loop: fewer than the shortest lag. */
const UNROLLED = 4;
/** Blocks between two moves of the window: everything stays in the first cache. */
const STRETCH = 1200;
/** Below the shortest lag, and a whole number of turns: blocks that are not taken away reach none of these. */
const TAIL_STRETCH = 144;
/** Where the last blocks are gathered. */
const TAIL_AT = (WINDOW + STRETCH) * BLOCK_BYTES;
/** What the window is at first: the register's first value, all ones, added to the first four bytes of the row; else zeros. */
const START_AT = TAIL_AT + (WINDOW + UNROLLED + 1) * BLOCK_BYTES;

/** Bytes of the memory that one thread needs to itself. */
export const CRC_SCRATCH_BYTES = START_AT + WINDOW * BLOCK_BYTES;

/** Shorter rows gain nothing. */
export const WORTH_BYTES = 16 * 1024;

const [FROM, TO, LEFT] = [0, 1, 2] as const;

/** `TO` points at the block 300 before the one that is written. */
const fold: Code = loop([
  ...Array.from({ length: UNROLLED }, (_, i): Code => {
    const at = (lag: number): Code => [...get(TO), ...loadVector((WINDOW - lag + i) * BLOCK_BYTES)];
    return [
      ...get(TO),
      ...get(FROM),
      ...loadVector(i * BLOCK_BYTES),
      ...LAGS.flatMap((lag) => [...at(lag), ...v128.xor]),
      ...storeVector((WINDOW + i) * BLOCK_BYTES),
    ];
  }).flat(),
  ...advance(FROM, constant(UNROLLED * BLOCK_BYTES)),
  ...advance(TO, constant(UNROLLED * BLOCK_BYTES)),
  ...againWhile(LEFT),
]);

/** Copies blocks towards the front. Methods of arrays over shared memory copy word by word. */
const move: Code = loop([
  ...Array.from({ length: UNROLLED }, (_, i): Code => [
    ...get(TO),
    ...get(FROM),
    ...loadVector(i * BLOCK_BYTES),
    ...storeVector(i * BLOCK_BYTES),
  ]).flat(),
  ...advance(FROM, constant(UNROLLED * BLOCK_BYTES)),
  ...advance(TO, constant(UNROLLED * BLOCK_BYTES)),
  ...againWhile(LEFT),
]);

const open = sharedKernels(() =>
  (
    [
      ['fold', fold],
      ['move', move],
    ] as const
  ).map(([name, code]) => ({ name, parameters: 3, integers: 0, vectors: 0, code })),
);

export class RowChecksum {
  readonly #run: Kernels<'fold' | 'move'>['run'];
  readonly #bytes: Uint8Array;
  readonly #scratchAt: number;
  readonly #scratch: Uint8Array;

  /** @param scratchAt {@link CRC_SCRATCH_BYTES} of the memory that nobody else uses meanwhile. */
  constructor(memory: SharedMemory, scratchAt: number) {
    this.#run = open(memory);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#scratchAt = scratchAt;
    this.#scratch = new Uint8Array(memory.buffer, scratchAt, CRC_SCRATCH_BYTES);
    this.#scratch.fill(0xff, START_AT, START_AT + 4);
    this.#scratch.fill(0, START_AT + 4);
  }

  /** The same number as zlib's, of `length` bytes from byte `at` of the memory. */
  of(at: number, length: number): number {
    const bytes = this.#bytes.subarray(at, at + length);
    if (length < WORTH_BYTES) return crc32(bytes);
    const blocks = Math.floor(length / BLOCK_BYTES);
    const taken = blocks - WINDOW - ((blocks - WINDOW) % UNROLLED);
    this.#move(START_AT, 0, WINDOW);
    for (let done = 0; done < taken;) {
      const count = Math.min(STRETCH, taken - done);
      this.#run.fold(at + done * BLOCK_BYTES, this.#scratchAt, count / UNROLLED);
      this.#move(count * BLOCK_BYTES, 0, WINDOW);
      done += count;
    }
    return this.#rest(bytes, at, taken);
  }

  #move(from: number, to: number, blocks: number): void {
    this.#run.move(this.#scratchAt + from, this.#scratchAt + to, blocks / UNROLLED);
  }

  /** Of the blocks that are left, with what was added to them, and the bytes behind the last whole one. */
  #rest(bytes: Uint8Array, at: number, taken: number): number {
    const scratch = this.#scratch;
    const left = bytes.length - taken * BLOCK_BYTES;
    const windowEnd = WINDOW * BLOCK_BYTES;
    // what is behind the last whole block is not touched by any that was taken away: the longest lag ends before it
    for (let done = 0; done < WINDOW; done += TAIL_STRETCH) {
      const count = Math.min(TAIL_STRETCH, WINDOW - done);
      this.#run.fold(at + (taken + done) * BLOCK_BYTES, this.#scratchAt, count / UNROLLED);
      this.#move(windowEnd, TAIL_AT + done * BLOCK_BYTES, count);
      this.#move(count * BLOCK_BYTES, 0, WINDOW - count);
      // these stay: they are added to none behind them
      this.#move(START_AT + BLOCK_BYTES * UNROLLED, windowEnd - count * BLOCK_BYTES, count);
    }
    scratch.set(bytes.subarray((taken + WINDOW) * BLOCK_BYTES), TAIL_AT + windowEnd);
    return crc32(scratch.subarray(TAIL_AT, TAIL_AT + left), 0xffffffff);
  }
}
