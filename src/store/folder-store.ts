/** A folder as an object store: for caches on network file systems that are read through a local replica, and as the measure for others. */
import { type Dirent, constants } from 'node:fs';
import * as fsp from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { systemCodeOf } from '../core/failure.ts';
import { writeAtomic, writeIfAbsent } from './atomic.ts';
import { asStoreFailure, nodeFs } from './commit-fs.ts';
import type { ObjectStore } from './object-store.ts';
import { isStagingName, stagingName } from './staging.ts';

/** @param root an absolute path; made by the first object. */
export function folderStore(root: string): ObjectStore {
  const pathOf = (key: string): string => join(root, key);
  return {
    url: `file:${root}`,
    get: (key, range) =>
      orNull(pathOf(key), async (path) => {
        const file = await nodeFs.openRead(path);
        try {
          const { offset, length } = range ?? { offset: 0, length: file.sizeBytes };
          return await file.read(offset, Math.max(0, Math.min(length, file.sizeBytes - offset)));
        } finally {
          await file.close();
        }
      }),
    head: (key) => orNull(pathOf(key), sizeOfFile),
    list: async (key) => {
      const path = pathOf(key);
      const entries = (await orNull(path, (folder) => fsp.readdir(folder, { withFileTypes: true }))) ?? [];
      const files = entries.filter((entry) => entry.isFile() && !isStagingName(entry.name));
      const objects = await Promise.all(
        files.map(async ({ name }) => ({
          name,
          sizeBytes: await orNull(join(path, name), sizeOfFile),
        })),
      );
      return {
        objects: objects.flatMap(({ name, sizeBytes }) => (sizeBytes === null ? [] : [{ name, sizeBytes }])),
        folders: await withFiles(path, entries),
      };
    },
    put: (key, bytes) => writeAtomic(pathOf(key), bytes),
    putIfAbsent: (key, bytes) => writeIfAbsent(pathOf(key), bytes),
    putFile: async (key, path) => {
      if (!(await copyWhole(path, pathOf(key)))) throw new Error(`internal: ${path} is gone`);
    },
    copy: (from, to) => copyWhole(pathOf(from), pathOf(to)),
    delete: async (key) => {
      const path = pathOf(key);
      try {
        await fsp.rm(path, { force: true });
      } catch (error) {
        // a folder: there is no object of that name
        if (!['ERR_FS_EISDIR', 'EISDIR', 'ENOTDIR'].includes(systemCodeOf(error) ?? ''))
          throw asStoreFailure(error, path);
      }
    },
  };
}

async function sizeOfFile(path: string): Promise<number | null> {
  const found = await fsp.stat(path);
  return found.isFile() ? found.size : null;
}

/** Names of folders that hold a file at any depth: to an object store, others do not exist. */
async function withFiles(path: string, entries: readonly Dirent[]): Promise<string[]> {
  const names: string[] = [];
  for (const entry of entries)
    if (entry.isDirectory() && (await holdsFile(join(path, entry.name)))) names.push(entry.name);
  return names;
}

async function holdsFile(path: string): Promise<boolean> {
  const entries = (await orNull(path, (folder) => fsp.readdir(folder, { withFileTypes: true }))) ?? [];
  if (entries.some((entry) => entry.isFile() && !isStagingName(entry.name))) return true;
  for (const entry of entries)
    if (entry.isDirectory() && (await holdsFile(join(path, entry.name)))) return true;
  return false;
}

async function orNull<T>(path: string, read: (path: string) => Promise<T>): Promise<T | null> {
  try {
    return await read(path);
  } catch (error) {
    // a folder is no object, and below an object there is nothing
    if (['ENOENT', 'EISDIR', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return null;
    throw asStoreFailure(error, path);
  }
}

/** Copies beside the target, then renames. False when `from` is not there. */
async function copyWhole(from: string, to: string): Promise<boolean> {
  const folder = dirname(to);
  const staged = join(folder, stagingName('copy'));
  try {
    await nodeFs.makeFolder(folder);
    await fsp.copyFile(from, staged, constants.COPYFILE_FICLONE);
    const file = await fsp.open(staged, 'r+');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await fsp.rename(staged, to);
    await nodeFs.syncFolder(folder);
    return true;
  } catch (error) {
    await fsp.rm(staged, { force: true });
    if (systemCodeOf(error) === 'ENOENT') return false;
    throw asStoreFailure(error, to);
  }
}
