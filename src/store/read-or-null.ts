/** Small files of a store that need not be there. */
import { systemCodeOf } from '../core/failure.ts';
import { type CommitFs, asStoreFailure } from './commit-fs.ts';

/** Null when there is no such file. @throws StillhouseError environment where the system says no. */
export async function readOrNull(path: string, fs: CommitFs): Promise<Uint8Array | null> {
  try {
    return await fs.read(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw asStoreFailure(error, path);
  }
}

/** As {@link readOrNull}, as UTF-8 text. */
export async function readTextOrNull(path: string, fs: CommitFs): Promise<string | null> {
  const bytes = await readOrNull(path, fs);
  return bytes === null ? null : Buffer.from(bytes).toString('utf8');
}
