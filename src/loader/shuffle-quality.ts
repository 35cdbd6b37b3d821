/** How well an order mixes blocks, and what that costs: the four columns of formats-and-loaders.md §2.2. */

export interface ShuffleQuality {
  /** Mean number of different blocks per batch: more is better mixed. */
  readonly blocksPerBatch: number;
  /** Chance that the next sample comes from the same block: less is better mixed. */
  readonly sameBlockNext: number;
  /** Blocks between their first and last use, which a cache must hold at once. */
  readonly live: { readonly max: number; readonly mean: number };
  /** Most blocks that are met for the first time in one batch: the burst a store must serve. */
  readonly worstNewPerBatch: number;
}

/** @param blocks block of every sample, in the order shown; at least one. */
export function shuffleQuality(blocks: ArrayLike<number>, batchSize: number): ShuffleQuality {
  const lastUse = new Map<number, number>();
  for (let i = 0; i < blocks.length; i++) lastUse.set(blocks[i]!, i);
  const live = new Set<number>();
  const met = new Set<number>();
  let [same, liveSum, liveMax, distinctSum, worstNew, batches] = [0, 0, 0, 0, 0, 0];
  for (let start = 0; start < blocks.length; start += batchSize) {
    const end = Math.min(blocks.length, start + batchSize);
    const distinct = new Set<number>();
    const before = met.size;
    for (let i = start; i < end; i++) {
      const block = blocks[i]!;
      if (i > 0 && blocks[i - 1] === block) same += 1;
      distinct.add(block);
      met.add(block);
      live.add(block);
      liveMax = Math.max(liveMax, live.size);
      liveSum += live.size;
      if (lastUse.get(block) === i) live.delete(block);
    }
    distinctSum += distinct.size;
    worstNew = Math.max(worstNew, met.size - before);
    batches += 1;
  }
  return {
    blocksPerBatch: distinctSum / batches,
    sameBlockNext: blocks.length > 1 ? same / (blocks.length - 1) : 0,
    live: { max: liveMax, mean: liveSum / blocks.length },
    worstNewPerBatch: worstNew,
  };
}
