/**
 * Commits targets: parts first (staged, fsynced, re-read and checked, renamed), then one journal entry for all of them. Killed at
 * any point, a cache holds what was journalled before; finished orphans are adopted by the next writer, broken ones set aside.
 */
import { join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { sha256 } from '../core/digest.ts';
import { StillhouseError } from '../core/failure.ts';
import { type TensorPart, encodePart } from '../format/tensor-part.ts';
import { readPartIndex, readPartLayout } from '../format/tensor-part-layout.ts';
import { writeAtomic } from '../store/atomic.ts';
import { type CommitFs, asStoreFailure, nodeFs } from '../store/commit-fs.ts';
import { isAlive } from '../store/lease.ts';
import { ensureCache, registerSpace } from './catalogue.ts';
import { type PartEntry, appendJournal, listOrNone, readJournals } from './journal.ts';
import { type SpaceDescriptor, spaceFolderName, spaceIdOf } from './space.ts';

export interface PartToWrite {
  readonly space: SpaceDescriptor;
  readonly part: Omit<TensorPart, 'metadata'>;
  /** Rows that are not ok, with the reason. */
  readonly failures: readonly { readonly row: number; readonly reason: string }[];
}

export interface WriterOptions {
  readonly root: string;
  /** Names this writer's journal; unique among all that ever wrote here. */
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

  /** Opens the cache for writing and puts in order what dead writers left. */
  static async open(
    options: WriterOptions,
  ): Promise<{ writer: CacheWriter; adopted: number; quarantined: number }> {
    const writer = new CacheWriter(options);
    await ensureCache(options.root, writer.#fs);
    return { writer, ...(await writer.#recover()) };
  }

  /** Commits the parts together: after it resolves they are durable; if it rejects, none of them is listed. */
  async commit(parts: readonly PartToWrite[]): Promise<PartEntry[]> {
    const { root } = this.#options;
    const entries: PartEntry[] = [];
    for (const { space, part, failures } of parts) {
      await registerSpace(root, space, this.#fs);
      const metadata = {
        'stillhouse.space': spaceIdOf(space),
        'stillhouse.label': `${space.teacher.name}@${space.sizePx}.${space.tap.kind}`,
        'stillhouse.codec': space.codec.id,
        ...(failures.length > 0 ? { 'stillhouse.failures': JSON.stringify(failures) } : {}),
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
    await appendJournal(
      root,
      { v: 1, op: 'add', writer, seq: this.#seq, at: clock.nowIso(), parts },
      this.#fs,
    );
    this.#seq += 1;
  }

  async #checkWritten(path: string, hash: string): Promise<void> {
    const got = sha256(await this.#fs.read(path));
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

  /** Adopts parts that no journal lists when name, footer and digest agree; sets others aside in `quarantine/`. */
  async #recover(): Promise<{ adopted: number; quarantined: number }> {
    const { root } = this.#options;
    const listed = new Set(
      (await readJournals(root, this.#fs)).flatMap((entry) => entry.parts.map((part) => part.file)),
    );
    const adopted: PartEntry[] = [];
    let quarantined = 0;
    for (const folder of await listOrNone(join(root, 'data'), this.#fs)) {
      await this.#dropStaging(join(root, 'data', folder));
      for (const name of (await listOrNone(join(root, 'data', folder), this.#fs)).sort()) {
        const file = `${folder}/${name}`;
        if (listed.has(file)) continue;
        const entry = await this.#inspectOrphan(file);
        if (entry) adopted.push(entry);
        else {
          await this.#quarantine(file);
          quarantined += 1;
        }
      }
    }
    if (adopted.length > 0) await this.#list(adopted);
    return { adopted: adopted.length, quarantined };
  }

  async #inspectOrphan(file: string): Promise<PartEntry | null> {
    const path = join(this.#options.root, 'data', file);
    const bytes = await this.#fs.read(path);
    const hash = sha256(bytes);
    const read = (offset: number, length: number): Promise<Uint8Array> =>
      Promise.resolve(bytes.slice(offset, offset + length));
    try {
      const layout = await readPartLayout(read, bytes.length, path);
      await readPartIndex(read, layout);
      const name = file.slice(file.indexOf('/') + 1);
      const space = layout.metadata.get('stillhouse.space');
      const fits = name === `${layout.rows}.${hash.slice(0, 32)}.arrow` && file.includes(`.${space ?? '?'}/`);
      return fits ? { file, rows: layout.rows, sizeBytes: bytes.length, sha256: hash } : null;
    } catch (error) {
      if (error instanceof StillhouseError) return null;
      throw error;
    }
  }

  async #quarantine(file: string): Promise<void> {
    const { root } = this.#options;
    const target = join(root, 'quarantine', file.replaceAll('/', '__'));
    await this.#fs.makeFolder(join(root, 'quarantine'));
    await this.#fs.rename(join(root, 'data', file), target);
  }

  /** Staging files of dead processes. Those of a living one (another writer) stay. */
  async #dropStaging(folder: string): Promise<void> {
    let names: string[];
    try {
      names = await this.#fs.list(folder);
    } catch (error) {
      throw asStoreFailure(error, folder);
    }
    for (const name of names) {
      const pid = /^\.(?:write|put)\.(\d+)-\d+\.tmp$/.exec(name)?.[1];
      if (pid !== undefined && !isAlive(Number(pid))) await this.#fs.remove(join(folder, name));
    }
  }
}
