/**
 * Which reads bring a batch's rows to their places: rows sorted by file and offset, neighbours merged into one read, the whole cut
 * into jobs of similar size. Pure.
 */
import { ROW_FIELDS, RUN_FIELDS } from './row-job.ts';

/** One row that a batch needs. */
export interface RowNeed {
  /** Index of the file. */
  readonly file: number;
  readonly offset: number;
  readonly storedBytes: number;
  /** Byte of the batch where it goes. */
  readonly writeAt: number;
  /** -1: was checked before. */
  readonly crc32: number;
  readonly space: number;
  readonly slot: number;
  /** Row within its part. */
  readonly row: number;
}

export interface ReadLimits {
  /** Bytes between two rows that are read over rather than skipped with a second call. */
  readonly gapBytes: number;
  /** Bytes of one read: rows are checked while they are still in the processor's cache. */
  readonly runBytes: number;
  /** Jobs to cut a batch into, at most. */
  readonly jobs: number;
  /** Smaller jobs are not worth sending. */
  readonly leastJobBytes: number;
}

export const READ_LIMITS: Omit<ReadLimits, 'jobs'> = {
  gapBytes: 4096,
  runBytes: 2 ** 20,
  leastJobBytes: 2 ** 20,
};

/** Most rows of one run: the kernel takes 1024 pieces, a gap lies between every two rows. */
const RUN_ROWS = 256;

/** A job whose descriptors are still indices of files. */
export interface PlannedJob<Need extends RowNeed = RowNeed> {
  /** [n, 2]: file, rows. */
  readonly runs: Float64Array;
  /** [m, 6], see RowJob. */
  readonly rows: Float64Array;
  /** The needs, in the order of `rows`. */
  readonly needs: readonly Need[];
  readonly bytes: number;
}

export function planReads<Need extends RowNeed>(
  needs: readonly Need[],
  limits: ReadLimits,
): PlannedJob<Need>[] {
  const sorted = [...needs].sort((a, b) => a.file - b.file || a.offset - b.offset);
  const total = sorted.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
  const jobBytes = Math.max(limits.leastJobBytes, Math.ceil(total / limits.jobs));
  const jobs: Need[][][] = [];
  let open: Need[][] = [];
  let openBytes = 0;
  for (const run of runsOf(sorted, limits)) {
    open.push(run);
    openBytes += run.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
    if (openBytes < jobBytes) continue;
    jobs.push(open);
    [open, openBytes] = [[], 0];
  }
  if (open.length > 0) jobs.push(open);
  return jobs.map((runs) => packed(runs));
}

/** Rows that one call reads: of one file, close to each other, never overlapping. */
function runsOf<Need extends RowNeed>(sorted: readonly Need[], { gapBytes, runBytes }: ReadLimits): Need[][] {
  const runs: Need[][] = [];
  let run: Need[] = [];
  for (const need of sorted) {
    const [first, last] = [run[0], run.at(-1)];
    const end = last === undefined ? 0 : last.offset + last.storedBytes;
    const joins =
      first?.file === need.file &&
      need.offset >= end &&
      need.offset - end <= gapBytes &&
      need.offset + need.storedBytes - first.offset <= runBytes &&
      run.length < RUN_ROWS;
    if (joins) run.push(need);
    else runs.push((run = [need]));
  }
  return runs;
}

function packed<Need extends RowNeed>(runs: readonly (readonly Need[])[]): PlannedJob<Need> {
  const needs = runs.flat();
  const rows = new Float64Array(needs.length * ROW_FIELDS);
  needs.forEach(({ offset, writeAt, crc32, space, row, slot }, i) =>
    rows.set([offset, writeAt, crc32, space, row, slot], i * ROW_FIELDS),
  );
  return {
    runs: Float64Array.from(runs.flatMap((run) => [run[0]!.file, run.length])),
    rows,
    needs,
    bytes: needs.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
  };
}

/** Bytes that each run of a job reads, gaps included. */
export function runSpans({ runs, needs }: PlannedJob): number[] {
  const spans: number[] = [];
  for (let i = 1, at = 0; i < runs.length; i += RUN_FIELDS) {
    const [first, last] = [needs[at]!, needs[at + runs[i]! - 1]!];
    spans.push(last.offset + last.storedBytes - first.offset);
    at += runs[i]!;
  }
  return spans;
}

/** The job with the descriptors of its files in place. */
export function withDescriptors(runs: Float64Array, descriptorOf: (file: number) => number): Float64Array {
  return runs.map((value, i) => (i % RUN_FIELDS === 0 ? descriptorOf(value) : value));
}
