/**
 * Whole-file commits: a reader sees the old bytes or the new ones, never a mixture, whatever call fails or whenever the
 * process dies. Order: write beside, fsync, rename, fsync the folder.
 */
import { dirname, join } from 'node:path';
import { systemCodeOf } from '../core/failure.ts';
import { type CommitFs, asStoreFailure, nodeFs } from './commit-fs.ts';
import { stagingName } from './staging.ts';

/**
 * Replaces `path` by `bytes`, creating its folder when needed. When it rejects, `path` holds its old bytes or, if only the last
 * fsync failed, the new ones.
 * @throws StillhouseError environment when the disk is full, read-only or not permitted.
 */
export async function writeAtomic(
  path: string,
  bytes: Uint8Array | string,
  fs: CommitFs = nodeFs,
): Promise<void> {
  const folder = dirname(path);
  const staged = join(folder, stagingName('write'));
  try {
    await fs.makeFolder(folder);
    await fs.writeNew(staged, bytesOf(bytes));
    await fs.rename(staged, path);
    await fs.syncFolder(folder);
  } catch (error) {
    await discard(fs, staged);
    throw asStoreFailure(error, path);
  }
}

/**
 * Creates `path` only if nothing stands there. Returns false when something does. When it rejects because the last fsync
 * failed, `path` exists with the whole content.
 * @throws StillhouseError environment when the disk is full, read-only or not permitted.
 */
export async function writeIfAbsent(
  path: string,
  bytes: Uint8Array | string,
  fs: CommitFs = nodeFs,
): Promise<boolean> {
  const folder = dirname(path);
  const staged = join(folder, stagingName('put'));
  try {
    await fs.makeFolder(folder);
    await fs.writeNew(staged, bytesOf(bytes));
    const created = await linkIfAbsent(fs, staged, path);
    if (created) await fs.syncFolder(folder);
    return created;
  } catch (error) {
    throw asStoreFailure(error, path);
  } finally {
    await discard(fs, staged);
  }
}

async function linkIfAbsent(fs: CommitFs, staged: string, path: string): Promise<boolean> {
  try {
    await fs.link(staged, path);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

const bytesOf = (content: Uint8Array | string): Uint8Array =>
  typeof content === 'string' ? Buffer.from(content) : content;

/** Removal is a courtesy: a leftover staging file is never read, so its own failure must not hide the first error. */
async function discard(fs: CommitFs, staged: string): Promise<void> {
  await fs.remove(staged).catch((error: unknown) => {
    if (!(error instanceof Error)) throw error;
  });
}
