/**
 * What has been committed: one folder per writer, one small file per commit, never rewritten. A part counts only when a journal
 * entry lists it, so a reader can never see half a commit; writers share no file, so they need no lock
 * (formats-and-loaders.md §6.3).
 *
 * Entries of different writers have no order. A drop therefore names the entries that it takes back: a part that is committed
 * again, before or after, under the same name is listed by an entry that no drop names.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { canonicalJson } from '../core/canonical-json.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { writeIfAbsent } from '../store/atomic.ts';
import type { CommitFs } from '../store/commit-fs.ts';

const partEntry = z.strictObject({
  /** `<space folder>/<rows>.<digest>.arrow` below `data/`. */
  file: z.string().regex(/^[^/.][^/]*\/\d+\.[0-9a-f]{32}\.arrow$/),
  rows: z.int().min(1),
  sizeBytes: z.int().min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
const writtenBy = { writer: z.string(), seq: z.int().min(0) };
const head = { v: z.literal(1), ...writtenBy, at: z.string() };
const listing = z.strictObject({ ...writtenBy, file: partEntry.shape.file });
const journalEntry = z.discriminatedUnion('op', [
  z.strictObject({ ...head, op: z.literal('add'), parts: z.array(partEntry).min(1) }),
  z.strictObject({ ...head, op: z.literal('drop'), listings: z.array(listing).min(1) }),
]);

export type PartEntry = z.infer<typeof partEntry>;
export type JournalEntry = z.infer<typeof journalEntry>;
/** One file in one entry that added it. */
export type Listing = z.infer<typeof listing>;

const seqName = (seq: number): string => `${String(seq).padStart(12, '0')}.json`;

/** Adds an entry under the first free number from `entry.seq` on and returns that number: no entry is ever replaced. */
export async function appendJournal(root: string, entry: JournalEntry, fs: CommitFs): Promise<number> {
  for (let seq = entry.seq; ; seq++) {
    const path = join(root, 'log', entry.writer, seqName(seq));
    if (await writeIfAbsent(path, `${canonicalJson({ ...entry, seq })}\n`, fs)) return seq;
  }
}

/** Every entry of every writer, ordered by writer and sequence. A missing `log` is an empty cache. */
async function readJournals(root: string, fs: CommitFs): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for (const writer of (await listOrNone(join(root, 'log'), fs)).sort()) {
    const folder = join(root, 'log', writer);
    for (const name of (await listOrNone(folder, fs)).sort()) {
      if (!/^\d{12}\.json$/.test(name)) continue;
      entries.push(parseEntry(await fs.read(join(folder, name)), join(folder, name)));
    }
  }
  return entries;
}

/** A part that counts, and the entries that say so. */
export interface ListedPart {
  readonly part: PartEntry;
  readonly listings: readonly Listing[];
}

/** The parts that count, by file name, in the order of their first entry. */
export async function listedParts(root: string, fs: CommitFs): Promise<ReadonlyMap<string, ListedPart>> {
  const entries = await readJournals(root, fs);
  const nameOf = ({ writer, seq, file }: Listing): string => `${seq} ${file} ${writer}`;
  const dropped = new Set(
    entries.flatMap((entry) => (entry.op === 'drop' ? entry.listings.map(nameOf) : [])),
  );
  const listed = new Map<string, { part: PartEntry; listings: Listing[] }>();
  for (const entry of entries)
    for (const part of entry.op === 'add' ? entry.parts : []) {
      const { writer, seq } = entry;
      const listing = { writer, seq, file: part.file };
      if (dropped.has(nameOf(listing))) continue;
      const known = listed.get(part.file);
      if (known) known.listings.push(listing);
      else listed.set(part.file, { part, listings: [listing] });
    }
  return listed;
}

function parseEntry(bytes: Uint8Array, where: string): JournalEntry {
  try {
    return journalEntry.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (error) {
    throw new StillhouseError(
      {
        kind: 'integrity',
        what: 'a cache journal entry is damaged',
        where,
        wanted: 'a journal entry of version 1',
        got: error instanceof z.ZodError ? z.prettifyError(error) : 'something that is no JSON',
        next: 'move the file away; the parts it listed are adopted again by the next run that writes to this cache',
      },
      error,
    );
  }
}

export async function listOrNone(path: string, fs: CommitFs): Promise<string[]> {
  try {
    return (await fs.list(path)).filter((name) => !name.startsWith('.'));
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
