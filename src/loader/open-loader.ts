/**
 * Opens a loader: typed batches of cached targets in the canonical order, read straight from part files into pooled buffers by
 * worker threads, the same global batches for every number of ranks, resumable at any batch.
 */
import type { Catalogue } from '../cache/catalogue.ts';
import { codecStatistics } from '../cache/codecs/open-space-codec.ts';
import { storedRowBytes } from '../cache/codecs/stored-tensor.ts';
import type { TargetForm } from '../cache/codecs/target-codec.ts';
import { readShapeOf } from '../cache/read.ts';
import { holdCatalogue } from '../cache/reader-lease.ts';
import { writerNameOf } from '../cache/writer-name.ts';
import { type Clock, machineClock } from '../core/clock.ts';
import { StillhouseError } from '../core/failure.ts';
import { runsFromSource } from '../core/threads/compiled-entry.ts';
import { WORTH_BYTES } from '../core/wasm/crc32-kernel.ts';
import { rowValuesOf } from '../format/tensor-part.ts';
import type { BadRowAction, BadRowPolicy } from './bad-rows.ts';
import { batchLayout } from './batch-layout.ts';
import { checkWorld } from './batch-order.ts';
import type { Shuffle } from './block-spread.ts';
import { pixelSpacesIn } from './cached-pixels.ts';
import type { TargetCoding } from './job-protocol.ts';
import { planLoad } from './load-plan.ts';
import { pixelInput } from './pixel-input.ts';
import type { PixelOptions, PixelsAs } from './pixel-options.ts';
import { BYTES_OF, type DeliveredAs } from './row-decoder.ts';
import { partsDigest } from './row-table.ts';
import type { LoaderDataset } from './samples.ts';
import { type LoaderState, orderDigest, stepOf } from './state.ts';
import { TargetLoader } from './target-loader.ts';

export interface LoaderOptions<
  Label extends string,
  As extends DeliveredAs,
  Pixels extends PixelsAs | null = PixelsAs | null,
> {
  /** What is read: parts committed later are not seen. */
  readonly snapshot: Catalogue;
  /** One dataset, or several that are mixed by their weights. */
  readonly dataset: LoaderDataset | readonly LoaderDataset[];
  /**
   * Labels, `nanodet@224.summary` or `sam@256.spatial.mosaic4`, one for each teacher and kind; nothing else is read. With a codec
   * behind it, `nanodet@224.summary.i8p`, exactly that space; without, the one that has most of the samples, the richest where
   * several have as many.
   */
  readonly spaces: readonly Label[];
  /** Samples of a global batch, over all ranks. */
  readonly batchSize: number;
  readonly seed: number;
  /** Default 0 of 1. */
  readonly rank?: number;
  readonly worldSize?: number;
  /** Default: blocks spread over 32. */
  readonly shuffle?: Shuffle;
  /** Default `drop`. */
  readonly last?: 'drop' | 'keep';
  readonly policy?: BadRowAction | Partial<BadRowPolicy>;
  /** Default `f32`. */
  readonly as?: As;
  /** `normalised`: targets in PHI-S space, of i8p and i4p alone. Default: in the teacher's own. */
  readonly form?: TargetForm;
  /** Default: none. The dataset then says where its pictures lie, see `pictureDataset`. */
  readonly pixels?: PixelOptions<Exclude<Pixels, null>>;
  /** Shares of several resolutions among the batches, kept exactly; `pixels.size` says what each is. Default: one. */
  readonly resolutions?: readonly number[];
  /** Threads that read, decode and render; 0: the caller's. Default 2, or 0 where the code runs from source. */
  readonly workers?: number;
  /** Batch buffers together; at least two batches. Default: 1 GiB, or two batches where those are more. */
  readonly memoryBytes?: number;
  /** For the lease that keeps what is read from `gc`. Default: the machine's. */
  readonly clock?: Clock;
  /** Goes on where this state was taken. */
  readonly state?: LoaderState;
}

