/**
 * Local copies of objects that never change, up to a number of bytes: what is read again is read from the disk, and what was not read
 * for longest goes first. Only copies are ever evicted; an object is fetched by one caller while others wait, in pieces side by side,
 * and counts once its bytes hash to the digest that its name carries.
 */
import type { Dirent } from 'node:fs';
import * as fsp from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import pLimit from 'p-limit';
import type { Clock } from '../core/clock.ts';
import { sha256, sha256OfFile } from '../core/digest.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { asStoreFailure } from './commit-fs.ts';
import type { ObjectStore } from './object-store.ts';
import { isDeadStaging, isOwnStaging, isStagingName, stagingName } from './staging.ts';

export interface ReplicaOptions {
  readonly store: ObjectStore;
  /** Folder of the copies; a copy's path below it is its key. */
  readonly root: string;
  /** A single copy may be larger: it is then the only one. */
  readonly maxBytes: number;
  /** The hex digits of sha256 that a key carries; null for a key whose object may change, and which is never copied. */
  readonly digestOf: (key: string) => string | null;
  readonly clock: Clock;
  /** Fetched as one range. Default 16 MiB. */
  readonly pieceBytes?: number;
}

interface Copy {
  readonly sizeBytes: number;
  /** Milliseconds since 1970. */
  usedAt: number;
}

const PIECES_AT_ONCE = 4;
/** Other processes that share the folder are noticed after so many fetches at the latest. */
const COUNT_EVERY = 64;
/** A copy that another process evicts between our look and our open is fetched again so often. */
const TRIES = 5;

export class Replica {
  readonly counts = { hits: 0, fetches: 0, bytesFetched: 0, evicted: 0 };
  readonly #options: ReplicaOptions;
  readonly #fetching = new Map<string, Promise<void>>();
  readonly #checking = new Map<string, Promise<void>>();
  /** At least the bytes of all copies: as last counted, with those that room was made for since; null before the first count. */
  #totalBytes: number | null = null;
  #sinceCount = 0;
  /** Bytes of copies on their way: room was made for them, and they are not in their place yet. */
  readonly #coming = new Map<string, number>();
  /** Keys whose copy is about to be opened. */
  readonly #pinned = new Map<string, number>();
  /** Two that make room at once would both count what the other is about to add, or evict. */
  readonly #oneAtATime = pLimit(1);
  /** Called when a copy has arrived, failed to, or may be evicted again. */
  #waiting: (() => void)[] = [];
  #changes = 0;

  constructor(options: ReplicaOptions) {
    this.#options = options;
  }

  /** Whether an object of this key may have a copy. */
  isCopied(key: string): boolean {
    return this.#options.digestOf(key) !== null;
  }

