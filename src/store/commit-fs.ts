/**
 * The few file-system calls a commit is made of, as a parameter: tests make the nth one fail and count them.
 * Every call rejects with Node's system error; {@link asStoreFailure} turns the ones a person can act on into a message.
 */
import { constants, existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';

export interface CommitFs {
  /** Creates a folder and those above it, durably. Fails with ENOTDIR or EEXIST when a file stands there. */
  makeFolder(path: string): Promise<void>;
  /** Creates a file that must not exist, writes it whole, piece behind piece, and fsyncs it. */
  writeNew(path: string, bytes: Uint8Array | readonly Uint8Array[]): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Fails with EEXIST when `to` exists: the put-if-absent of a file system. */
  link(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** fsync of a folder: makes a rename inside it durable. */
  syncFolder(path: string): Promise<void>;
  read(path: string): Promise<Uint8Array>;
  list(path: string): Promise<string[]>;
  sizeBytes(path: string): Promise<number>;
  /** Opens a file for reading by offset. */
  openRead(path: string): Promise<RandomAccess>;
  /** An open local file with these bytes, for reads by descriptor; remote ones are fetched first. */
  openFile(path: string): Promise<fs.FileHandle>;
  /**
   * For whoever read something wrong: removes a local copy that is not the file any more. True where files are read through copies, so
   * that opening and reading again is worth it once.
   */
  dropCopy(path: string): Promise<boolean>;
  /** Bytes that can still be written below a folder that exists; of a remote place, that can be staged here. */
  freeBytes(path: string): Promise<number>;
  /** What is committed leaves this disk: only files that are being staged, and copies, take room here. */
  readonly isRemote: boolean;
}

/** An open file. */
export interface RandomAccess {
  readonly sizeBytes: number;
  /** `length` bytes from `offset`; fewer at the end of the file. */
  readonly read: (offset: number, length: number) => Promise<Uint8Array>;
  readonly close: () => Promise<void>;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await fs.open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Most bytes of one call; a kernel takes no 2 GiB. */
const WRITE_BYTES = 1 << 30;

/** In as few calls as can be: `writeFile` makes one per 512 KiB, and each waits for this thread, which has a digest to compute. */
async function writeWhole(file: fs.FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(WRITE_BYTES, bytes.length - done));
    done += bytesWritten;
  }
}

/** Of a recursive mkdir on a read-only medium Node says ENOENT; a plain one at the first name that is missing says why. */
async function trueCause(path: string, error: unknown): Promise<never> {
  if (systemCodeOf(error) === 'ENOENT') {
    let missing = path;
    while (dirname(missing) !== missing && !existsSync(dirname(missing))) missing = dirname(missing);
    await fs.mkdir(missing);
  }
  throw error;
}

export const nodeFs: CommitFs = {
  makeFolder: async (path) => {
    const whole = resolve(path);
    const first = await fs
      .mkdir(whole, { recursive: true })
      .catch((error: unknown) => trueCause(whole, error));
    if (first === undefined) return;
    // each new name is durable only when the folder that holds it has been synced
    const stop = dirname(first);
    for (let folder = dirname(whole); ; folder = dirname(folder)) {
      await syncFolder(folder);
      if (folder === stop) return;
    }
  },
  writeNew: async (path, bytes) => {
    const file = await fs.open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o644);
    try {
      for (const piece of bytes instanceof Uint8Array ? [bytes] : bytes) await writeWhole(file, piece);
      await file.sync();
    } finally {
      await file.close();
    }
  },
  rename: (from, to) => fs.rename(from, to),
  link: (from, to) => fs.link(from, to),
  remove: (path) => fs.rm(path, { force: true, recursive: true }),
  syncFolder,
  read: (path) => fs.readFile(path),
  list: (path) => fs.readdir(path),
  sizeBytes: async (path) => (await fs.stat(path)).size,
  openRead: async (path) => {
    const file = await fs.open(path, constants.O_RDONLY);
    try {
      const { size } = await file.stat();
      return {
        sizeBytes: size,
        read: async (offset, length) => {
          // what is not read is not given out: there is no need to fill it with zeros first
          const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
          const { bytesRead } = await file.read(bytes, 0, length, offset);
          return bytes.subarray(0, bytesRead);
        },
        close: () => file.close(),
      };
    } catch (error) {
      await file.close();
      throw error;
    }
  },
  openFile: (path) => fs.open(path, constants.O_RDONLY),
  dropCopy: () => Promise.resolve(false),
  freeBytes: async (path) => {
    const { bavail, bsize } = await fs.statfs(path);
    return bavail * bsize;
  },
  isRemote: false,
};

const A_FILE_STANDS_THERE = {
  what: 'a file stands where a folder is needed',
  next: 'remove or rename that file, or choose another folder',
};

const ADVICE: Readonly<Record<string, { what: string; next: string }>> = {
  ENOSPC: {
    what: 'the disk is full',
    next: 'free some space and run the same command again; what was committed is kept',
  },
  EDQUOT: {
    what: 'the disk quota is used up',
    next: 'free some space and run the same command again; what was committed is kept',
  },
  EROFS: { what: 'the folder is on a read-only medium', next: 'choose a folder that can be written to' },
  EACCES: { what: 'no permission', next: 'check the owner and mode of the path, or choose another folder' },
  EPERM: { what: 'not permitted', next: 'check the owner and mode of the path, or choose another folder' },
  ENOTDIR: A_FILE_STANDS_THERE,
  // mkdir says EEXIST when a file has the very name of the folder
  EEXIST: A_FILE_STANDS_THERE,
  EISDIR: {
    what: 'a folder stands where a file is needed',
    next: 'name a file inside that folder, or remove the folder',
  },
  EMFILE: { what: 'too many open files', next: 'raise the limit (ulimit -n) and run the same command again' },
  EIO: {
    what: 'the medium reported a read or write error',
    next: 'check the disk, then run the same command again',
  },
};

/** A system error as an operator failure (exit code 5), or the error unchanged when it is none that a person can act on. */
export function asStoreFailure(error: unknown, path: string): unknown {
  const code = systemCodeOf(error);
  const advice = code === undefined ? undefined : ADVICE[code];
  if (advice === undefined) return error;
  return new StillhouseError(
    { kind: 'environment', what: advice.what, where: path, got: code ?? '', next: advice.next },
    error,
  );
}
