/** What each batch of an epoch asks of storage and threads, counted from the real order over the real parts. Nothing is read. */
import { storedRowBytes } from '../cache/codecs/stored-tensor.ts';
import { rankShare } from './batch-order.ts';
import type { LoadPlan } from './load-plan.ts';
import { READ_LIMITS, type RowNeed, planReads, runSpans } from './read-plan.ts';

export interface BatchCost {
  readonly samples: number;
  /** Calls, one per run of neighbouring rows. */
  readonly reads: number;
  /** Gaps between the rows of a run included. */
  readonly bytesRead: number;
  /** Of the rows alone: what is checked and decoded. */
  readonly rowBytes: number;
  /** Parts that no batch before this one touched: remote ones are copied whole. */
  readonly newParts: number;
  readonly newPartBytes: number;
}

export interface EpochCosts {
  readonly batches: readonly BatchCost[];
  /** Row group of every sample, in the order shown: see shuffleQuality. */
  readonly blocks: Int32Array;
  /** Mean bytes of a row group, over all spaces. */
  readonly blockBytes: number;
  readonly blockCount: number;
}

export interface CostOptions {
  readonly rank: number;
  readonly worldSize: number;
  /** Threads that share a batch's reads; a run that is cut between two jobs is two reads. */
  readonly workers: number;
}

/** The first epoch. */
export function epochCosts(
  { order, spaces, tables }: LoadPlan,
  { rank, worldSize, workers }: CostOptions,
): EpochCosts {
  const stored = spaces.map(({ descriptor }) => storedRowBytes(descriptor));
  const { blockOf, blockCount } = blocksBySample(order.spec.sources);
  const met = new Set<string>();
  const batches: BatchCost[] = [];
  const blocks: number[] = [];
  let bytes = 0;
  for (let step = 0; step < order.batchesPerEpoch; step++) {
    const { sources, samples } = order.at(step);
    const { from, to } = rankShare(samples.length, rank, worldSize);
    const files = new Map<string, number>();
    const needs: RowNeed[] = [];
    let [newParts, newPartBytes] = [0, 0];
    for (let i = from; i < to; i++) {
      const [source, sample] = [sources[i]!, samples[i]!];
      blocks.push(blockOf[source]!.get(sample)!);
      const table = tables[source]!;
      for (const [space, storedBytes] of stored.entries()) {
        const at = table.partOf(space, sample);
        if (at < 0) continue;
        const { path, layout, entry } = table.parts[at]!;
        if (!met.has(path)) {
          met.add(path);
          newParts += 1;
          newPartBytes += entry.sizeBytes;
        }
        if (!files.has(path)) files.set(path, files.size);
        const row = table.rowOf(space, sample);
        const offset = layout.at.payload + row * storedBytes;
        const place = { writeAt: 0, crc32: -1, space, slot: i - from, row };
        needs.push({ file: files.get(path)!, offset, storedBytes, ...place });
      }
    }
    const jobs = planReads(needs, { ...READ_LIMITS, jobs: Math.max(1, 2 * workers) });
    const spans = jobs.flatMap((job) => runSpans(job));
    const rowBytes = needs.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
    bytes += rowBytes;
    const bytesRead = spans.reduce((sum, span) => sum + span, 0);
    batches.push({ samples: to - from, reads: spans.length, bytesRead, rowBytes, newParts, newPartBytes });
  }
  return {
    batches,
    blocks: Int32Array.from(blocks),
    // ranks see a share of each block's rows, and each block's rows are shared by all ranks
    blockBytes: (bytes * worldSize) / Math.max(1, blockCount),
    blockCount,
  };
}

function blocksBySample(sources: LoadPlan['order']['spec']['sources']): {
  readonly blockOf: readonly ReadonlyMap<number, number>[];
  readonly blockCount: number;
} {
  let blockCount = 0;
  const blockOf = sources.map(({ buckets }) => {
    const of = new Map<number, number>();
    for (const { samples, blockStarts } of buckets)
      for (let block = 0; block + 1 < blockStarts.length; block++, blockCount++)
        for (let i = blockStarts[block]!; i < blockStarts[block + 1]!; i++) of.set(samples[i]!, blockCount);
    return of;
  });
  return { blockOf, blockCount };
}
