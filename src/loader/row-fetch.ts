/**
 * Brings the rows of a batch to their places: plans the reads, has the threads carry them out, and checks each row's CRC when it is
 * touched first. What a local copy of a remote part got wrong is fetched once more.
 */
import { OpenFiles } from '../cache/open-files.ts';
import { isStillhouseError, systemCodeOf } from '../core/failure.ts';
import { type CommitFs, asStoreFailure } from '../store/commit-fs.ts';
import type { BadRow } from './bad-rows.ts';
import type { BatchBuffer } from './buffer-pool.ts';
import type { SpaceCoding } from './job-protocol.ts';
import type { Jobs } from './jobs.ts';
import { READ_LIMITS, type RowNeed, planReads, withDescriptors } from './read-plan.ts';
import type { RowTable } from './row-table.ts';

const OPEN_FILES = 256;
/** Parts opened ahead at once: a remote one is copied whole. */
const PREFETCHES = 4;

export interface RowFetchInput {
  readonly fs: CommitFs;
  /** As the tables have them: of targets, then of pixels. */
  readonly spaces: readonly Pick<SpaceCoding, 'storedBytes' | 'rowBytes'>[];
  readonly tables: readonly RowTable[];
  /** Byte of the batch where the first row of each space goes. */
  readonly at: readonly number[];
  /** Of the batch's buffer, see {@link BatchLayout.scratchAt}. */
  readonly scratchAt: number;
  /** Threads that share the work; 0: the caller's. */
  readonly workers: number;
}

/** A row of a sample, and where it goes. */
export interface WantedRow {
  readonly space: number;
  readonly dataset: number;
  readonly sample: number;
  readonly slot: number;
}

export type UnservedRow = BadRow & Pick<WantedRow, 'slot' | 'space'>;

interface Need extends RowNeed {
  readonly path: string;
  /** Of its part: 1 where a row's checksum was checked. */
  readonly verified: Uint8Array;
}

export class RowFetch {
  readonly counts = { reads: 0, bytesRead: 0 };
  readonly #input: RowFetchInput;
  readonly #jobs: Jobs;
  readonly #files = new OpenFiles(OPEN_FILES);
  readonly #verified: readonly (readonly Uint8Array[])[];
  /** Parts that were opened ahead. */
  readonly #met = new Set<string>();
  readonly #prefetching = new Set<Promise<unknown>>();
  readonly #toPrefetch: string[] = [];

  constructor(input: RowFetchInput, jobs: Jobs) {
    this.#input = input;
    this.#jobs = jobs;
    this.#verified = input.tables.map(({ parts }) => parts.map(({ layout }) => new Uint8Array(layout.rows)));
  }

