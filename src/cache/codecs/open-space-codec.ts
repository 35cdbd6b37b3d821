/** The codec of a cached space, with the statistics that lie beside its parts. */
import { type CommitFs, nodeFs } from '../../store/commit-fs.ts';
import type { SpaceDescriptor } from '../space.ts';
import { readStatistics } from '../statistics/statistics-files.ts';
import { openCodec } from './open-codec.ts';
import type { CodecStatistics, TargetCodec } from './target-codec.ts';

/** @throws StillhouseError integrity when the statistics are gone or are not the ones that the description names. */
export async function openSpaceCodec(
  root: string,
  space: SpaceDescriptor,
  fs: CommitFs = nodeFs,
): Promise<TargetCodec> {
  return openCodec(space, await codecStatistics(root, space, fs));
}

/** What the codec is built from, as it can be sent to a thread; null for codecs that need none. Errors as above. */
export async function codecStatistics(
  root: string,
  space: SpaceDescriptor,
  fs: CommitFs = nodeFs,
): Promise<CodecStatistics | null> {
  const { statsSha256 } = space.codec;
  if (statsSha256 === undefined) return null;
  const { mean, std, min, max, eigenvalues, eigenvectors } = await readStatistics(root, statsSha256, fs);
  return { mean, std, min, max, eigenvalues, eigenvectors };
}
