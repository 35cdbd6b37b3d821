/** In which order samples are seen: a permutation per epoch that depends only on (seed, epoch, count). */
import { Rng } from '../core/rng.ts';

/** Indices 0..count-1, shuffled for this epoch. */
export function epochOrder(count: number, seed: number, epoch: number): Int32Array<ArrayBuffer> {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  const rng = new Rng(seed, 'order', epoch);
  for (let i = count - 1; i > 0; i--) {
    const j = rng.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** The sample indices of global batch `step`. Batches never cross an epoch; the remainder of an epoch is left out. */
export class BatchOrder {
  readonly #count: number;
  readonly #batchSize: number;
  readonly #seed: number;
  #epoch = -1;
  #order = new Int32Array(0);

  constructor(options: { readonly count: number; readonly batchSize: number; readonly seed: number }) {
    if (!(options.batchSize >= 1 && options.batchSize <= options.count))
      throw new Error(`internal: batches of ${options.batchSize} from ${options.count} samples`);
    this.#count = options.count;
    this.#batchSize = options.batchSize;
    this.#seed = options.seed;
  }

  get batchesPerEpoch(): number {
    return Math.floor(this.#count / this.#batchSize);
  }

  at(step: number): Int32Array {
    const epoch = Math.floor(step / this.batchesPerEpoch);
    if (epoch !== this.#epoch) {
      this.#order = epochOrder(this.#count, this.#seed, epoch);
      this.#epoch = epoch;
    }
    const start = (step % this.batchesPerEpoch) * this.#batchSize;
    return this.#order.subarray(start, start + this.#batchSize);
  }
}
