/**
 * What a cache holds: spaces, parts and the place of every target. Built from the newest snapshot and its index files, and from
 * the footers of parts that were committed since; no payload is read. A catalogue does not change: parts committed later are not
 * in it.
 */
import { join } from 'node:path';
import { canonicalJson } from '../core/canonical-json.ts';
import { StillhouseError } from '../core/failure.ts';
import type { SpaceId } from '../core/ids.ts';
import { writeIfAbsent } from '../store/atomic.ts';
import { type CommitFs, nodeFs } from '../store/commit-fs.ts';
import { readTextOrNull } from '../store/read-or-null.ts';
import { type PartEntry, listOrNone } from './journal.ts';
import { type CachedPart, openPart } from './open-part.ts';
import { type KnownPart, type PartList, type Rates, readPartList } from './part-list.ts';
import { isCurrent } from './publish.ts';
import { RowIndex, type RowLookup } from './row-index.ts';
import { type SpaceDescriptor, spaceFolderName, spaceIdOf } from './space.ts';
import { readDescriptors } from './space-files.ts';

export type { CachedPart } from './open-part.ts';
export type { RowLookup, RowPlace } from './row-index.ts';

export const FORMAT = { format: 'stillhouse-cache', major: 2 } as const;

export interface CachedSpace {
  /** Of the cache: what a codec is built from lies beside the parts. */
  readonly root: string;
  /** What its files are read with. */
  readonly fs: CommitFs;
  readonly id: SpaceId;
  readonly descriptor: SpaceDescriptor;
  readonly parts: readonly CachedPart[];
  /** Where each target lies. Two parts with the same row: the usable one, then the one of the lower digest, so all readers agree. */
  readonly rows: RowLookup;
}

export interface Catalogue {
  readonly root: string;
  readonly fs: CommitFs;
  readonly spaces: ReadonlyMap<SpaceId, CachedSpace>;
  /** Parts that a journal lists and that are gone: their rows count as missing and are computed again. */
  readonly missingParts: readonly PartEntry[];
  /** The snapshot it was read from; null when there was none, or none that could be read. */
  readonly snapshot: { readonly n: number; readonly sha256: string } | null;
  /** Whether that snapshot has everything: the next catalogue then opens no part. */
  readonly isPublished: boolean;
  readonly rates: Rates;
  /** Snapshots and index files that were read past because they are damaged. */
  readonly trouble: PartList['trouble'];
}

/** Creates the cache's root marker, or checks the one that is there. Call before writing. */
export async function ensureCache(root: string, fs: CommitFs = nodeFs): Promise<void> {
  if (await checkFormat(root, fs)) return;
  await writeIfAbsent(join(root, 'FORMAT'), `${canonicalJson(FORMAT)}\n`, fs);
  await checkFormat(root, fs);
}

/** Whether a cache is there. @throws StillhouseError integrity when it is of another version, or something else. */
export async function checkFormat(root: string, fs: CommitFs): Promise<boolean> {
  const path = join(root, 'FORMAT');
  const text = await readTextOrNull(path, fs);
  if (text === null) return false;
  if (text === `${canonicalJson(FORMAT)}\n`) return true;
  throw new StillhouseError({
    kind: 'integrity',
    what: 'the cache has another format version, or is no cache',
    where: path,
    wanted: canonicalJson(FORMAT),
    got: text.slice(0, 200),
    next: 'use the stillhouse version that wrote it, or point --cache to another folder',
  });
}

export interface CatalogueOptions {
  readonly only?: ReadonlySet<SpaceId>;
  /** Number of a snapshot to read as it is. Default: everything that is committed. */
  readonly at?: number;
  readonly fs?: CommitFs;
}

/**
 * Reads the catalogue; `only` limits it to some spaces. An absent cache is an empty catalogue.
 * @throws StillhouseError integrity when a journal, description or part is damaged, or, with `at`, a part of the snapshot is gone.
 */
export async function openCatalogue(root: string, options: CatalogueOptions = {}): Promise<Catalogue> {
  const fs = options.fs ?? nodeFs;
  const spaces = new Map<SpaceId, CachedSpace>();
  if (!(await checkFormat(root, fs)))
    return { root, fs, spaces, missingParts: [], snapshot: null, isPublished: false, rates: {}, trouble: [] };
  const descriptors = (await readDescriptors(root, fs))
    .map((descriptor) => ({ descriptor, id: spaceIdOf(descriptor), folder: spaceFolderName(descriptor) }))
    .filter(({ id }) => options.only?.has(id) ?? true);
  const list = await readPartList(root, fs, {
    folders: new Set(descriptors.map(({ folder }) => folder)),
    ...(options.at === undefined ? {} : { at: options.at }),
  });
  const missingParts: PartEntry[] = [];
  for (const { descriptor, id, folder } of descriptors) {
    const there = new Set(await listOrNone(join(root, 'data', folder), fs));
    const parts: CachedPart[] = [];
    const known = [...(list.folders.get(folder)?.parts.values() ?? [])];
    for (const one of known.sort((a, b) => (a.part.sha256 < b.part.sha256 ? -1 : 1))) {
      const isThere = there.has(one.part.file.slice(folder.length + 1));
      const part = isThere ? await opened({ root, known: one, space: descriptor, fs }) : null;
      if (part) parts.push(part);
      else missingParts.push(one.part);
    }
    spaces.set(id, { root, fs, id, descriptor, parts, rows: new RowIndex(parts) });
  }
  if (options.at !== undefined && missingParts.length > 0)
    throw brokenSnapshot(root, options.at, missingParts);
  const { snapshot, rates, trouble } = list;
  return {
    root,
    fs,
    spaces,
    missingParts,
    snapshot: snapshot && { n: snapshot.body.n, sha256: snapshot.sha256 },
    isPublished: isCurrent(list),
    rates,
    trouble,
  };
}

async function opened(options: {
  readonly root: string;
  readonly known: KnownPart;
  readonly space: SpaceDescriptor;
  readonly fs: CommitFs;
}): Promise<CachedPart | null> {
  const { root, known, space, fs } = options;
  const { part: entry, indexed } = known;
  if (indexed === null) return openPart({ root, entry, space, fs });
  return { entry, path: join(root, 'data', entry.file), layout: indexed.layout, index: indexed.index };
}

function brokenSnapshot(root: string, n: number, missing: readonly PartEntry[]): StillhouseError {
  return new StillhouseError({
    kind: 'integrity',
    what: 'a snapshot names parts that are gone',
    where: `${root}, snapshot ${n}`,
    wanted: missing[0]!.file,
    got: `${missing.length} missing ${missing.length === 1 ? 'part' : 'parts'}`,
    next: 'restore them from trash/ or a copy, or run what fills the cache again and use the newest snapshot',
  });
}