  /**
   * Returns the rows that could not be served; their places are zeroed.
   * @throws StillhouseError environment when a part cannot be opened for a reason that lies in no part: no policy covers that.
   */
  async read(buffer: BatchBuffer, rows: readonly WantedRow[]): Promise<UnservedRow[]> {
    const needs = this.#needsOf(rows);
    const bad = await this.#readAll(buffer, needs);
    if (bad.length === 0) return bad;
    const again = new Set<string>();
    for (const path of new Set(bad.filter(({ reason }) => reason !== 'gone').map(({ path }) => path)))
      if (await this.#input.fs.dropCopy(path)) {
        await this.#files.forget(path);
        again.add(path);
      }
    if (again.size === 0) return bad;
    const isAgain = new Set(
      bad.filter(({ path }) => again.has(path)).map(({ slot, space }) => `${slot}/${space}`),
    );
    const retried = await this.#readAll(
      buffer,
      needs.filter(({ slot, space }) => isAgain.has(`${slot}/${space}`)),
    );
    return [...bad.filter(({ path }) => !again.has(path)), ...retried];
  }

  /** Opens the parts of rows that are needed later, so that remote ones are on their way. */
  prefetch(rows: readonly WantedRow[]): void {
    for (const { dataset, space, sample } of rows) {
      const table = this.#input.tables[dataset]!;
      const { path } = table.parts[table.partOf(space, sample)]!;
      if (this.#met.has(path)) continue;
      this.#met.add(path);
      this.#toPrefetch.push(path);
    }
    while (this.#prefetching.size < PREFETCHES && this.#toPrefetch.length > 0) this.#prefetchNext();
  }

  #prefetchNext(): void {
    const path = this.#toPrefetch.shift();
    if (path === undefined) return;
    const { fs } = this.#input;
    const opening: Promise<void> = this.#files
      .use({ path, fs }, () => Promise.resolve())
      // a part that cannot be opened is told of where its rows are due
      .catch(() => undefined)
      .then(() => {
        this.#prefetching.delete(opening);
        this.#prefetchNext();
      });
    this.#prefetching.add(opening);
  }

  /** Waits for what is being opened, and closes the files. */
  async close(): Promise<void> {
    this.#toPrefetch.length = 0;
    await Promise.allSettled(this.#prefetching);
    await this.#files.close();
  }

  #needsOf(rows: readonly WantedRow[]): Need[] {
    const { tables, spaces, at: starts } = this.#input;
    const files = new Map<string, number>();
    return rows.map(({ dataset, space, sample, slot }) => {
      const table = tables[dataset]!;
      const at = table.partOf(space, sample);
      const { path, layout: part, index } = table.parts[at]!;
      const row = table.rowOf(space, sample);
      if (!files.has(path)) files.set(path, files.size);
      this.#met.add(path);
      const { storedBytes, rowBytes } = spaces[space]!;
      return {
        path,
        file: files.get(path)!,
        offset: part.at.payload + row * storedBytes,
        storedBytes,
        writeAt: starts[space]! + slot * rowBytes,
        crc32: index.crc32[row]!,
        space,
        slot,
        row,
        verified: this.#verified[dataset]![at]!,
      };
    });
  }

  async #readAll({ buffer, memory, id }: BatchBuffer, needs: readonly Need[]): Promise<UnservedRow[]> {
    const paths = new Map(needs.map(({ file, path }) => [file, path]));
    const { fs, workers } = this.#input;
    const held = new Map(
      await Promise.all(
        [...paths].map(async ([file, path]) => {
          const [outcome] = await Promise.allSettled([this.#files.hold({ path, fs })]);
          return [file, outcome] as const;
        }),
      ),
    );
    const bad: UnservedRow[] = [];
    try {
      const open = needs.filter(({ file, slot, space, row, path }) => {
        const opened = held.get(file)!;
        if (opened.status === 'fulfilled') return true;
        bad.push({ slot, space, row, path, ...openingTrouble(opened.reason, path) });
        return false;
      });
      const jobs = planReads(
        open.map((need) => ({ ...need, crc32: need.verified[need.row] === 1 ? -1 : need.crc32 })),
        { ...READ_LIMITS, jobs: Math.max(1, 2 * workers) },
      );
      await Promise.all(
        jobs.map(async ({ runs, rows, needs: planned }) => {
          const descriptors = withDescriptors(runs, (file) => {
            const opened = held.get(file)!;
            if (opened.status === 'rejected') throw new Error('internal: a run of a file that is not open');
            return opened.value.fd;
          });
          const result = await this.#jobs.run('rows', {
            buffer,
            memory,
            bufferId: id,
            scratchAt: this.#input.scratchAt,
            runs: descriptors,
            rows,
          });
          this.counts.reads += result.reads;
          this.counts.bytesRead += result.bytesRead;
          const failed = new Map(result.bad.map(([i, reason, detail]) => [i, { reason, detail }]));
          planned.forEach(({ verified, row, slot, space, path }, i) => {
            const trouble = failed.get(i);
            if (trouble === undefined) verified[row] = 1;
            else bad.push({ slot, space, row, path, ...trouble });
          });
        }),
      );
      return bad;
    } finally {
      for (const outcome of held.values()) if (outcome.status === 'fulfilled') await outcome.value.release();
    }
  }
}

/**
 * What is wrong with a part that could not be opened.
 * @throws StillhouseError when it is not the part: a store that is out of reach, no more descriptors, no permission.
 */
function openingTrouble(error: unknown, path: string): Pick<BadRow, 'reason' | 'detail'> {
  const detail = error instanceof Error ? error.message : String(error);
  if (isStillhouseError(error, 'integrity')) return { reason: 'damaged', detail: error.failure.what };
  const code = systemCodeOf(error);
  if (code === 'ENOENT') return { reason: 'gone', detail };
  if (code === 'EIO') return { reason: 'unreadable', detail };
  throw asStoreFailure(error, path);
}
