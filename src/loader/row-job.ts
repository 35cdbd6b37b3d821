/**
 * Reading rows of part files straight into a batch's buffer: the work that is sent to a worker thread, and its execution. Rows that
 * lie next to each other in a file are read with one call, each to its own place; a small gap is read over. Every byte is copied
 * once, from the page cache to where the consumer finds it, unless the codec has to be undone.
 */
import { readSync, readvSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { CRC_SCRATCH_BYTES, RowChecksum } from '../core/wasm/crc32-kernel.ts';
import type { SharedMemory } from '../core/wasm/kernels.ts';
import type { RowDecoder } from './row-decoder.ts';

/** Buffers whose kernel a thread keeps: more than a loader has, and not all that consumers keep. */
const CHECKSUMS = 8;

/** Numbers per row in {@link RowJob.rows}. */
export const ROW_FIELDS = 6;
/** Numbers per run in {@link RowJob.runs}. */
export const RUN_FIELDS = 2;

/** Plain numbers in few objects: a job is cloned when it is sent to a thread. */
export interface RowJob {
  readonly buffer: SharedArrayBuffer | ArrayBuffer;
  /** The same bytes for the kernel that checks rows; null: they are checked without. */
  readonly memory: SharedMemory | null;
  /** Tells buffers apart. */
  readonly bufferId: number;
  /** Byte of the first thread's scratch. */
  readonly scratchAt: number;
  /** [n, 2]: file descriptor, rows of the run. */
  readonly runs: Float64Array;
  /** [m, 6], run by run, ascending by offset: file offset, destination byte, crc32 or -1 if known good, space, dataset row, slot. */
  readonly rows: Float64Array;
}

export const BAD_REASONS = ['damaged', 'short', 'unreadable'] as const;
export type BadReason = (typeof BAD_REASONS)[number];

export interface RowResult {
  /** Index within the job and reason of each row that could not be served; its destination is zeroed. */
  readonly bad: readonly (readonly [row: number, reason: BadReason, detail: string])[];
  readonly reads: number;
  readonly bytesRead: number;
}

/** What a worker knows of a space before any job. */
export interface SpaceRows {
  /** Bytes of a row in its file, and in the batch. */
  readonly storedBytes: number;
  readonly rowBytes: number;
  /** Undoes the codec; null when the stored bytes are what is delivered. */
  readonly decoder: RowDecoder | null;
}

export class RowReader {
  readonly #spaces: readonly SpaceRows[];
  /** Stored bytes on their way to a decoder, and gaps. */
  #scratch = new Uint8Array(0);
  readonly #thread: number;
  /** By buffer, the one that was used last behind. */
  readonly #checksums = new Map<number, RowChecksum>();

  /** @param thread 0: the caller's. */
  constructor(spaces: readonly SpaceRows[], thread: number) {
    this.#spaces = spaces;
    this.#thread = thread;
  }

  run(job: RowJob): RowResult {
    const { runs, rows } = job;
    const bad: [number, BadReason, string][] = [];
    let [first, bytesRead] = [0, 0];
    for (let r = 0; r < runs.length; r += RUN_FIELDS) {
      const count = runs[r + 1]!;
      bytesRead += this.#readRun(job, { fd: runs[r]!, first, count }, bad);
      first += count;
    }
    const bytes = new Uint8Array(job.buffer);
    for (const [row] of bad) {
      const at = rows[row * ROW_FIELDS + 1]!;
      bytes.fill(0, at, at + this.#spaces[rows[row * ROW_FIELDS + 3]!]!.rowBytes);
    }
    return { bad, reads: runs.length / RUN_FIELDS, bytesRead };
  }

  #readRun(
    job: RowJob,
    run: { readonly fd: number; readonly first: number; readonly count: number },
    bad: [number, BadReason, string][],
  ): number {
    const { rows } = job;
    const start = rows[run.first * ROW_FIELDS]!;
    const pieces = this.#piecesOf(job, run);
    const checksum = this.#checksumOf(job);
    let got = 0;
    try {
      got = readAll(run.fd, pieces, start);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      for (let i = 0; i < run.count; i++) bad.push([run.first + i, 'unreadable', error.message]);
      return 0;
    }
    for (let i = 0; i < run.count; i++) {
      const at = (run.first + i) * ROW_FIELDS;
      const space = this.#spaces[rows[at + 3]!]!;
      const bytes = pieces[2 * i]!;
      const end = rows[at]! - start + space.storedBytes;
      if (end > got)
        bad.push([run.first + i, 'short', `${Math.max(0, got - end + space.storedBytes)} bytes`]);
      else if (
        rows[at + 2]! >= 0 &&
        (checksum === null || space.decoder !== null
          ? crc32(bytes)
          : checksum.of(rows[at + 1]!, space.storedBytes)) !== rows[at + 2]!
      )
        bad.push([run.first + i, 'damaged', 'another checksum']);
      else if (space.decoder !== null) space.decoder.decode(bytes, job.buffer, rows[at + 1]!);
    }
    return got;
  }

  #checksumOf({ memory, bufferId, scratchAt }: RowJob): RowChecksum | null {
    if (memory === null) return null;
    const known = this.#checksums.get(bufferId);
    const checksum = known ?? new RowChecksum(memory, scratchAt + this.#thread * CRC_SCRATCH_BYTES);
    this.#checksums.delete(bufferId);
    this.#checksums.set(bufferId, checksum);
    if (this.#checksums.size > CHECKSUMS) this.#checksums.delete(this.#checksums.keys().next().value!);
    return checksum;
  }

  /** Row, gap, row, gap, ..., row: where each stretch of the file goes. Gaps share one place: nobody reads them. */
  #piecesOf(job: RowJob, { first, count }: { readonly first: number; readonly count: number }): Uint8Array[] {
    const { rows, buffer } = job;
    const gaps: number[] = [0];
    let [decoded, longestGap] = [0, 0];
    for (let i = 0; i < count; i++) {
      const at = (first + i) * ROW_FIELDS;
      const { storedBytes, decoder } = this.#spaces[rows[at + 3]!]!;
      if (decoder !== null) decoded += Math.ceil(storedBytes / 8) * 8;
      if (i + 1 === count) break;
      gaps.push(rows[at + ROW_FIELDS]! - rows[at]! - storedBytes);
      longestGap = Math.max(longestGap, gaps.at(-1)!);
    }
    if (this.#scratch.length < decoded + longestGap) this.#scratch = new Uint8Array(decoded + longestGap);
    const scratch = this.#scratch;
    const pieces: Uint8Array[] = [];
    let used = 0;
    for (let i = 0; i < count; i++) {
      const at = (first + i) * ROW_FIELDS;
      const { storedBytes, decoder } = this.#spaces[rows[at + 3]!]!;
      if (i > 0) pieces.push(scratch.subarray(scratch.length - gaps[i]!));
      if (decoder === null) pieces.push(new Uint8Array(buffer, rows[at + 1], storedBytes));
      else {
        pieces.push(scratch.subarray(used, used + storedBytes));
        used += Math.ceil(storedBytes / 8) * 8;
      }
    }
    return pieces;
  }
}

/** Fills the pieces one behind the other with the file's bytes from `position` on; returns how many there were. */
function readAll(fd: number, pieces: readonly Uint8Array[], position: number): number {
  let got = pieces.length > 1 ? readvSync(fd, pieces, position) : 0;
  let start = 0;
  for (const piece of pieces) {
    // a call may give less than was asked; only one that gives nothing is the end of the file
    while (got < start + piece.length) {
      const read = readSync(fd, piece, got - start, start + piece.length - got, position + got);
      if (read === 0) return got;
      got += read;
    }
    start += piece.length;
  }
  return got;
}
