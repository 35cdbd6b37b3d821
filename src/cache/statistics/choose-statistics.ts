/**
 * The statistics that a codec is built from. Part of a space's identity, so they must be known before its first target is encoded:
 * those that were chosen for the exact space before, else measured on targets that are there as f32 or f16
 * (src/decisions/0015-codecs-by-two-passes.md).
 */
import type { Clock } from '../../core/clock.ts';
import { StillhouseError } from '../../core/failure.ts';
import type { CommitFs } from '../../store/commit-fs.ts';
import type { CachedSpace } from '../catalogue.ts';
import { needsStatistics } from '../codecs/codec.ts';
import type { RowKey } from '../row-key.ts';
import { type SpaceDescriptor, codedLabel } from '../space.ts';
import { whileWriting } from '../writer-lease.ts';
import { measureSpace } from './measure-space.ts';
import { pinStatistics, pinnedStatistics, writeStatistics } from './statistics-files.ts';

/** Whether the codec still lacks the statistics that it is built from. */
export const lacksStatistics = ({ codec }: Pick<SpaceDescriptor, 'codec'>): boolean =>
  needsStatistics(codec) && codec.statsSha256 === undefined;

/** The space with the statistics that were chosen before; itself where none are needed, or none were chosen. */
export async function withPinnedStatistics(
  root: string,
  space: SpaceDescriptor,
  fs: CommitFs,
): Promise<SpaceDescriptor> {
  if (!lacksStatistics(space)) return space;
  const pinned = await pinnedStatistics(root, { space, pool: space.codec.pool ?? 1 }, fs);
  return pinned === null ? space : withStatistics(space, pinned);
}

const withStatistics = (space: SpaceDescriptor, statsSha256: string): SpaceDescriptor => ({
  ...space,
  codec: { ...space.codec, statsSha256 },
});

export interface MeasureChoice {
  readonly root: string;
  readonly fs: CommitFs;
  readonly clock: Clock;
  readonly space: SpaceDescriptor;
  /** Of the same exact space, as f32 or f16. */
  readonly source: CachedSpace;
  /** Targets to measure. */
  readonly keys: readonly RowKey[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Measures, and chooses what was measured unless another run chose first; returns the space with what counts.
 * @throws StillhouseError bad-input when none of the targets is usable.
 */
export async function measureStatistics(choice: MeasureChoice): Promise<SpaceDescriptor> {
  const { root, fs, clock, space, source, keys, signal, onProgress } = choice;
  const pool = space.codec.pool ?? 1;
  const statistics = await measureSpace({
    space: source,
    keys,
    pool,
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress } : {}),
  });
  if (statistics === null)
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'a codec has nothing to take its statistics from',
      where: `${root}, ${codedLabel(space)}`,
      wanted: 'usable targets',
      got: `none among ${keys.length}`,
      next: 'look at the ledger for the reasons, or store these targets as f16',
    });
  // until they are chosen, only the lease keeps them from a collector
  const chosen = await whileWriting({ root, clock, fs }, async () => {
    const statsSha256 = await writeStatistics(root, statistics, fs);
    return pinStatistics(root, { space, pool }, { statsSha256, fs });
  });
  return withStatistics(space, chosen);
}
