/**
 * What dead writers left. A part that no journal lists is whole or not: its name carries its row count and digest, its metadata
 * its space, so it can be told without its writer. Other writers may be recovering, or committing, at the same time.
 */
import { join } from 'node:path';
import { sha256 } from '../core/digest.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { readPartIndex, readPartLayout } from '../format/tensor-part-layout.ts';
import { type CommitFs, asStoreFailure } from '../store/commit-fs.ts';
import { dropStaging } from '../store/staging.ts';
import { type PartEntry, listOrNone, readJournals } from './journal.ts';
import { readPartList } from './part-list.ts';

export interface Orphans {
  /** Whole parts, to be listed by the caller. */
  readonly adopted: PartEntry[];
  /** Broken files, moved to `quarantine/`. */
  readonly quarantined: number;
}

/** Sorts the unlisted parts into whole and broken ones, and removes staging files of dead processes. */
export async function recoverOrphans(root: string, fs: CommitFs): Promise<Orphans> {
  await dropAllStaging(root, fs);
  const { files } = await readPartList(root, fs, { folders: new Set() });
  const strays: string[] = [];
  const data = join(root, 'data');
  for (const folder of (await listOrNone(data, fs)).sort())
    for (const name of (await listOrNone(join(data, folder), fs)).sort())
      if (!files.has(`${folder}/${name}`)) strays.push(`${folder}/${name}`);
  if (strays.length === 0) return { adopted: [], quarantined: 0 };
  // what was listed once and dropped since is no orphan: gc takes it
  const { entries } = await readJournals(root, fs);
  const known = new Set(
    entries.flatMap((entry) => (entry.op === 'add' ? entry.parts.map(({ file }) => file) : [])),
  );
  const adopted: PartEntry[] = [];
  let quarantined = 0;
  for (const file of strays.filter((file) => !known.has(file))) {
    const bytes = await readOrNone(join(data, file), fs);
    if (bytes === null) continue;
    const entry = await inspectOrphan(file, bytes);
    if (entry) adopted.push(entry);
    else if (await setAside(root, `data/${file}`, fs)) quarantined += 1;
  }
  return { adopted, quarantined };
}

/** Moves a file of the cache to `quarantine/`; a file of that name there is replaced. False when it is gone already. */
export async function setAside(root: string, file: string, fs: CommitFs): Promise<boolean> {
  const from = join(root, file);
  const folder = join(root, 'quarantine');
  try {
    await fs.makeFolder(folder);
    await fs.rename(from, join(folder, file.replace(/^data\//, '').replaceAll('/', '__')));
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return false;
    throw asStoreFailure(error, from);
  }
}

async function dropAllStaging(root: string, fs: CommitFs): Promise<void> {
  const folders = [
    root,
    ...['spaces', 'snapshots', 'tags', 'leases', 'datasets'].map((name) => join(root, name)),
  ];
  for (const parent of ['data', 'log', 'index'])
    for (const name of await listOrNone(join(root, parent), fs)) folders.push(join(root, parent, name));
  for (const folder of folders) await dropStaging(folder, fs);
}

async function readOrNone(path: string, fs: CommitFs): Promise<Uint8Array | null> {
  try {
    return await fs.read(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw asStoreFailure(error, path);
  }
}

async function inspectOrphan(file: string, bytes: Uint8Array): Promise<PartEntry | null> {
  const hash = sha256(bytes);
  const read = (offset: number, length: number): Promise<Uint8Array> =>
    Promise.resolve(bytes.slice(offset, offset + length));
  try {
    const layout = await readPartLayout(read, bytes.length, file);
    await readPartIndex(read, layout, file);
    const [folder, name] = file.split('/') as [string, string];
    const fits =
      name === `${layout.rows}.${hash.slice(0, 32)}.arrow` &&
      folder.endsWith(`.${layout.metadata.get('stillhouse.space') ?? '?'}`);
    return fits ? { file, rows: layout.rows, sizeBytes: bytes.length, sha256: hash } : null;
  } catch (error) {
    if (error instanceof StillhouseError) return null;
    throw error;
  }
}
