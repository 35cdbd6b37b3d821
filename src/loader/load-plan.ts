/** What a loader will show, before anything is read: which spaces, which samples are usable, in which order. Pure. */
import type { CachedSpace, Catalogue } from '../cache/catalogue.ts';
import { type BadRowAction, type BadRowPolicy, absentFailure, noneUsable, policyOf } from './bad-rows.ts';
import { BatchOrder } from './batch-order.ts';
import { type BatchPlace, batchPlaces } from './batch-places.ts';
import type { Shuffle } from './block-spread.ts';
import type { BucketSpec } from './order-spec.ts';
import { RowTable } from './row-table.ts';
import type { LoaderDataset } from './samples.ts';
import { spaceMeant } from './space-choice.ts';

/** The options of a loader that decide its sequence; see LoaderOptions. */
export interface LoadRequest {
  readonly snapshot: Catalogue;
  readonly dataset: LoaderDataset | readonly LoaderDataset[];
  readonly spaces: readonly string[];
  readonly batchSize: number;
  readonly seed: number;
  readonly shuffle?: Shuffle;
  readonly last?: 'drop' | 'keep';
  readonly policy?: BadRowAction | Partial<BadRowPolicy>;
  readonly resolutions?: readonly number[];
  /** Of the snapshot, to read pixels from: no order depends on them. */
  readonly pixelSpaces?: readonly CachedSpace[];
}

export interface LoadPlan {
  readonly datasets: readonly LoaderDataset[];
  /** As asked for, in that order. */
  readonly spaces: readonly CachedSpace[];
  /** Where a batch holds the targets of each. */
  readonly places: readonly BatchPlace[];
  /** By dataset: where the targets of its samples lie. */
  readonly tables: readonly RowTable[];
  /** By dataset: the samples that are shown. */
  readonly usable: readonly (readonly number[])[];
  readonly order: BatchOrder;
  readonly policy: BadRowPolicy;
}

/**
 * @throws StillhouseError bad-input for labels that are not there, or two of one teacher and kind, targets that are missing under policy `error`, a space without any
 *   usable target, or a batch larger than the dataset
 */
export function planLoad(options: LoadRequest): LoadPlan {
  const policy = policyOf(options.policy);
  const datasets: readonly LoaderDataset[] = Array.isArray(options.dataset)
    ? (options.dataset as readonly LoaderDataset[])
    : [options.dataset as LoaderDataset];
  const keys = datasets.flatMap((dataset) => dataset.keys);
  const spaces = options.spaces.map((label) => spaceMeant(options.snapshot, label, keys));
  const places = batchPlaces(
    spaces.map(({ descriptor }) => descriptor),
    options.spaces,
  );
  const tables = datasets.map(({ keys }) => new RowTable(keys, spaces, options.pixelSpaces));
  const usable = tables.map((table, d) =>
    usableSamples({ table, spaces: options.spaces, policy, name: datasets[d]!.name }),
  );
  options.spaces.forEach((label, s) => {
    const found = tables.some((table) => table.keys.some((_, i) => table.partOf(s, i) >= 0));
    if (!found) throw noneUsable(label);
  });
  const shuffle = options.shuffle ?? { kind: 'blocks', spread: 32 };
  const order = new BatchOrder({
    seed: options.seed,
    batchSize: options.batchSize,
    shuffle,
    last: options.last ?? 'drop',
    resolutions: options.resolutions ?? [1],
    sources: datasets.map((dataset, d) => ({
      name: dataset.name,
      weight: dataset.weight ?? 1,
      buckets: bucketsOf(dataset, { table: tables[d]!, usable: usable[d]!, shuffle }),
    })),
  });
  return { datasets, spaces, places, tables, usable, order, policy };
}

function bucketsOf(
  { buckets }: LoaderDataset,
  { table, usable, shuffle }: { table: RowTable; usable: readonly number[]; shuffle: Shuffle },
): BucketSpec[] {
  const byKey = new Map<string, number[]>();
  for (const sample of usable) {
    const key = buckets?.[sample] ?? '';
    const there = byKey.get(key);
    if (there) there.push(sample);
    else byKey.set(key, [sample]);
  }
  if (byKey.size === 0) byKey.set('', []);
  return [...byKey].map(([key, samples]) =>
    shuffle.kind === 'none'
      ? { key, samples: Int32Array.from(samples), blockStarts: Int32Array.of(0, samples.length) }
      : table.blocksOf(samples, key),
  );
}

interface Usable {
  readonly table: RowTable;
  readonly spaces: readonly string[];
  readonly policy: BadRowPolicy;
  readonly name: string;
}

/** All samples, or under `skip` those with every target. */
function usableSamples({ table, spaces, policy, name }: Usable): number[] {
  const all = table.keys.map((_, i) => i);
  if (policy.absent === 'error')
    spaces.forEach((label, s) => {
      const missing = all.filter((i) => table.partOf(s, i) < 0).length;
      if (missing > 0) throw absentFailure(`${label} of ${name}`, missing, all.length);
    });
  if (policy.absent !== 'skip') return all;
  return all.filter((i) => spaces.every((_, s) => table.partOf(s, i) >= 0));
}
