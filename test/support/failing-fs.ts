/** A file system for commits whose nth call fails as a disk would: what came before it is done, a failed write is torn. */
import { type CommitFs, nodeFs } from '../../src/store/commit-fs.ts';

export interface FailingFsOptions {
  /** Which call fails, counted from 1; none when left out. */
  readonly failAt?: number;
  /** The system code it fails with; ENOSPC by default. */
  readonly code?: string;
  /** Whether every later call fails too, as on a disk that went away. */
  readonly andAfter?: boolean;
  readonly inner?: CommitFs;
}

/** What can fail. */
type CommitCall = Exclude<keyof CommitFs, 'isRemote'>;

export interface FailingFs extends CommitFs {
  /** Names of the calls so far, the failed ones too. */
  readonly calls: readonly CommitCall[];
}

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made to fail`), { code });
}

export function failingFs(options: FailingFsOptions = {}): FailingFs {
  const { failAt, code = 'ENOSPC', andAfter = false, inner = nodeFs } = options;
  const calls: CommitCall[] = [];
  const isFailing = (name: CommitCall): boolean => {
    calls.push(name);
    return failAt !== undefined && (andAfter ? calls.length >= failAt : calls.length === failAt);
  };
  const step = async <T>(name: CommitCall, call: () => Promise<T>): Promise<T> => {
    if (isFailing(name)) throw systemError(code);
    return call();
  };
  return {
    calls,
    makeFolder: (path) => step('makeFolder', () => inner.makeFolder(path)),
    writeNew: async (path, bytes) => {
      if (!isFailing('writeNew')) return inner.writeNew(path, bytes);
      const whole = bytes instanceof Uint8Array ? bytes : Buffer.concat(bytes);
      await inner.writeNew(path, whole.subarray(0, whole.length >> 1));
      throw systemError(code);
    },
    rename: (from, to) => step('rename', () => inner.rename(from, to)),
    link: (from, to) => step('link', () => inner.link(from, to)),
    remove: (path) => step('remove', () => inner.remove(path)),
    syncFolder: (path) => step('syncFolder', () => inner.syncFolder(path)),
    read: (path) => step('read', () => inner.read(path)),
    list: (path) => step('list', () => inner.list(path)),
    sizeBytes: (path) => step('sizeBytes', () => inner.sizeBytes(path)),
    openRead: (path) => step('openRead', () => inner.openRead(path)),
    openFile: (path) => step('openFile', () => inner.openFile(path)),
    dropCopy: (path) => inner.dropCopy(path),
    freeBytes: (path) => step('freeBytes', () => inner.freeBytes(path)),
    isRemote: inner.isRemote,
  };
}