  async has(key: string): Promise<boolean> {
    return (await sizeOrNull(this.#pathOf(key))) !== null;
  }

  /**
   * An open copy, which stays readable when it is evicted. Rejects with ENOENT when the object is gone.
   * @throws StillhouseError integrity when the store gives other bytes than the name says.
   */
  async open(key: string): Promise<fsp.FileHandle> {
    const path = this.#pathOf(key);
    this.#pinned.set(key, (this.#pinned.get(key) ?? 0) + 1);
    try {
      for (let attempt = 1; ; attempt++) {
        if (await this.has(key)) this.counts.hits += 1;
        else await this.#fetchOnce(key);
        try {
          const file = await fsp.open(path, 'r');
          await this.#touch(path);
          return file;
        } catch (error) {
          if (systemCodeOf(error) !== 'ENOENT' || attempt === TRIES) throw error;
        }
      }
    } finally {
      const left = this.#pinned.get(key)! - 1;
      if (left === 0) this.#pinned.delete(key);
      else this.#pinned.set(key, left);
      this.#changed();
    }
  }

  /** The whole copy, compared with its digest: a copy that lay here may have been damaged since. Errors as {@link open}. */
  async read(key: string): Promise<Uint8Array> {
    const bytes = await this.#readCopy(key);
    if (sha256(bytes).startsWith(this.#options.digestOf(key)!)) return bytes;
    await this.doubt(key);
    return this.#readCopy(key);
  }

  async #readCopy(key: string): Promise<Uint8Array> {
    const file = await this.open(key);
    try {
      return await file.readFile();
    } finally {
      await file.close();
    }
  }

  /**
   * For whoever found something wrong in what a copy said: removes the copy when it is not its object any more, so that the next to
   * open it fetches another. Many may ask at once; a copy that was fetched again meanwhile is sound, and stays.
   */
  doubt(key: string): Promise<void> {
    const known = this.#checking.get(key);
    if (known) return known;
    const checking = this.#dropUnlessSound(key).finally(() => this.#checking.delete(key));
    this.#checking.set(key, checking);
    return checking;
  }

  async #dropUnlessSound(key: string): Promise<void> {
    const path = this.#pathOf(key);
    try {
      if ((await sha256OfFile(path)).startsWith(this.#options.digestOf(key)!)) return;
    } catch (error) {
      // evicted, or on its way
      if (systemCodeOf(error) === 'ENOENT') return;
      // a disk that cannot read it has no copy of it
      if (systemCodeOf(error) !== 'EIO') throw asStoreFailure(error, path);
    }
    await fsp.rm(path, { force: true });
  }

  /** Makes a local file, which has just been uploaded, the copy of its object. */
  async adopt(key: string, from: string): Promise<void> {
    const { size } = await fsp.stat(from);
    await this.#withRoom(key, size, () => fsp.rename(from, this.#pathOf(key)));
  }

  /** Removes the copy. False when there is none. */
  async forget(key: string): Promise<boolean> {
    if (!(await this.has(key))) return false;
    await fsp.rm(this.#pathOf(key), { force: true });
    return true;
  }

  #pathOf(key: string): string {
    return join(this.#options.root, key);
  }

  #fetchOnce(key: string): Promise<void> {
    const known = this.#fetching.get(key);
    if (known) return known;
    const fetching = this.#fetch(key).finally(() => this.#fetching.delete(key));
    this.#fetching.set(key, fetching);
    return fetching;
  }

  async #fetch(key: string): Promise<void> {
    const { store } = this.#options;
    const sizeBytes = await store.head(key);
    if (sizeBytes === null) throw gone(`${store.url}/${key}`);
    const path = this.#pathOf(key);
    await this.#withRoom(key, sizeBytes, async () => {
      const staged = join(dirname(path), stagingName('fetch'));
      try {
        await fsp.mkdir(dirname(path), { recursive: true });
        await this.#download(key, staged, sizeBytes);
        await this.#check(key, staged);
        await fsp.rename(staged, path);
      } catch (error) {
        await fsp.rm(staged, { force: true });
        throw asStoreFailure(error, path);
      }
    });
    this.counts.fetches += 1;
    this.counts.bytesFetched += sizeBytes;
  }

  async #download(key: string, path: string, sizeBytes: number): Promise<void> {
    const { store, pieceBytes = 16 << 20 } = this.#options;
    const limit = pLimit(PIECES_AT_ONCE);
    const file = await fsp.open(path, 'wx');
    try {
      const offsets = Array.from({ length: Math.ceil(sizeBytes / pieceBytes) }, (_, i) => i * pieceBytes);
      const outcomes = await Promise.allSettled(
        offsets.map((offset) =>
          limit(async () => {
            const bytes = await store.get(key, { offset, length: Math.min(pieceBytes, sizeBytes - offset) });
            if (bytes === null) throw gone(`${store.url}/${key}`);
            await file.write(bytes, 0, bytes.length, offset);
          }),
        ),
      );
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    } finally {
      await file.close();
    }
  }

