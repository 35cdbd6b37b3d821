/**
 * What a cache holds: spaces, parts and the place of every target. Built from journals and the small columns of the parts; no
 * payload is read. A catalogue is a snapshot: parts committed later are not in it.
 */
import * as fsp from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson } from '../core/canonical-json.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import type { SpaceId } from '../core/ids.ts';
import {
  type PartIndex,
  type TensorPartLayout,
  readPartIndex,
  readPartLayout,
} from '../format/tensor-part-layout.ts';
import type { TensorDtype } from '../format/tensor-part.ts';
import { writeAtomic, writeIfAbsent } from '../store/atomic.ts';
import { type CommitFs, asStoreFailure, nodeFs } from '../store/commit-fs.ts';
import { type PartEntry, listOrNone, listedParts } from './journal.ts';
import { type RowKey, rowKeysOf } from './row-key.ts';
import { storedTensorOf } from './codecs/stored-tensor.ts';
import { type SpaceDescriptor, spaceFolderName, spaceIdOf } from './space.ts';
import { readDescriptors } from './space-files.ts';

export const FORMAT = { format: 'stillhouse-cache', major: 1 } as const;

export interface CachedPart {
  readonly entry: PartEntry;
  readonly path: string;
  readonly layout: TensorPartLayout;
  readonly index: PartIndex;
}

export interface RowPlace {
  readonly part: CachedPart;
  readonly row: number;
}

export interface CachedSpace {
  /** Of the cache: what a codec is built from lies beside the parts. */
  readonly root: string;
  readonly id: SpaceId;
  readonly descriptor: SpaceDescriptor;
  readonly parts: readonly CachedPart[];
  /** Where each target lies. Two parts with the same row: the one with the lower digest counts, so all readers agree. */
  readonly rows: ReadonlyMap<RowKey, RowPlace>;
}

export interface Catalogue {
  readonly root: string;
  readonly spaces: ReadonlyMap<SpaceId, CachedSpace>;
  /** Parts that a journal lists and that are gone: their rows count as missing and are computed again. */
  readonly missingParts: readonly PartEntry[];
}

/** Creates the cache's root marker, or checks the one that is there. Call before writing. */
export async function ensureCache(root: string, fs: CommitFs = nodeFs): Promise<void> {
  await writeIfAbsent(join(root, 'FORMAT'), `${canonicalJson(FORMAT)}\n`, fs);
  await checkFormat(root, fs);
}

/** Whether a cache is there. @throws StillhouseError integrity when it is of another version, or something else. */
export async function checkFormat(root: string, fs: CommitFs): Promise<boolean> {
  const path = join(root, 'FORMAT');
  let text: string;
  try {
    text = Buffer.from(await fs.read(path))
      .toString('utf8')
      .trim();
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return false;
    throw asStoreFailure(error, path);
  }
  if (text === canonicalJson(FORMAT)) return true;
  throw new StillhouseError({
    kind: 'integrity',
    what: 'the cache has another format version, or is no cache',
    where: path,
    wanted: canonicalJson(FORMAT),
    got: text.slice(0, 200),
    next: 'use the stillhouse version that wrote it, or point --cache to another folder',
  });
}

/** Reads the whole catalogue; `only` limits it to some spaces. An absent cache is an empty catalogue. */
export async function openCatalogue(
  root: string,
  options: { readonly only?: ReadonlySet<SpaceId>; readonly fs?: CommitFs } = {},
): Promise<Catalogue> {
  const fs = options.fs ?? nodeFs;
  const spaces = new Map<SpaceId, CachedSpace>();
  const missingParts: PartEntry[] = [];
  if (!(await checkFormat(root, fs))) return { root, spaces, missingParts };
  const byFolder = new Map<string, PartEntry[]>();
  for (const { part } of (await listedParts(root, fs)).values()) {
    const folder = part.file.slice(0, part.file.indexOf('/'));
    const inFolder = byFolder.get(folder) ?? [];
    inFolder.push(part);
    byFolder.set(folder, inFolder);
  }
  for (const descriptor of await readDescriptors(root, fs)) {
    const id = spaceIdOf(descriptor);
    if (options.only && !options.only.has(id)) continue;
    const entries = (byFolder.get(spaceFolderName(descriptor)) ?? []).sort((a, b) =>
      a.sha256 < b.sha256 ? -1 : 1,
    );
    const parts: CachedPart[] = [];
    for (const entry of entries) {
      const part = await openPart(root, entry, descriptor);
      if (part) parts.push(part);
      else missingParts.push(entry);
    }
    spaces.set(id, { root, id, descriptor, parts, rows: placesOf(parts) });
  }
  return { root, spaces, missingParts };
}

