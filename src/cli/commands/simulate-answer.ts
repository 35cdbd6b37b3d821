/** The answer of `loader simulate`: how fast an epoch would go, what it holds, and what to set instead. */
import { openCatalogue } from '../../cache/catalogue.ts';
import { StillhouseError } from '../../core/failure.ts';
import { type EpochCosts, epochCosts } from '../../loader/batch-costs.ts';
import { checkWorld } from '../../loader/batch-order.ts';
import type { Shuffle } from '../../loader/block-spread.ts';
import { planLoad } from '../../loader/load-plan.ts';
import {
  type Machine,
  type SpreadTried,
  orderFigures,
  simulateEpoch,
  suggestedAhead,
  suggestedSpread,
} from '../../loader/simulate.ts';
import { bytesText } from '../bytes-text.ts';
import { printJson } from '../print-json.ts';
import { textTable } from '../table.ts';
import { openCache } from './cache-answers.ts';
import { loaderDataset } from './loader-dataset.ts';
import type { LoaderCommandOptions } from './loader-options.ts';

export interface SimulateOptions extends LoaderCommandOptions {
  readonly spread: number;
  readonly bandwidth: number;
  readonly latency: number;
  readonly decode: number;
  readonly step: number;
  readonly workers: number;
  readonly ahead: number;
  readonly memory: number;
  readonly wholeParts?: boolean;
  readonly json: boolean;
}

/** @throws StillhouseError as `openLoader`; usage for figures of a machine that cannot be. */
export async function simulateLoader(spaces: readonly string[], options: SimulateOptions): Promise<void> {
  const { batch, seed, world, workers, memory } = options;
  checkWorld(batch, 0, world);
  if (options.bandwidth === 0 || options.decode === 0) throw noSpeed();
  const { root, fs } = await openCache({ ...options, json: false });
  const snapshot = await openCatalogue(root, { fs });
  const dataset = await loaderDataset(snapshot.spaces.values(), options);
  const costsFor = (spread: number): EpochCosts =>
    epochCosts(planLoad({ snapshot, dataset, spaces, batchSize: batch, seed, shuffle: shuffleOf(spread) }), {
      rank: 0,
      worldSize: world,
      workers,
    });
  const machine: Machine = {
    bandwidthBytesPerSecond: options.bandwidth,
    latencyMs: options.latency,
    threads: workers,
    decodeBytesPerSecond: options.decode,
    stepMs: options.step,
    batchesAhead: options.ahead,
    wholeParts: options.wholeParts ?? /^(s3|file):/.test(options.cache),
  };
  const costs = costsFor(options.spread);
  const figures = orderFigures(costs);
  const simulated = simulateEpoch(costs.batches, machine);
  const tried = spreadsUpTo(figures.rowGroups).map((spread): SpreadTried => {
    return { spread: spread === 0 ? null : spread, figures: orderFigures(costsFor(spread)) };
  });
  const spread = suggestedSpread(tried, memory);
  const ahead = suggestedAhead(costs.batches, machine);
  if (options.json) {
    const suggested = { spread: spread === null ? null : (spread.spread ?? 'global'), batchesAhead: ahead };
    printJson({ machine: { ...machine }, order: { ...figures }, simulated: { ...simulated }, suggested });
    return;
  }
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const lines: [string, string][] = [
    ['samples per second', simulated.samplesPerSecond.toFixed(1)],
    ['limited by', simulated.limitedBy],
    ['the consumer waits', percent(simulated.waiting)],
    ['first batch after', `${simulated.coldStartMs.toFixed(1)} ms`],
    ['an epoch', `${figures.batches} batches, ${simulated.seconds.toFixed(2)} s`],
    ['read', `${bytesText(simulated.bytesRead)} in ${simulated.reads} reads`],
    ['row groups', `${figures.rowGroups} of ${bytesText(figures.rowGroupBytes)}`],
    ['row groups per batch', figures.rowGroupsPerBatch.toFixed(1)],
    ['new in one batch, at most', `${figures.worstNewPerBatch}`],
    ['live', `${bytesText(figures.liveBytes.max)} at most, ${bytesText(figures.liveBytes.mean)} on the mean`],
  ];
  process.stdout.write(`${textTable(['epoch 1, rank 0', ''], lines)}\n`);
  process.stdout.write(
    spread === null
      ? `suggested: more than ${bytesText(memory)} of --memory: no spread stays below it\n`
      : `suggested: --spread ${spread.spread ?? 0}${spread.spread === null ? ' (everything)' : ''}: ` +
          `${spread.figures.rowGroupsPerBatch.toFixed(1)} row groups per batch, ` +
          `${bytesText(spread.figures.liveBytes.max)} live\n`,
  );
  process.stdout.write(`suggested: --ahead ${ahead}\n`);
}

const shuffleOf = (spread: number): Shuffle =>
  spread === 0 ? { kind: 'global' } : { kind: 'blocks', spread };

/** Powers of two below the number of row groups, and 0 for a global shuffle. */
function spreadsUpTo(rowGroups: number): number[] {
  const spreads: number[] = [];
  for (let spread = 1; spread < rowGroups; spread *= 2) spreads.push(spread);
  return [...spreads, 0];
}

function noSpeed(): StillhouseError {
  return new StillhouseError({
    kind: 'usage',
    what: 'a machine that reads or decodes nothing never ends',
    where: '--bandwidth, --decode',
    wanted: 'bytes per second, such as 500M',
    got: '0',
    next: 'see `stillhouse loader simulate --help`',
  });
}
