/**
 * A permutation of 0..size-1 that is computed index by index and keeps no table: an alternating Feistel network over the smallest
 * power of two that holds `size`, walked until the value lies inside (Black and Rogaway, "Ciphers with Arbitrary Finite Domains",
 * CT-RSA 2002, "cycle walking"). The same (size, seed, labels) give the same permutation on every machine.
 */
import { Rng } from '../core/rng.ts';

/** Even, so that both halves are changed equally often; 4 already mix, 8 leave room (Grain's header recommends 8). */
const ROUNDS = 8;
/** Small domains have few distinct networks; walking from a larger one costs little and evens them out. */
const LEAST_BITS = 8;
export const MAX_SIZE = 2 ** 48;

export class Permutation {
  readonly size: number;
  readonly #keys: Uint32Array;
  /** Values of the low and of the high half. */
  readonly #low: number;
  readonly #high: number;

  /** @param labels tell permutations of one seed apart: (`order`, dataset, epoch). */
  constructor(size: number, seed: number, ...labels: (string | number)[]) {
    if (!Number.isInteger(size) || size < 1 || size > MAX_SIZE)
      throw new Error(`internal: a permutation of ${size} values`);
    this.size = size;
    const bits = Math.max(LEAST_BITS, Math.ceil(Math.log2(size)));
    this.#low = 2 ** Math.ceil(bits / 2);
    this.#high = 2 ** Math.floor(bits / 2);
    const rng = new Rng(seed, 'permutation', ...labels);
    this.#keys = Uint32Array.from({ length: ROUNDS }, () => rng.uint32());
  }

  /** Where index `i` goes. */
  at(i: number): number {
    if (!(i >= 0 && i < this.size)) throw new Error(`internal: index ${i} of ${this.size}`);
    let value = i;
    do value = this.#cipher(value);
    while (value >= this.size);
    return value;
  }

  #cipher(value: number): number {
    let low = value % this.#low;
    let high = (value - low) / this.#low;
    for (let round = 0; round < ROUNDS; round += 2) {
      high = (high ^ mix32(low, this.#keys[round]!)) & (this.#high - 1);
      low = (low ^ mix32(high, this.#keys[round + 1]!)) & (this.#low - 1);
    }
    return high * this.#low + low;
  }
}

/** Two rounds of multiply and shift with the constants of MurmurHash3's finaliser (Appleby, public domain). */
export function mix32(value: number, key: number): number {
  let h = Math.imul(value ^ key, 0x85ebca6b) ^ key;
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  return (h ^ (h >>> 13)) >>> 0;
}