function placesOf(parts: readonly CachedPart[]): Map<RowKey, RowPlace> {
  const rows = new Map<RowKey, RowPlace>();
  for (const part of parts)
    rowKeysOf(part.index.keys, part.index.views).forEach((key, row) => {
      if (!rows.has(key)) rows.set(key, { part, row });
    });
  return rows;
}

/**
 * Opens one part by its small columns. Null when the file is gone.
 * @throws StillhouseError integrity when it is damaged, or not the part of that space that the journal lists.
 */
export async function openPart(
  root: string,
  entry: PartEntry,
  space: SpaceDescriptor,
): Promise<CachedPart | null> {
  const path = join(root, 'data', entry.file);
  let file: fsp.FileHandle;
  try {
    file = await fsp.open(path, 'r');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw asStoreFailure(error, path);
  }
  try {
    const sizeBytes = (await file.stat()).size;
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await file.read(bytes, 0, length, offset);
      return bytes.subarray(0, bytesRead);
    };
    const layout = await readPartLayout(read, sizeBytes, path);
    const wanted = partSummary({
      rows: entry.rows,
      space: spaceIdOf(space),
      ...storedTensorOf(space),
      sizeBytes: entry.sizeBytes,
    });
    const got = partSummary({
      ...layout,
      space: layout.metadata.get('stillhouse.space') ?? 'none',
      sizeBytes,
    });
    if (got !== wanted)
      throw new StillhouseError({
        kind: 'integrity',
        what: 'a cache part is not the one its journal lists',
        where: path,
        wanted,
        got,
        next: 'run `stillhouse cache verify --repair`; the affected rows are computed again by the next run',
      });
    return { entry, path, layout, index: await readPartIndex(read, layout, path) };
  } finally {
    await file.close();
  }
}

interface PartSummary {
  readonly rows: number;
  readonly space: string;
  readonly shape: readonly number[];
  readonly dtype: TensorDtype;
  readonly sizeBytes: number;
}

const partSummary = ({ rows, space, shape, dtype, sizeBytes }: PartSummary): string =>
  `${rows} rows of ${dtype} [${shape.join(',')}] of space ${space}, ${sizeBytes} bytes`;

/** Pins a catalogue: the list of parts a reader used, as `snapshots/<n>.json`, created only if absent. Returns n. */
export async function writeSnapshot(
  catalogue: Catalogue,
  spaces: readonly SpaceId[],
  at: string,
  fs: CommitFs = nodeFs,
): Promise<number> {
  const body = {
    v: 1,
    at,
    spaces: Object.fromEntries(
      [...spaces]
        .sort()
        .map((id) => [id, (catalogue.spaces.get(id)?.parts ?? []).map((part) => part.entry.file).sort()]),
    ),
  };
  const folder = join(catalogue.root, 'snapshots');
  const names = await listOrNone(folder, fs);
  let n = Math.max(0, ...names.map((name) => Number.parseInt(name, 10)).filter(Number.isFinite)) + 1;
  while (
    !(await writeIfAbsent(
      join(folder, `${String(n).padStart(12, '0')}.json`),
      `${canonicalJson(body)}\n`,
      fs,
    ))
  )
    n += 1;
  await writeAtomic(join(folder, '.latest'), String(n), fs);
  return n;
}
