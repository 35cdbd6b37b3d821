/** Stops before the disk is full rather than in the middle. */
import { storedRowBytes } from '../cache/codecs/stored-tensor.ts';
import type { CachePlan } from '../cache/plan.ts';
import { StillhouseError } from '../core/failure.ts';
import type { StageContext } from '../run/stage.ts';
import { asStoreFailure } from '../store/commit-fs.ts';

/** Bytes that a plan needs on this disk: all its targets; of a remote cache, what is staged before it is sent. */
export const bytesHere = (plan: CachePlan, isRemote: boolean): number =>
  isRemote ? largestCommit(plan) : plan.coverage.reduce((sum, { bytesToWrite }) => sum + bytesToWrite, 0);

/** The parts of a unit are staged together, one unit after another. */
function largestCommit({ units, derivations }: CachePlan): number {
  let largest = 0;
  for (const { missing } of units) {
    let bytes = 0;
    for (const { group, bySpace } of missing)
      bySpace.forEach((rows, i) => (bytes += rows.length * storedRowBytes(group.spaces[i]!)));
    largest = Math.max(largest, bytes);
  }
  for (const { space, units: keys } of derivations)
    for (const { length } of keys) largest = Math.max(largest, length * storedRowBytes(space));
  return largest;
}

/** Call before anything of the plan is written. @throws StillhouseError environment when there is not enough room. */
export async function checkRoom(
  plan: CachePlan,
  { cacheRoot, cacheFs }: Pick<StageContext, 'cacheRoot' | 'cacheFs'>,
): Promise<void> {
  if (plan.units.length + plan.derivations.length === 0) return;
  await cacheFs.makeFolder(cacheRoot).catch((error: unknown) => {
    throw asStoreFailure(error, cacheRoot);
  });
  const { isRemote } = cacheFs;
  const freeBytes = await cacheFs.freeBytes(cacheRoot);
  const targets = bytesHere(plan, isRemote);
  // keys, checksums and headers, and what others write meanwhile
  const wanted = targets * 1.05 + (64 << 20);
  if (freeBytes > wanted) return;
  const what = isRemote ? 'targets that are staged here at once' : 'targets';
  throw new StillhouseError({
    kind: 'environment',
    what: 'there is not enough room for the targets',
    where: cacheRoot,
    wanted: `${Math.ceil(wanted / 1e6)} MB: ${Math.ceil(targets / 1e6)} MB of ${what} and some to spare`,
    got: `${Math.floor(freeBytes / 1e6)} MB free`,
    next: isRemote
      ? 'free some space, or choose another --replica or a smaller --replica-max'
      : 'free some space, choose another --cache, or ask for fewer sizes or views',
  });
}
