/** Machines that share one cache in an object store, for tests: a folder stands for the store. */
import { digestInName } from '../../src/cache/copied-files.ts';
import { StillhouseError } from '../../src/core/failure.ts';
import type { CommitFs } from '../../src/store/commit-fs.ts';
import { folderStore } from '../../src/store/folder-store.ts';
import { objectFs } from '../../src/store/object-fs.ts';
import type { ByteRange, ObjectStore } from '../../src/store/object-store.ts';
import { Replica } from '../../src/store/replica.ts';
import { systemError } from '../support/failing-fs.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { fixedClock } from './rig.ts';

/** One machine that uses the store: its own folder for staged files and copies. */
export async function machine(
  store: ObjectStore,
  maxBytes = 1e9,
): Promise<{ root: string; fs: CommitFs; replica: Replica }> {
  const root = await tempFolder();
  const replica = new Replica({ store, root, maxBytes, digestOf: digestInName, clock: fixedClock });
  return { root, replica, fs: objectFs({ store, root, replica }) };
}

const NEVER = (call: string): boolean => call === '';

/** As the S3 store says it, after its own tries. */
const outOfReach = (where: string): StillhouseError =>
  new StillhouseError({
    kind: 'environment',
    what: 'the object store is out of reach',
    where,
    next: 'try again',
  });

/** A store in a folder that counts its calls; the nth can be made to fail, or every one that `isDown` says. */
export async function countedStore() {
  const folder = await tempFolder();
  const inner = folderStore(folder);
  const calls: string[] = [];
  const state = { failAt: 0, isDown: NEVER };
  const counted =
    <A extends [string, ...unknown[]], R>(name: string, call: (...args: A) => Promise<R>) =>
    (...args: A): Promise<R> => {
      const told = `${name} ${args[0]}`;
      calls.push(told);
      if (state.isDown(told)) return Promise.reject(outOfReach(told));
      return calls.length === state.failAt ? Promise.reject(systemError('EIO')) : call(...args);
    };
  const store: ObjectStore = {
    url: inner.url,
    get: counted('get', (key: string, range?: ByteRange) => inner.get(key, range)),
    head: counted('head', (key: string) => inner.head(key)),
    list: counted('list', (key: string) => inner.list(key)),
    put: counted('put', (key: string, bytes: Uint8Array) => inner.put(key, bytes)),
    putIfAbsent: counted('putIfAbsent', (key: string, bytes: Uint8Array) => inner.putIfAbsent(key, bytes)),
    putFile: counted('putFile', (key: string, path: string) => inner.putFile(key, path)),
    copy: counted('copy', (from: string, to: string) => inner.copy(from, to)),
    delete: counted('delete', (key: string) => inner.delete(key)),
  };
  return { folder, store, calls, state };
}
