/**
 * Whole-file commits: a reader sees the old bytes or the new ones, never a mixture, whatever call fails or whenever the
 * process dies. Order: write beside, fsync, rename, fsync the folder.
 */
import { dirname, join } from 'node:path';
import { systemCodeOf } from '../core/failure.ts';
import { type CommitFs, asStoreFailure, nodeFs } from './commit-fs.ts';

let counter = 0;

/** A name no other process and no other call of this one uses. Leading dot: listings of committed files skip it. */
export function stagingName(base: string): string {
  counter += 1;
  return `.${base}.${process.pid}-${counter}.tmp`;
}

export async function writeAtomic(
  path: string,
  bytes: Uint8Array | string,
  fs: CommitFs = nodeFs,
): Promise<void> {
  const folder = dirname(path);
  const staged = join(folder, stagingName('write'));
  try {
    await fs.makeFolder(folder);
    await writeOver(fs, staged, typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
    await fs.rename(staged, path);
    await fs.syncFolder(folder);
  } catch (error) {
    await discard(fs, staged);
    throw asStoreFailure(error, path);
  }
}

/** Creates `path` only if nothing stands there. Returns false when something does. */
export async function writeIfAbsent(
  path: string,
  bytes: Uint8Array | string,
  fs: CommitFs = nodeFs,
): Promise<boolean> {
  const folder = dirname(path);
  const staged = join(folder, stagingName('put'));
  try {
    await fs.makeFolder(folder);
    await writeOver(fs, staged, typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
    await fs.link(staged, path);
    await fs.syncFolder(folder);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST') return false;
    throw asStoreFailure(error, path);
  } finally {
    await discard(fs, staged);
  }
}

/** Another life with the same pid may have left the same staging name behind; it is garbage by construction. */
async function writeOver(fs: CommitFs, staged: string, bytes: Uint8Array): Promise<void> {
  try {
    await fs.writeNew(staged, bytes);
  } catch (error) {
    if (systemCodeOf(error) !== 'EEXIST') throw error;
    await fs.remove(staged);
    await fs.writeNew(staged, bytes);
  }
}

/** Removal is a courtesy: a leftover staging file is never read, so its own failure must not hide the first error. */
async function discard(fs: CommitFs, staged: string): Promise<void> {
  await fs.remove(staged).catch((error: unknown) => {
    if (systemCodeOf(error) === undefined && !(error instanceof Error)) throw error;
  });
}
