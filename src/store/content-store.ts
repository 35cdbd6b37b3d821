/**
 * Files by the sha256 of their bytes, shared by all projects of a user: `blobs/sha256/<two digits>/<digest>`, read-only and never
 * changed. What is on its way lies in `partial/`. Files that must lie beside each other under their own names get a folder of hard
 * links in `sets/`: engines refuse or misread symbolic ones.
 */
import * as fsp from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestOf, sha256, sha256OfFile } from '../core/digest.ts';
import { systemCodeOf } from '../core/failure.ts';
import type { Digest } from '../core/ids.ts';
import { asStoreFailure, nodeFs } from './commit-fs.ts';
import { stagingName } from './staging.ts';

export interface NamedBlob {
  /** A relative path inside the folder. */
  readonly name: string;
  readonly sha256: Digest;
}

export class ContentStore {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  pathOf(digest: Digest): string {
    return join(this.root, 'blobs', 'sha256', digest.slice(0, 2), digest);
  }

  /** Where a download called `key` keeps what has come. */
  partialFolder(key: string): string {
    return join(this.root, 'partial', sha256(key).slice(0, 32));
  }

  /** The lease of whoever works on `key`: a download, or a file elsewhere that processes with this store write to. */
  leasePath(key: string): string {
    return join(this.root, 'locks', `${sha256(key).slice(0, 32)}.lease`);
  }

  /** Size of a blob, null when it is not here. Its bytes are not looked at. */
  async sizeBytes(digest: Digest): Promise<number | null> {
    const path = this.pathOf(digest);
    try {
      return (await fsp.stat(path)).size;
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return null;
      throw asStoreFailure(error, path);
    }
  }

  /** Whether a blob is here with the bytes that its name promises; a damaged one is removed. */
  async verify(digest: Digest): Promise<boolean> {
    const path = this.pathOf(digest);
    try {
      if ((await sha256OfFile(path)) === digest) return true;
      await nodeFs.remove(path);
      return false;
    } catch (error) {
      if (systemCodeOf(error) === 'ENOENT') return false;
      throw asStoreFailure(error, path);
    }
  }

  /** Moves a whole and synced file of this file system in. */
  async adopt(file: string, digest: Digest): Promise<void> {
    const path = this.pathOf(digest);
    const folder = dirname(path);
    try {
      await fsp.chmod(file, 0o444);
      await nodeFs.makeFolder(folder);
      await nodeFs.rename(file, path);
      await nodeFs.syncFolder(folder);
    } catch (error) {
      throw asStoreFailure(error, path);
    }
  }

  /** The folder in which these blobs lie under these names, made when it is not there yet. */
  async folderOf(blobs: readonly NamedBlob[]): Promise<string> {
    const id = digestOf(blobs.map(({ name, sha256 }) => [name, sha256])).slice(0, 32);
    const folder = join(this.root, 'sets', id);
    if (await this.#holds(folder, blobs)) return folder;
    const staged = join(this.root, 'sets', stagingName('set'));
    try {
      await nodeFs.makeFolder(staged);
      for (const { name, sha256 } of blobs) {
        const path = join(staged, name);
        await nodeFs.makeFolder(dirname(path));
        await nodeFs.link(this.pathOf(sha256), path);
        await nodeFs.syncFolder(dirname(path));
      }
      if (!(await this.#moveSet(staged, folder)) && !(await this.#holds(folder, blobs))) {
        // one that lacks a file, or holds a blob that was damaged and is whole again
        await nodeFs.remove(folder);
        await this.#moveSet(staged, folder);
      }
      await nodeFs.syncFolder(join(this.root, 'sets'));
    } catch (error) {
      throw asStoreFailure(error, folder);
    } finally {
      await nodeFs.remove(staged);
    }
    return folder;
  }

  /** False when a folder of that name is there already. */
  async #moveSet(staged: string, folder: string): Promise<boolean> {
    try {
      await nodeFs.rename(staged, folder);
      return true;
    } catch (error) {
      if (/^(ENOTEMPTY|EEXIST)$/.test(systemCodeOf(error) ?? '')) return false;
      throw error;
    }
  }

  async #holds(folder: string, blobs: readonly NamedBlob[]): Promise<boolean> {
    for (const { name, sha256 } of blobs) {
      const [there, blob] = await Promise.all([inodeOf(join(folder, name)), inodeOf(this.pathOf(sha256))]);
      if (there === null || there !== blob) return false;
    }
    return true;
  }
}

async function inodeOf(path: string): Promise<string | null> {
  try {
    const { dev, ino } = await fsp.stat(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw asStoreFailure(error, path);
  }
}
