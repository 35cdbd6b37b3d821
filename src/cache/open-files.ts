/**
 * Files kept open for reading by offset, the longest unused closed first. A file that is being read is never closed under its
 * reader: it is pinned for as long as the read lasts.
 */
import type * as fsp from 'node:fs/promises';
import type { CommitFs } from '../store/commit-fs.ts';

interface OpenFile {
  readonly opening: Promise<fsp.FileHandle>;
  readers: number;
}

export interface FileToOpen {
  readonly path: string;
  readonly fs: CommitFs;
}

export interface HeldFile {
  readonly fd: number;
  release(): Promise<void>;
}

export class OpenFiles {
  readonly #limit: number;
  /** In order of last use. */
  readonly #files = new Map<string, OpenFile>();
  readonly #reads = new Set<Promise<unknown>>();
  /** Of no use any more, but still being read. */
  readonly #forgotten = new Set<OpenFile>();
  #closed = false;
  /** Files opened so far. */
  opens = 0;

  /** @param limit files kept open while nobody reads them; those being read come on top. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Runs `read` with the open file. Rejects with the system error of opening it, or with that of `read`. */
  async use<T>({ path, fs }: FileToOpen, read: (file: fsp.FileHandle) => Promise<T>): Promise<T> {
    if (this.#closed) throw new Error(`internal: ${path} is read after its reader was closed`);
    const reading = this.#read({ path, fs }, read);
    this.#reads.add(reading);
    try {
      return await reading;
    } finally {
      this.#reads.delete(reading);
    }
  }

  /**
   * Keeps a file open until it is released, for readers in other threads: a descriptor belongs to the whole process. Rejects with
   * the system error of opening it.
   */
  hold(what: FileToOpen): Promise<HeldFile> {
    return new Promise((resolve, reject) => {
      const ended: Promise<void> = this.use(
        what,
        ({ fd }) =>
          new Promise<void>((released) => {
            resolve({
              fd,
              release: () => {
                released();
                return ended;
              },
            });
          }),
      );
      ended.catch(reject);
    });
  }

  /** Waits for reads under way, then closes every file. Later reads are refused. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#reads);
    await this.#closeIdle(0);
  }

  /** Closes a file as soon as nobody reads it, so that the next read opens it anew. */
  async forget(path: string): Promise<void> {
    const file = this.#files.get(path);
    if (file === undefined) return;
    this.#files.delete(path);
    this.#forgotten.add(file);
    await this.#closeForgotten(file);
  }

  async #read<T>(what: FileToOpen, read: (file: fsp.FileHandle) => Promise<T>): Promise<T> {
    const file = this.#pin(what);
    try {
      return await read(await file.opening);
    } finally {
      file.readers -= 1;
      await this.#closeForgotten(file);
      await this.#closeIdle(this.#limit);
    }
  }

  async #closeForgotten(file: OpenFile): Promise<void> {
    if (file.readers > 0 || !this.#forgotten.delete(file)) return;
    await (await file.opening).close();
  }

  #pin({ path, fs }: FileToOpen): OpenFile {
    const held = this.#files.get(path);
    const file = held ?? { opening: fs.openFile(path), readers: 0 };
    if (held === undefined) {
      this.opens += 1;
      // a file that could not be opened is forgotten, so that the next read tries again
      file.opening.catch(() => {
        if (this.#files.get(path) === file) this.#files.delete(path);
      });
    }
    file.readers += 1;
    this.#files.delete(path);
    this.#files.set(path, file);
    return file;
  }

  async #closeIdle(keep: number): Promise<void> {
    const closing: Promise<void>[] = [];
    for (const [path, file] of this.#files) {
      if (this.#files.size <= keep) break;
      if (file.readers > 0) continue;
      this.#files.delete(path);
      closing.push(file.opening.then((handle) => handle.close()));
    }
    await Promise.all(closing);
  }
}