  async #check(key: string, path: string): Promise<void> {
    const wanted = this.#options.digestOf(key)!;
    const got = await sha256OfFile(path);
    if (got.startsWith(wanted)) return;
    throw new StillhouseError({
      kind: 'integrity',
      what: 'the object store gave other bytes than were written',
      where: `${this.#options.store.url}/${key}`,
      wanted: `content with a sha256 that starts with ${wanted}`,
      got,
      next: 'run `stillhouse cache verify --repair` on the store; the affected rows are computed again by the next run',
    });
  }

  async #touch(path: string): Promise<void> {
    const now = new Date(this.#options.clock.nowIso());
    try {
      await fsp.utimes(path, now, now);
    } catch (error) {
      // evicted by another process meanwhile: the open file stays
      if (systemCodeOf(error) !== 'ENOENT') throw error;
    }
  }

  /** Makes room for a copy, then has it brought. One that was not brought is counted until the limit is reached, and then no more. */
  async #withRoom(key: string, sizeBytes: number, bring: () => Promise<void>): Promise<void> {
    await this.#oneAtATime(() => this.#makeRoom(key, sizeBytes));
    try {
      await bring();
    } finally {
      this.#coming.delete(key);
      this.#changed();
    }
  }

  /**
   * Evicts what was not used for longest until another `sizeBytes` fit. Copies on their way, and those about to be opened, are waited
   * for: then they can go too.
   */
  async #makeRoom(key: string, sizeBytes: number): Promise<void> {
    const { maxBytes } = this.#options;
    this.#sinceCount += 1;
    const isCounted = this.#totalBytes !== null && this.#sinceCount < COUNT_EVERY;
    if (!isCounted || this.#totalBytes! + sizeBytes > maxBytes)
      for (;;) {
        const before = this.#changes;
        const isBusy = await this.#evict(key, maxBytes - sizeBytes);
        if (!isBusy || this.#totalBytes! + sizeBytes <= maxBytes) break;
        if (this.#changes === before) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    this.#coming.set(key, sizeBytes);
    this.#totalBytes! += sizeBytes;
  }

  /** Counts anew and brings the total down to `keepBytes`, as far as it can. Whether more can go later. */
  async #evict(key: string, keepBytes: number): Promise<boolean> {
    const before = [...this.#coming];
    const { copies, stagedBytes } = await this.#found();
    let total = stagedBytes;
    for (const { sizeBytes } of copies.values()) total += sizeBytes;
    // one that arrived while the folder was read may not have been seen there
    for (const [coming, sizeBytes] of new Map([...before, ...this.#coming]))
      if (!copies.has(coming)) total += sizeBytes;
    let isBusy = this.#coming.size > 0;
    for (const [other, copy] of [...copies].sort(([, a], [, b]) => a.usedAt - b.usedAt)) {
      if (total <= keepBytes) break;
      if (other === key) continue;
      if (this.#pinned.has(other)) {
        isBusy = true;
        continue;
      }
      await fsp.rm(this.#pathOf(other), { force: true });
      total -= copy.sizeBytes;
      this.counts.evicted += 1;
    }
    this.#totalBytes = total;
    this.#sinceCount = 0;
    return isBusy;
  }

  #changed(): void {
    this.#changes += 1;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Every copy of every process that shares the folder, and what others are fetching; what dead ones left is removed. */
  async #found(): Promise<{ readonly copies: ReadonlyMap<string, Copy>; readonly stagedBytes: number }> {
    const { root, digestOf } = this.#options;
    const copies = new Map<string, Copy>();
    let stagedBytes = 0;
    for (const entry of await filesBelow(root)) {
      const path = join(entry.parentPath, entry.name);
      const key = relative(root, path).split(sep).join('/');
      const isStaged = isStagingName(entry.name);
      // our own count as copies on their way
      if (isStaged ? isOwnStaging(entry.name) : digestOf(key) === null) continue;
      if (isDeadStaging(entry.name)) {
        await fsp.rm(path, { force: true });
        continue;
      }
      try {
        const { size, mtimeMs } = await fsp.stat(path);
        if (isStaged) stagedBytes += size;
        else copies.set(key, { sizeBytes: size, usedAt: mtimeMs });
      } catch (error) {
        if (systemCodeOf(error) !== 'ENOENT') throw error;
      }
    }
    return { copies, stagedBytes };
  }
}

async function filesBelow(root: string): Promise<Dirent[]> {
  try {
    const entries = await fsp.readdir(root, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile());
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw asStoreFailure(error, root);
  }
}

/** As a file system says it: callers know what to do about a file that is gone. */
export const gone = (where: string): Error =>
  Object.assign(new Error(`ENOENT: no such object, ${where}`), { code: 'ENOENT' });

async function sizeOrNull(path: string): Promise<number | null> {
  try {
    return (await fsp.stat(path)).size;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw asStoreFailure(error, path);
  }
}
