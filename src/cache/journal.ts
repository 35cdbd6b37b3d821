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
import { StillhouseError, isStillhouseError, systemCodeOf } from '../core/failure.ts';
import { sealJson, unsealJson } from '../core/sealed-json.ts';
import { writeIfAbsent } from '../store/atomic.ts';
import { type CommitFs, asStoreFailure } from '../store/commit-fs.ts';

/** A part in the list: its name says where it lies, how many rows it has, and what its bytes hash to. */
export const partEntrySchema = z.strictObject({
  /** `<space folder>/<rows>.<digest>.arrow` below `data/`. */
  file: z.string().regex(/^[^/.][^/]*\/\d+\.[0-9a-f]{32}\.arrow$/),
  rows: z.int().min(1),
  sizeBytes: z.int().min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
const writtenBy = { writer: z.string(), seq: z.int().min(0) };
const head = { v: z.literal(2), ...writtenBy, at: z.string() };
/** One file in one entry that added it. */
export const listingSchema = z.strictObject({ ...writtenBy, file: partEntrySchema.shape.file });

/** How long some rows took on a machine, for the spaces that were filled together: what a plan's estimate rests on. */
export const spentSchema = z.strictObject({
  machine: z.string(),
  /** Names of folders below `data/`. */
  spaces: z.array(z.string()).min(1),
  rows: z.int().min(1),
  ms: z.number().min(0),
});

const journalEntry = z.discriminatedUnion('op', [
  z.strictObject({
    ...head,
    op: z.literal('add'),
    parts: z.array(partEntrySchema).min(1),
    spent: z.array(spentSchema),
  }),
  z.strictObject({ ...head, op: z.literal('drop'), listings: z.array(listingSchema).min(1) }),
]);

export type PartEntry = z.infer<typeof partEntrySchema>;
export type JournalEntry = z.infer<typeof journalEntry>;
export type Listing = z.infer<typeof listingSchema>;
export type Spent = z.infer<typeof spentSchema>;

/** A part that counts, and the entries that say so. */
export interface ListedPart {
  readonly part: PartEntry;
  readonly listings: readonly Listing[];
}

const seqName = (seq: number): string => `${String(seq).padStart(12, '0')}.json`;
const pathOf = (root: string, writer: string, seq: number): string => join(root, 'log', writer, seqName(seq));

/** Adds an entry under the first free number from `entry.seq` on and returns that number: no entry is ever replaced. */
export async function appendJournal(root: string, entry: JournalEntry, fs: CommitFs): Promise<number> {
  for (let seq = entry.seq; ; seq++)
    if (await writeIfAbsent(pathOf(root, entry.writer, seq), sealJson({ ...entry, seq }), fs)) return seq;
}

/** For each writer the number of the first entry that was not read. */
export type JournalHeads = Readonly<Record<string, number>>;

export interface JournalOptions {
  /** Entries before these are left out. */
  readonly heads?: JournalHeads;
  /** Told of damaged entries, which are then skipped; without it the first one is thrown. */
  readonly onDamage?: (failure: StillhouseError, file: string) => void;
}

/**
 * The entries, ordered by writer and sequence, and where they end. A missing `log` is an empty cache.
 * @throws StillhouseError integrity when an entry is damaged.
 */
export async function readJournals(
  root: string,
  fs: CommitFs,
  options: JournalOptions = {},
): Promise<{ readonly entries: JournalEntry[]; readonly heads: JournalHeads }> {
  const { heads = {}, onDamage } = options;
  const entries: JournalEntry[] = [];
  const ends: Record<string, number> = { ...heads };
  for (const writer of (await listOrNone(join(root, 'log'), fs)).sort())
    for (const name of (await listOrNone(join(root, 'log', writer), fs)).sort()) {
      const seq = /^\d{12}\.json$/.test(name) ? Number.parseInt(name, 10) : -1;
      if (seq < (heads[writer] ?? 0)) continue;
      const file = `log/${writer}/${name}`;
      const path = join(root, file);
      try {
        entries.push(parseEntry(await readOf(path, fs), path));
        ends[writer] = seq + 1;
      } catch (error) {
        if (onDamage === undefined || !isStillhouseError(error, 'integrity')) throw error;
        onDamage(error, file);
      }
    }
  return { entries, heads: ends };
}

async function readOf(path: string, fs: CommitFs): Promise<Uint8Array> {
  try {
    return await fs.read(path);
  } catch (error) {
    throw asStoreFailure(error, path);
  }
}

function parseEntry(bytes: Uint8Array, where: string): JournalEntry {
  const sealed = unsealJson(Buffer.from(bytes).toString('utf8'));
  if ('trouble' in sealed) throw damaged(where, sealed.trouble);
  const parsed = journalEntry.safeParse(sealed.body);
  if (!parsed.success) throw damaged(where, z.prettifyError(parsed.error));
  const { writer, seq } = parsed.data;
  if (!where.endsWith(pathOf('', writer, seq)))
    throw damaged(where, `an entry of writer ${writer}, number ${seq}`);
  return parsed.data;
}

function damaged(where: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'integrity',
    what: 'a cache journal entry is damaged',
    where,
    wanted: 'a journal entry of version 2, as it was written',
    got,
    next: 'run `stillhouse cache verify --repair`: it sets the file aside, and the next run that writes adopts the parts it listed',
  });
}

/** Names in a folder that do not start with a dot; none when there is no such folder. */
export async function listOrNone(path: string, fs: CommitFs): Promise<string[]> {
  try {
    return (await fs.list(path)).filter((name) => !name.startsWith('.'));
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'ENOENT') return [];
    throw asStoreFailure(error, path);
  }
}
