/**
 * Which parts count: the newest snapshot that can be read, and what the journals have said since. Whatever is wrong with a
 * snapshot or its index files, an older one, or the journals alone, give the same list.
 */
import type { CommitFs } from '../store/commit-fs.ts';
import type { IndexedPart } from './index-segment.ts';
import {
  type JournalEntry,
  type JournalHeads,
  type JournalOptions,
  type ListedPart,
  type Listing,
  readJournals,
} from './journal.ts';
import {
  type Rate,
  type SegmentEntry,
  type Snapshot,
  readSnapshot,
  snapshotFile,
  snapshotNumbers,
  tryReadSegment,
  tryReadSnapshot,
} from './snapshot.ts';
import { StillhouseError } from '../core/failure.ts';

/** Folder names below `data/`, or `touched`: those that the journals speak of since the snapshot. */
export type Folders = ReadonlySet<string> | 'all' | 'touched';

export interface PartListOptions {
  /** Folders whose parts are wanted in full; of the others only names are known. */
  readonly folders: Folders;
  /** A snapshot to read as it is, without what was committed since. Default: the newest, and the journals. */
  readonly at?: number;
  readonly onDamage?: NonNullable<JournalOptions['onDamage']>;
}

/** A listed part; `indexed` where an index file describes it. */
export interface KnownPart extends ListedPart {
  readonly indexed: IndexedPart | null;
}

export interface FolderList {
  /** By `<folder>/<name>`. */
  readonly parts: ReadonlyMap<string, KnownPart>;
  /** Index files that are right about each of their parts. */
  readonly segments: readonly SegmentEntry[];
}

/** Rows and milliseconds by machine, then by the spaces that were filled together, joined by ` + `. */
export type Rates = Readonly<Record<string, Readonly<Record<string, Rate>>>>;

export interface PartList {
  readonly snapshot: Snapshot | null;
  readonly heads: JournalHeads;
  /** Drops of listings that no entry has added yet. */
  readonly drops: readonly Listing[];
  readonly rates: Rates;
  /** Of the folders that were asked for. */
  readonly folders: ReadonlyMap<string, FolderList>;
  /** Index files of the other folders. */
  readonly others: ReadonlyMap<string, readonly SegmentEntry[]>;
  /** Every listed file of every folder. */
  readonly files: ReadonlySet<string>;
  /** Snapshots and index files that could not be used, and why. */
  readonly trouble: readonly { readonly file: string; readonly detail: string }[];
}

export const folderOf = (file: string): string => file.slice(0, file.indexOf('/'));

/**
 * @throws StillhouseError integrity when a journal entry is damaged, or the snapshot that was asked for or its index; bad-input
 * when there is no such snapshot.
 */
export async function readPartList(root: string, fs: CommitFs, options: PartListOptions): Promise<PartList> {
  const trouble: { file: string; detail: string }[] = [];
  if (options.at !== undefined) {
    const list = await listFrom(await readSnapshot(root, options.at, fs), { root, fs, options, trouble });
    if (list) return list;
    throw new StillhouseError({
      kind: 'integrity',
      what: 'an index file of a snapshot is damaged',
      where: trouble[0]!.file,
      got: trouble[0]!.detail,
      next: 'run `stillhouse cache verify --repair`, then read the newest snapshot',
    });
  }
  for (const n of await snapshotNumbers(root, fs)) {
    const found = await tryReadSnapshot(root, n, fs);
    if (found === null) continue;
    if ('trouble' in found) trouble.push({ file: snapshotFile(n), detail: found.trouble });
    else {
      const list = await listFrom(found, { root, fs, options, trouble });
      if (list) return list;
    }
  }
  return (await listFrom(null, { root, fs, options, trouble }))!;
}

interface Reading {
  readonly root: string;
  readonly fs: CommitFs;
  readonly options: PartListOptions;
  readonly trouble: { file: string; detail: string }[];
}