const DEFAULT_MEMORY = 2 ** 30;
/** More batches ahead than this hide nothing that fewer would not, and memory costs time when it is touched first. */
const MOST_AHEAD = 3;

/**
 * @throws StillhouseError bad-input for labels that are not there, or two of one teacher and kind, targets that are missing under policy `error`, a space without
 * any usable target or without the form, a batch larger than the dataset, ranks that do not divide it, or a state of something
 * else; integrity when the statistics that a codec is built from are gone or changed.
 */
export async function openLoader<
  const Label extends string,
  As extends DeliveredAs = 'f32',
  Pixels extends PixelsAs | null = null,
>(options: LoaderOptions<Label, As, Pixels>): Promise<TargetLoader<Label, As, Pixels>> {
  const { batchSize, seed, rank = 0, worldSize = 1, form = 'teacher', clock = machineClock } = options;
  const as: DeliveredAs = options.as ?? 'f32';
  checkWorld(batchSize, rank, worldSize);
  const pixelSpaces =
    options.pixels === undefined ? [] : await pixelSpacesIn(options.snapshot, options.pixels.from ?? 'auto');
  const plan = planLoad({ ...options, pixelSpaces });
  const { spaces, places, tables, usable, order, policy } = plan;
  const binding = {
    snapshot: partsDigest(spaces),
    order: orderDigest(
      order.spec,
      tables.map(({ keysDigest }) => keysDigest),
    ),
    seed,
    batchSize,
  };
  const shapes = spaces.map(({ descriptor }) => readShapeOf(descriptor, form));
  const codings: TargetCoding[] = [];
  for (const [s, { root, descriptor, fs }] of spaces.entries())
    codings.push({
      descriptor,
      statistics: await codecStatistics(root, descriptor, fs),
      as,
      form,
      storedBytes: storedRowBytes(descriptor),
      rowBytes: rowValuesOf(shapes[s]!) * BYTES_OF[as],
    });
  const pixels = pixelInput(options, plan, pixelSpaces);
  const workers = options.workers ?? (runsFromSource(import.meta.url) ? 0 : 2);
  const isWorthKernel = [...codings, ...(pixels?.codings ?? [])].some(
    ({ storedBytes }) => storedBytes >= WORTH_BYTES,
  );
  const layout = batchLayout({
    rows: batchSize / worldSize,
    shapes,
    as,
    pixelBytes: pixels?.largestBytes ?? 0,
    stagedBytes: pixels?.stagedBytes ?? 0,
    checking: isWorthKernel ? workers + 1 : 0,
  });
  return new TargetLoader<Label, As, Pixels>({
    places,
    spaces: codings,
    fs: options.snapshot.fs,
    hold: () =>
      spaces.length + pixelSpaces.length === 0
        ? Promise.resolve({ snapshot: null, release: () => Promise.resolve() })
        : holdCatalogue(options.snapshot, {
            clock,
            fs: options.snapshot.fs,
            writer: writerNameOf('loader', clock),
          }),
    tables,
    order,
    layout,
    as,
    pixels: pixels?.input ?? null,
    pixelSetup: pixels?.setup ?? null,
    pixelCodings: pixels?.codings ?? [],
    binding,
    rank,
    worldSize,
    policy,
    workers,
    buffers: buffersFor(layout.sizeBytes, options.memoryBytes),
    step: options.state === undefined ? 0 : stepOf(options.state, binding),
    excluded: tables.reduce((n, { keys }, d) => n + keys.length - usable[d]!.length, 0),
  });
}

function buffersFor(batchBytes: number, memoryBytes: number | undefined): number {
  const fit = Math.floor((memoryBytes ?? DEFAULT_MEMORY) / Math.max(1, batchBytes));
  if (memoryBytes !== undefined && fit < 2)
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'the loader needs memory for two batches: one in use, one being filled',
      where: 'memoryBytes',
      wanted: `at least ${2 * batchBytes}`,
      got: `${memoryBytes}`,
      next: 'allow more memory, or lower the batch size',
    });
  return Math.max(2, Math.min(MOST_AHEAD + 1, fit));
}
