/**
 * How fast an epoch would go on a machine that is only described: the real batches, over the real parts, in a queue of storage,
 * threads and consumer (formats-and-loaders.md §6.7). Pure; a machine is a few figures that anybody can measure.
 *
 * A batch is read when a buffer is free. Storage carries bytes one batch after the other, at its bandwidth, and each call waits its
 * latency, so many at once as there are threads; then the threads check and decode the rows; then the consumer takes its step. The
 * slowest of the three sets the pace, the buffers even it out.
 */
import type { BatchCost, EpochCosts } from './batch-costs.ts';
import { shuffleQuality } from './shuffle-quality.ts';

export interface Machine {
  readonly bandwidthBytesPerSecond: number;
  /** Of one call. */
  readonly latencyMs: number;
  /** Threads that read, check and decode. */
  readonly threads: number;
  /** Stored bytes that one thread checks and decodes; Infinity: nothing. */
  readonly decodeBytesPerSecond: number;
  /** What the consumer does with a batch. */
  readonly stepMs: number;
  /** Batches that may be ready or on their way while one is in use. */
  readonly batchesAhead: number;
  /** Parts are copied whole when they are touched first, as from a remote cache; else rows are read where they lie. */
  readonly wholeParts: boolean;
}

export interface Simulated {
  readonly samplesPerSecond: number;
  readonly seconds: number;
  /** Until the first batch is there. */
  readonly coldStartMs: number;
  /** Share of the time that the consumer waits. */
  readonly waiting: number;
  /** What would be busy all the time if the others cost nothing. */
  readonly limitedBy: 'bandwidth' | 'latency' | 'decoding' | 'consumer';
  readonly bytesRead: number;
  readonly reads: number;
}

export function simulateEpoch(batches: readonly BatchCost[], machine: Machine): Simulated {
  const { stepMs, batchesAhead } = machine;
  const busy = { bandwidth: 0, latency: 0, decoding: 0, consumer: 0 };
  const ends: number[] = [];
  let [read, decoded, end, waited, coldStartMs, bytesRead, reads, samples] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (const [step, batch] of batches.entries()) {
    const cost = costOf(batch, machine);
    const free = step > batchesAhead ? ends[step - batchesAhead - 1]! : 0;
    read = Math.max(read, free) + Math.max(cost.bandwidthMs, cost.latencyMs);
    decoded = Math.max(decoded, read) + cost.decodingMs;
    const start = Math.max(decoded, end);
    if (step === 0) coldStartMs = start;
    waited += start - end;
    end = start + stepMs;
    ends.push(end);
    busy.bandwidth += cost.bandwidthMs;
    busy.latency += cost.latencyMs;
    busy.decoding += cost.decodingMs;
    busy.consumer += stepMs;
    bytesRead += cost.bytes;
    reads += cost.reads;
    samples += batch.samples;
  }
  const [limitedBy] = Object.entries(busy).reduce((most, one) => (one[1] > most[1] ? one : most));
  return {
    samplesPerSecond: end === 0 ? Infinity : (1000 * samples) / end,
    seconds: end / 1000,
    coldStartMs,
    waiting: end === 0 ? 0 : waited / end,
    limitedBy: limitedBy as Simulated['limitedBy'],
    bytesRead,
    reads,
  };
}

function costOf(batch: BatchCost, machine: Machine) {
  const { bandwidthBytesPerSecond, latencyMs, threads, decodeBytesPerSecond, wholeParts } = machine;
  const [bytes, reads] = wholeParts ? [batch.newPartBytes, batch.newParts] : [batch.bytesRead, batch.reads];
  return {
    bytes,
    reads,
    bandwidthMs: (1000 * bytes) / bandwidthBytesPerSecond,
    latencyMs: Math.ceil(reads / threads) * latencyMs,
    decodingMs: (1000 * batch.rowBytes) / (decodeBytesPerSecond * threads),
  };
}

/** What an order costs and gives, whatever the machine. */
export interface OrderFigures {
  readonly batches: number;
  /** Row groups: their number, and their bytes over all spaces asked for. */
  readonly rowGroups: number;
  readonly rowGroupBytes: number;
  /** Mean number of different row groups in a batch. */
  readonly rowGroupsPerBatch: number;
  /** Most row groups that one batch touches first. */
  readonly worstNewPerBatch: number;
  /** Of row groups between their first and last use: what a page cache or replica has to hold. */
  readonly liveBytes: { readonly max: number; readonly mean: number };
}

export function orderFigures({ batches, blocks, blockBytes, blockCount }: EpochCosts): OrderFigures {
  const rows = Math.max(1, ...batches.map(({ samples }) => samples));
  const { blocksPerBatch, live, worstNewPerBatch } = shuffleQuality(blocks, rows);
  return {
    batches: batches.length,
    rowGroups: blockCount,
    rowGroupBytes: blockBytes,
    rowGroupsPerBatch: blocksPerBatch,
    worstNewPerBatch,
    liveBytes: { max: live.max * blockBytes, mean: live.mean * blockBytes },
  };
}

/** Beyond this, more batches ahead only take memory. */
const MOST_AHEAD = 64;
/** Of the pace that the most batches ahead reach. */
const NEARLY = 0.99;

/** The fewest batches ahead that lose less than 1 % of the pace. */
export function suggestedAhead(batches: readonly BatchCost[], machine: Machine): number {
  const pace = (batchesAhead: number): number =>
    simulateEpoch(batches, { ...machine, batchesAhead }).samplesPerSecond;
  const best = pace(MOST_AHEAD);
  for (let ahead = 1; ahead < MOST_AHEAD; ahead++) if (pace(ahead) >= NEARLY * best) return ahead;
  return MOST_AHEAD;
}

/** How many row groups a batch would mix when everything is shuffled with everything. */
const MIXED = 0.9;

export interface SpreadTried {
  /** Null: everything is shuffled with everything. */
  readonly spread: number | null;
  readonly figures: OrderFigures;
}

/**
 * The narrowest spread that mixes nine tenths of what a global shuffle mixes within the memory, else the widest that fits; null
 * when none fits.
 * @param tried from narrow to wide, the global shuffle last
 */
export function suggestedSpread(tried: readonly SpreadTried[], memoryBytes: number): SpreadTried | null {
  const whole = tried.at(-1)?.figures.rowGroupsPerBatch ?? 0;
  const fitting = tried.filter(({ figures }) => figures.liveBytes.max <= memoryBytes);
  return fitting.find(({ figures }) => figures.rowGroupsPerBatch >= MIXED * whole) ?? fitting.at(-1) ?? null;
}