/** The list from a snapshot on; null when one of its index files cannot be used. */
async function listFrom(snapshot: Snapshot | null, reading: Reading): Promise<PartList | null> {
  const { root, fs, options, trouble } = reading;
  const body = snapshot?.body;
  const heads = body?.heads ?? {};
  const since =
    options.at === undefined
      ? await readJournals(root, fs, {
          heads,
          ...(options.onDamage === undefined ? {} : { onDamage: options.onDamage }),
        })
      : { entries: [], heads };
  const spaces = new Map(Object.entries(body?.spaces ?? {}));
  const loose = body?.loose ?? [];
  const drops = [...(body?.drops ?? []), ...since.entries.flatMap(dropsOf)];
  const wanted = wantedFolders(options.folders, { spaces, loose, entries: since.entries });
  // what is dropped can only be told from its listings, which the index files hold
  const loaded = new Set([...wanted, ...drops.map(({ file }) => folderOf(file))]);

  const found = new Map<string, Map<string, FoundPart>>();
  const inFolder = (folder: string): Map<string, FoundPart> => {
    const parts = found.get(folder) ?? new Map<string, FoundPart>();
    found.set(folder, parts);
    return parts;
  };
  for (const folder of loaded)
    for (const segment of spaces.get(folder) ?? []) {
      const parts = await tryReadSegment(root, segment, fs);
      if ('trouble' in parts) {
        trouble.push({ file: `index/${segment.file}`, detail: parts.trouble });
        return null;
      }
      for (const indexed of parts)
        inFolder(folder).set(indexed.part.file, {
          part: indexed.part,
          listings: [...indexed.listings],
          indexed,
        });
    }
  const added: ListedPart[] = [...loose, ...since.entries.flatMap(addedBy)];
  for (const { part, listings } of added) {
    const parts = inFolder(folderOf(part.file));
    const known = parts.get(part.file);
    if (known) known.listings.push(...listings);
    else parts.set(part.file, { part, listings: [...listings], indexed: null });
  }
  const dropped = new Set(drops.map(nameOf));
  const seen = new Set<string>();
  for (const parts of found.values())
    for (const [file, known] of parts) {
      for (const listing of known.listings) seen.add(nameOf(listing));
      known.listings = known.listings.filter((listing) => !dropped.has(nameOf(listing)));
      // a part of a folder that is not loaded may have listings in an index file; nothing dropped it
      if (known.listings.length === 0) parts.delete(file);
    }

  const folders = new Map<string, FolderList>();
  const others = new Map<string, readonly SegmentEntry[]>();
  const files = new Set<string>();
  for (const folder of new Set([...spaces.keys(), ...found.keys()])) {
    const parts = found.get(folder) ?? new Map<string, FoundPart>();
    const segments = spaces.get(folder) ?? [];
    if (!loaded.has(folder))
      for (const segment of segments) for (const name of segment.parts) files.add(`${folder}/${name}`);
    for (const file of parts.keys()) files.add(file);
    if (loaded.has(folder))
      folders.set(folder, {
        parts,
        segments: segments.filter(({ parts: names }) =>
          names.every((name) => isAsIndexed(parts.get(`${folder}/${name}`))),
        ),
      });
    else others.set(folder, segments);
  }
  return {
    snapshot,
    heads: since.heads,
    drops: drops.filter((drop) => !seen.has(nameOf(drop))),
    rates: addRates(body?.rates ?? {}, since.entries),
    folders,
    others,
    files,
    trouble,
  };
}

interface FoundPart extends KnownPart {
  listings: Listing[];
}

/** Whether an index file says of a part what is true of it now. */
function isAsIndexed(known: FoundPart | undefined): boolean {
  const namesOf = (listings: readonly Listing[]): string => listings.map(nameOf).sort().join('\n');
  return (
    known?.indexed !== undefined &&
    known.indexed !== null &&
    namesOf(known.listings) === namesOf(known.indexed.listings)
  );
}

const nameOf = ({ writer, seq, file }: Listing): string => `${seq} ${file} ${writer}`;
const dropsOf = (entry: JournalEntry): readonly Listing[] => (entry.op === 'drop' ? entry.listings : []);
const addedBy = (entry: JournalEntry): ListedPart[] =>
  entry.op === 'add'
    ? entry.parts.map((part) => ({
        part,
        listings: [{ writer: entry.writer, seq: entry.seq, file: part.file }],
      }))
    : [];

function wantedFolders(
  folders: Folders,
  known: {
    readonly spaces: ReadonlyMap<string, unknown>;
    readonly loose: readonly ListedPart[];
    readonly entries: readonly JournalEntry[];
  },
): ReadonlySet<string> {
  if (folders !== 'all' && folders !== 'touched') return folders;
  const touched = [...known.loose, ...known.entries.flatMap(addedBy)].map(({ part }) => folderOf(part.file));
  return new Set(folders === 'all' ? [...known.spaces.keys(), ...touched] : touched);
}

function addRates(rates: Rates, entries: readonly JournalEntry[]): Rates {
  const sum: Record<string, Record<string, Rate>> = Object.fromEntries(
    Object.entries(rates).map(([machine, spaces]) => [machine, { ...spaces }]),
  );
  for (const entry of entries)
    for (const { machine, spaces, rows, ms } of entry.op === 'add' ? entry.spent : []) {
      const ofMachine = (sum[machine] ??= {});
      const key = [...spaces].sort().join(' + ');
      const before = ofMachine[key] ?? { rows: 0, ms: 0 };
      ofMachine[key] = { rows: before.rows + rows, ms: before.ms + ms };
    }
  return sum;
}
