/**
 * Commits targets: parts first (staged, fsynced, re-read and checked, renamed), then one journal entry for all of them. Killed at
 * any point, a cache holds what was journalled before; finished orphans are adopted by the next writer, broken ones set aside.
 */
import { join } from 'node:path';
import { type Json, canonicalJson } from '../core/canonical-json.ts';
import type { Clock } from '../core/clock.ts';
import { sha256 } from '../core/digest.ts';
import { StillhouseError } from '../core/failure.ts';
import { type TensorPart, encodePart } from '../format/tensor-part.ts';
import { writeAtomic } from '../store/atomic.ts';
import { type CommitFs, asStoreFailure, nodeFs } from '../store/commit-fs.ts';
import { ensureCache } from './catalogue.ts';
import { type PartEntry, appendJournal } from './journal.ts';
import { recoverOrphans } from './recover.ts';
import { type CodecError, CODEC_ERROR } from './codecs/codec-error.ts';
import { type SpaceDescriptor, exactSpaceIdOf, spaceFolderName, spaceIdOf, spaceLabel } from './space.ts';
import { registerSpace } from './space-files.ts';

export interface PartToWrite {
  readonly space: SpaceDescriptor;
  readonly part: Omit<TensorPart, 'metadata'>;
  /** Rows that are not ok, with the reason. */
  readonly failures: readonly { readonly row: number; readonly reason: string }[];
  /** What storing cost on the rows of this part; null where nothing is lost. */
  readonly codecError: CodecError | null;
}

export interface WriterOptions {
  readonly root: string;
  /** Names this writer's journal; best unique among all that ever wrote here, which keeps each journal in order of time. */
  readonly writer: string;
  readonly clock: Clock;
  readonly fs?: CommitFs;
}

export class CacheWriter {
  readonly #options: WriterOptions;
  readonly #fs: CommitFs;
  #seq = 0;

  private constructor(options: WriterOptions) {
    this.#options = options;
    this.#fs = options.fs ?? nodeFs;
  }

  /**
   * Opens the cache for writing and puts in order what dead writers left: finished parts that no journal lists are adopted,
   * broken ones set aside in `quarantine/`.
   */
  static async open(
    options: WriterOptions,
  ): Promise<{ writer: CacheWriter; adopted: number; quarantined: number }> {
    const writer = new CacheWriter(options);
    await ensureCache(options.root, writer.#fs);
    const { adopted, quarantined } = await recoverOrphans(options.root, writer.#fs);
    if (adopted.length > 0) await writer.#list(adopted);
    return { writer, adopted: adopted.length, quarantined };
  }

  /**
   * Commits the parts together: after it resolves they are durable. If it rejects, either none of them is listed or, when only
   * the last fsync failed, all are; what was committed before is untouched, and the same commit can be tried again.
   */
  async commit(parts: readonly PartToWrite[]): Promise<PartEntry[]> {
    if (parts.length === 0) return [];
    const { root } = this.#options;
    const entries: PartEntry[] = [];
    for (const { space, part, failures, codecError } of parts) {
      await registerSpace(root, space, this.#fs);
      const metadata = {
        'stillhouse.space': spaceIdOf(space),
        'stillhouse.label': spaceLabel(space),
        'stillhouse.exact-space': exactSpaceIdOf(space),
        'stillhouse.codec': canonicalJson(space.codec as unknown as Json),
        ...(failures.length > 0 ? { 'stillhouse.failures': JSON.stringify(failures) } : {}),
        ...(codecError === null ? {} : { [CODEC_ERROR]: JSON.stringify(codecError) }),
      };
      const bytes = encodePart({ ...part, metadata });
      const hash = sha256(bytes);
      const file = `${spaceFolderName(space)}/${part.rows}.${hash.slice(0, 32)}.arrow`;
      const path = join(root, 'data', file);
      await writeAtomic(path, bytes, this.#fs);
      await this.#checkWritten(path, hash);
      entries.push({ file, rows: part.rows, sizeBytes: bytes.length, sha256: hash });
    }
    await this.#list(entries);
    return entries;
  }

  async #list(parts: PartEntry[]): Promise<void> {
    const { root, writer, clock } = this.#options;
    const entry = { v: 1, op: 'add', writer, seq: this.#seq, at: clock.nowIso(), parts } as const;
    this.#seq = (await appendJournal(root, entry, this.#fs)) + 1;
  }

  async #readBack(path: string): Promise<Uint8Array> {
    try {
      return await this.#fs.read(path);
    } catch (error) {
      throw asStoreFailure(error, path);
    }
  }

  async #checkWritten(path: string, hash: string): Promise<void> {
    const got = sha256(await this.#readBack(path));
    if (got !== hash)
      throw new StillhouseError({
        kind: 'integrity',
        what: 'the disk gave back other bytes than were written',
        where: path,
        wanted: `sha256 ${hash}`,
        got,
        next: 'check the disk; nothing was listed, so the next run computes these rows again',
      });
  }
}
