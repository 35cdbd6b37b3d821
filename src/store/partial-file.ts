/**
 * A file on its way here: what has come lies in `data`, and `state.json` says of which version of which file it is, so that a
 * later process can go on where a killed one stopped. Whoever uses a folder holds its lease.
 */
import { type Hash, createHash } from 'node:crypto';
import { constants } from 'node:fs';
import * as fsp from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { canonicalJson } from '../core/canonical-json.ts';
import { systemCodeOf } from '../core/failure.ts';
import type { Digest } from '../core/ids.ts';
import { writeAtomic } from './atomic.ts';
import { asStoreFailure, nodeFs } from './commit-fs.ts';

const stateSchema = z.strictObject({
  v: z.literal(1),
  url: z.string(),
  /** A strong ETag or a Last-Modified, for If-Range; null when the server gave neither. */
  validator: z.string().nullable(),
  /** Whole size; null when the server did not tell. */
  totalBytes: z.int().nullable(),
  /** sha256 that the server announced. */
  sha256: z.string().nullable(),
});

/** What the bytes in `data` are the beginning of. */
export type PartialState = z.infer<typeof stateSchema>;

/** Writes all of `bytes` at an offset; a parameter so that tests can fill the disk. */
export type WriteAt = (file: fsp.FileHandle, bytes: Uint8Array, at: number) => Promise<void>;

export const writeAllAt: WriteAt = async (file, bytes, at) => {
  for (let done = 0; done < bytes.length;)
    done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
};

export class PartialFile {
  readonly path: string;
  readonly #folder: string;
  readonly #file: fsp.FileHandle;
  readonly #write: WriteAt;
  #hash: Hash;
  #sizeBytes: number;
  #state: PartialState | null;

  private constructor(folder: string, opened: Opened, write: WriteAt) {
    this.path = join(folder, 'data');
    this.#folder = folder;
    this.#file = opened.file;
    this.#hash = opened.hash;
    this.#sizeBytes = opened.sizeBytes;
    this.#state = opened.state;
    this.#write = write;
  }

  /** @throws StillhouseError environment when the folder cannot be used */
  static async open(folder: string, write: WriteAt = writeAllAt): Promise<PartialFile> {
    const path = join(folder, 'data');
    try {
      await nodeFs.makeFolder(folder);
      const file = await fsp.open(path, constants.O_RDWR | constants.O_CREAT, 0o644);
      try {
        const state = await readState(folder);
        // bytes of unknown origin are no beginning of anything
        if (state === null) await file.truncate(0);
        const hash = createHash('sha256');
        let sizeBytes = 0;
        const before = file.createReadStream({ start: 0, autoClose: false });
        for await (const piece of before as AsyncIterable<Buffer>) {
          hash.update(piece);
          sizeBytes += piece.length;
        }
        return new PartialFile(folder, { file, hash, sizeBytes, state }, write);
      } catch (error) {
        await file.close();
        throw error;
      }
    } catch (error) {
      throw asStoreFailure(error, path);
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Null while nothing is known about what the bytes are. */
  get state(): PartialState | null {
    return this.#state;
  }

  /** sha256 of the bytes so far. */
  digest(): Digest {
    return this.#hash.copy().digest('hex') as Digest;
  }

  /** Drops the bytes, and what they were the beginning of. */
  async restart(): Promise<void> {
    await this.#guarded(() => this.#file.truncate(0));
    this.#hash = createHash('sha256');
    this.#sizeBytes = 0;
    this.#state = null;
  }

  /** Says what the bytes to come are; durable before the first of them. */
  async begin(state: PartialState): Promise<void> {
    await writeAtomic(join(this.#folder, 'state.json'), `${canonicalJson(state)}\n`);
    this.#state = state;
  }

  async append(bytes: Uint8Array): Promise<void> {
    await this.#guarded(() => this.#write(this.#file, bytes, this.#sizeBytes));
    this.#hash.update(bytes);
    this.#sizeBytes += bytes.length;
  }

  sync(): Promise<void> {
    return this.#guarded(() => this.#file.sync());
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #guarded(call: () => Promise<void>): Promise<void> {
    try {
      await call();
    } catch (error) {
      throw asStoreFailure(error, this.path);
    }
  }
}

interface Opened {
  readonly file: fsp.FileHandle;
  readonly hash: Hash;
  readonly sizeBytes: number;
  readonly state: PartialState | null;
}

async function readState(folder: string): Promise<PartialState | null> {
  try {
    const parsed = stateSchema.safeParse(JSON.parse(await fsp.readFile(join(folder, 'state.json'), 'utf8')));
    return parsed.success ? parsed.data : null;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT' || error instanceof SyntaxError) return null;
    throw error;
  }
}
