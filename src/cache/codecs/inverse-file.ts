/**
 * The way back from what i8p and i4p store, for programs that are not ours: `inverse/<space id>.npy`, float32 [k + 1, C]. The first k
 * rows times a normalised token, plus the last row, are the token in the teacher's space. Follows from the statistics that the space
 * names, so it is no part of anybody's identity; written beside the first part of the space.
 */
import { join } from 'node:path';
import { systemCodeOf } from '../../core/failure.ts';
import { encodeNpy } from '../../format/npy-file.ts';
import { writeAtomic } from '../../store/atomic.ts';
import { type CommitFs, asStoreFailure } from '../../store/commit-fs.ts';
import { type SpaceDescriptor, spaceIdOf } from '../space.ts';
import { isRotated } from './codec.ts';
import { codecStatistics } from './open-space-codec.ts';
import { inverseMatrix, phiS } from './phi-s.ts';
import { keptChannels } from './stored-tensor.ts';

/** Below the cache's root. */
export const inverseFile = (space: SpaceDescriptor): string => `inverse/${spaceIdOf(space)}.npy`;

/** Does nothing for codecs that do not rotate, or when the file is there. @throws StillhouseError integrity as codecStatistics. */
export async function writeInverse(root: string, space: SpaceDescriptor, fs: CommitFs): Promise<void> {
  if (!isRotated(space.codec)) return;
  const path = join(root, inverseFile(space));
  if (await isThere(path, fs)) return;
  const statistics = await codecStatistics(root, space, fs);
  const transform = phiS(statistics!, keptChannels(space));
  const { kept, channels } = transform;
  const values = new Float32Array((kept + 1) * channels);
  values.set(inverseMatrix(transform));
  values.set(transform.mean, kept * channels);
  const shape = [kept + 1, channels];
  await writeAtomic(path, encodeNpy({ dtype: 'float32', shape, bytes: new Uint8Array(values.buffer) }), fs);
}

async function isThere(path: string, fs: CommitFs): Promise<boolean> {
  try {
    await fs.sizeBytes(path);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return false;
    throw asStoreFailure(error, path);
  }
}
