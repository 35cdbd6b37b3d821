/**
 * Digests of files that are asked for again and again within one run, each file hashed once while it stays the same: same device,
 * inode, size, and times of change. Hand one on to where a run's files are checked; it holds for a process, never on disk.
 */
import { type BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { sha256OfFile } from './digest.ts';
import type { Digest } from './ids.ts';

/** A file that was hashed, as plain data: what one thread of a process tells another. */
export interface HashedFile {
  readonly path: string;
  readonly stamp: string;
  readonly digest: Digest;
}

export class FileDigests {
  readonly #known = new Map<string, { readonly stamp: string; readonly digest: Promise<Digest> }>();
  /** Files hashed so far, for tests. */
  hashed = 0;

  /** @param files that another thread of this process has hashed */
  constructor(files: readonly HashedFile[] = []) {
    for (const { path, stamp, digest } of files)
      this.#known.set(path, { stamp, digest: Promise.resolve(digest) });
  }

  /** What is known so far, for another thread. Waits for what is being hashed. */
  async files(): Promise<HashedFile[]> {
    const known = [...this.#known];
    const digests = await Promise.allSettled(known.map(([, { digest }]) => digest));
    return known.flatMap(([path, { stamp }], i) => {
      const outcome = digests[i]!;
      return outcome.status === 'fulfilled' ? [{ path, stamp, digest: outcome.value }] : [];
    });
  }

  /** sha256 of a file's bytes. Calls may overlap. Rejects with the system error of `stat` or of reading. */
  async of(path: string): Promise<Digest> {
    const stamp = stampOf(await stat(path, { bigint: true }));
    const known = this.#known.get(path);
    if (known?.stamp === stamp) return known.digest;
    this.hashed += 1;
    const digest = sha256OfFile(path);
    const entry = { stamp, digest };
    this.#known.set(path, entry);
    const forget = (): void => {
      if (this.#known.get(path) === entry) this.#known.delete(path);
    };
    try {
      const found = await digest;
      // a file that is being written: its digest holds for nobody else
      if (stampOf(await stat(path, { bigint: true })) !== stamp) forget();
      return found;
    } catch (error) {
      forget();
      throw error;
    }
  }
}

const stampOf = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  [dev, ino, size, mtimeNs, ctimeNs].join(' ');
