/**
 * An object store under the calls that commits are made of, so that a cache is written, read, verified and collected there by the
 * same code as in a folder. Below `root` every path is a key. Files that are being staged lie in that local folder; renaming one
 * uploads it, linking one creates an object only if there is none. Objects appear whole and durable, so there is nothing to sync.
 */
import * as fsp from 'node:fs/promises';
import { basename, relative, sep } from 'node:path';
import { systemCodeOf } from '../core/failure.ts';
import { type CommitFs, nodeFs } from './commit-fs.ts';
import { type ObjectStore, deleteBelow } from './object-store.ts';
import { type Replica, gone } from './replica.ts';
import { isStagingName } from './staging.ts';

export interface ObjectFsOptions {
  readonly store: ObjectStore;
  /** Absolute. Staged files and the replica lie in it. */
  readonly root: string;
  /** Null reads everything from the store itself, as a check of it must; nothing can be opened as a file then. */
  readonly replica: Replica | null;
}

export function objectFs({ store, root, replica }: ObjectFsOptions): CommitFs {
  const keyOf = (path: string): string => {
    const key = relative(root, path).split(sep).join('/');
    if (key.startsWith('..')) throw new Error(`internal: ${path} is outside of ${root}`);
    return key;
  };
  const where = (key: string): string => `${store.url}/${key}`;
  const isStaged = (path: string): boolean => isStagingName(basename(path));
  const copied = (key: string): Replica | null => (replica?.isCopied(key) === true ? replica : null);
  const found = <T>(value: T | null, key: string): T => {
    if (value === null) throw gone(where(key));
    return value;
  };

  return {
    makeFolder: async (path) => {
      await fsp.mkdir(path, { recursive: true });
    },
    writeNew: async (path, bytes) => {
      if (!isStaged(path)) throw new Error(`internal: ${path} is written in place`);
      const file = await fsp.open(path, 'wx');
      try {
        for (const piece of bytes instanceof Uint8Array ? [bytes] : bytes) await file.writeFile(piece);
      } finally {
        await file.close();
      }
    },
    rename: async (from, to) => {
      const key = keyOf(to);
      if (isStaged(from)) {
        await store.putFile(key, from);
        await replica?.forget(key);
        if (copied(key)) await replica!.adopt(key, from);
        else await fsp.rm(from);
        return;
      }
      const source = keyOf(from);
      if (!(await store.copy(source, key))) throw gone(where(source));
      await store.delete(source);
      await replica?.forget(source);
    },
    link: async (from, to) => {
      const key = keyOf(to);
      if (await store.putIfAbsent(key, await fsp.readFile(from))) return;
      throw Object.assign(new Error(`EEXIST: there is such an object, ${where(key)}`), { code: 'EEXIST' });
    },
    remove: async (path) => {
      if (isStaged(path)) {
        await fsp.rm(path, { force: true });
        return;
      }
      await deleteBelow(store, keyOf(path));
      await fsp.rm(path, { force: true, recursive: true });
    },
    syncFolder: () => Promise.resolve(),
    read: async (path) => {
      if (isStaged(path)) return fsp.readFile(path);
      const key = keyOf(path);
      return copied(key)?.read(key) ?? found(await store.get(key), key);
    },
    list: async (path) => {
      const { objects, folders } = await store.list(keyOf(path));
      const staged = (await namesIn(path)).filter(isStagingName);
      const names = [...new Set([...objects.map(({ name }) => name), ...folders, ...staged])];
      if (names.length === 0) throw gone(where(keyOf(path)));
      return names;
    },
    sizeBytes: async (path) =>
      isStaged(path) ? (await fsp.stat(path)).size : found(await store.head(keyOf(path)), keyOf(path)),
    openRead: async (path) => {
      const key = keyOf(path);
      if (isStaged(path)) return nodeFs.openRead(path);
      // a copy that is here already; a footer is not worth fetching a part for
      const copy = copied(key) && (await orNull(nodeFs.openRead(path)));
      if (copy) return copy;
      const sizeBytes = found(await store.head(key), key);
      return {
        sizeBytes,
        read: async (offset, length) => found(await store.get(key, { offset, length }), key),
        close: () => Promise.resolve(),
      };
    },
    openFile: (path) => {
      const key = keyOf(path);
      const from = copied(key);
      if (from === null) throw new Error(`internal: ${path} has no local copy`);
      return from.open(key);
    },
    dropCopy: async (path) => {
      const from = copied(keyOf(path));
      await from?.doubt(keyOf(path));
      return from !== null;
    },
    freeBytes: async (path) => {
      await fsp.mkdir(path, { recursive: true });
      return nodeFs.freeBytes(path);
    },
    isRemote: true,
  };
}

/** Null when the file is not there. */
async function orNull<T>(opening: Promise<T>): Promise<T | null> {
  try {
    return await opening;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw error;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await fsp.readdir(folder);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return [];
    throw error;
  }
}
