/**
 * Checks a cache at rising cost: `names` (journals, snapshots, index files and descriptions, and what they say against files), `footers` (schema, rows, space, small
 * columns), `digests` (sha256 of every file), `rows` (CRC and finiteness of every row). Findings are data; with `repair`, bad
 * files go to `quarantine/`, neither they nor missing ones are listed any more, and what they held is computed again by the next run.
 */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Clock } from '../core/clock.ts';
import { sha256 } from '../core/digest.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { type CommitFs, asStoreFailure, nodeFs } from '../store/commit-fs.ts';
import { type CachedPart, checkFormat } from './catalogue.ts';
import { isFiniteRow } from './codecs/finite-row.ts';
import type { Finding } from './finding.ts';
import { type ListedPart, type PartEntry, appendJournal, listOrNone } from './journal.ts';
import { openPart } from './open-part.ts';
import { type KnownPart, readPartList } from './part-list.ts';
import { setAside } from './recover.ts';
import { readSpaceFiles } from './space-files.ts';
import { type SpaceDescriptor, spaceFolderName } from './space.ts';
import { recordFindings, statisticsFindings } from './verify-records.ts';

export const VERIFY_LEVELS = ['names', 'footers', 'digests', 'rows'] as const;
export type VerifyLevel = (typeof VERIFY_LEVELS)[number];

export interface VerifyResult {
  readonly level: VerifyLevel;
  readonly parts: number;
  readonly rows: number;
  readonly bytesRead: number;
  readonly findings: readonly Finding[];
  /** Files set aside. */
  readonly repaired: number;
  /** Parts that are no longer listed: those set aside, and those that were missing. */
  readonly dropped: number;
  /** Findings that a repair has left, and that no later run mends. */
  readonly left: readonly Finding[];
}

/** Sets bad files aside and takes them, and missing ones, off the list. */
export interface Repair {
  /** Names the journal that the repair is written to. */
  readonly writer: string;
  readonly clock: Clock;
}

export interface VerifyOptions {
  readonly root: string;
  readonly level: VerifyLevel;
  /** Null: look, and change nothing. */
  readonly repair: Repair | null;
  readonly fs?: CommitFs;
}

/**
 * @throws StillhouseError bad-input when no cache is there, integrity when it has another format.
 */
export async function verifyCache(options: VerifyOptions): Promise<VerifyResult> {
  const { root, level } = options;
  const fs = options.fs ?? nodeFs;
  if (!(await checkFormat(root, fs))) throw noCache(root);
  const findings: Finding[] = await recordFindings(root, fs);
  const list = await readPartList(root, fs, { folders: 'all', onDamage: () => undefined });
  const listed = new Map<string, KnownPart>(
    [...list.folders.values()].flatMap(({ parts }) => [...parts.entries()]),
  );
  const spaces = new Map<string, SpaceDescriptor>();
  for (const { file, descriptor, got } of await readSpaceFiles(root, fs))
    if (descriptor === null) findings.push({ file, problem: 'space', detail: `was changed: ${got}` });
    else spaces.set(spaceFolderName(descriptor), descriptor);
  // those of a space that was dropped are gc's to take
  const folders = new Set([...listed.keys()].map(folderOf));
  const inUse = [...spaces].flatMap(([folder, space]) => (folders.has(folder) ? [space] : []));
  findings.push(...(await statisticsFindings(root, inUse, fs)));
  let rows = 0;
  let bytesRead = 0;
  for (const { part, indexed } of listed.values()) {
    rows += part.rows;
    const space = spaces.get(folderOf(part.file));
    const found = await inspect({ root, part, indexed, space, level, fs });
    bytesRead += found.bytesRead;
    findings.push(...found.findings);
  }
  findings.push(...(await unlisted(root, listed, fs)));
  const mended = options.repair
    ? await repair({ root, findings, listed, fs, ...options.repair })
    : { repaired: 0, dropped: 0, left: [] };
  return { level, parts: listed.size, rows, bytesRead, findings, ...mended };
}

const folderOf = (file: string): string => file.slice(0, file.indexOf('/'));

interface Inspection {
  readonly root: string;
  readonly part: PartEntry;
  /** What an index file says of it. */
  readonly indexed: KnownPart['indexed'];
  readonly space: SpaceDescriptor | undefined;
  readonly level: VerifyLevel;
  readonly fs: CommitFs;
}

async function inspect(
  inspection: Inspection,
): Promise<{ readonly findings: readonly Finding[]; readonly bytesRead: number }> {
  const { root, part, indexed, space, level, fs } = inspection;
  const { file } = part;
  const only = (problem: Finding['problem'], detail: string, bytesRead = 0) => ({
    findings: [{ file, problem, detail }],
    bytesRead,
  });
  const path = join(root, 'data', file);
  const sizeBytes = await sizeOrNull(fs, path);
  if (sizeBytes === null) return only('missing', `${part.rows} rows`);
  if (sizeBytes !== part.sizeBytes) return only('size', `${sizeBytes} bytes instead of ${part.sizeBytes}`);
  // without its description nothing can be said about the content; the next run writes the description anew
  if (space === undefined) return only('space', 'its space has no description that can be trusted');
  if (level === 'names') return { findings: [], bytesRead: 0 };
  let opened: CachedPart | null;
  try {
    opened = await openPart({ root, entry: part, space, fs });
  } catch (error) {
    if (error instanceof StillhouseError && error.failure.kind === 'integrity')
      return only('damaged', error.failure.got ?? error.failure.what);
    throw error;
  }
  if (opened === null) return only('missing', `${part.rows} rows`);
  if (indexed !== null && !isSameIndex(indexed, opened))
    return only('index', 'its index file says other keys, flags or checksums than its own columns');
  if (level === 'footers') return { findings: [], bytesRead: 0 };
  const bytes = await fs.read(path);
  if (sha256(bytes) !== part.sha256 && level === 'digests')
    return only('digest', 'the bytes are not the ones that were committed', bytes.length);
  if (level === 'digests') return { findings: [], bytesRead: bytes.length };
  const findings = rowFindings(opened, bytes, space);
  if (findings.length === 0 && sha256(bytes) !== part.sha256)
    return only('digest', 'the bytes are not the ones that were committed', bytes.length);
  return { findings, bytesRead: bytes.length };
}

const isSameIndex = (a: Pick<CachedPart, 'index'>, b: Pick<CachedPart, 'index'>): boolean =>
  (['keys', 'views', 'ok', 'crc32'] as const).every(
    (column) => Buffer.compare(bytesOf(a.index[column]), bytesOf(b.index[column])) === 0,
  );

const bytesOf = (column: Uint8Array | Uint32Array): Uint8Array =>
  new Uint8Array(column.buffer, column.byteOffset, column.byteLength);

function rowFindings(
  { entry, layout, index }: CachedPart,
  bytes: Uint8Array,
  space: SpaceDescriptor,
): Finding[] {
  const findings: Finding[] = [];
  for (let row = 0; row < layout.rows; row++) {
    const start = layout.at.payload + row * layout.rowBytes;
    // a copy: `slice` of a Buffer would share the memory of the whole file
    const payload = Uint8Array.from(bytes.subarray(start, start + layout.rowBytes));
    if (crc32(payload) !== index.crc32[row])
      findings.push({ file: entry.file, problem: 'row-crc', detail: `row ${row}` });
    else if (!isFiniteRow(payload, space))
      findings.push({ file: entry.file, problem: 'row-non-finite', detail: `row ${row}` });
  }
  return findings;
}

async function unlisted(
  root: string,
  listed: ReadonlyMap<string, ListedPart>,
  fs: CommitFs,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const folder of await listOrNone(join(root, 'data'), fs))
    for (const name of await listOrNone(join(root, 'data', folder), fs))
      if (!listed.has(`${folder}/${name}`))
        findings.push({
          file: `${folder}/${name}`,
          problem: 'unlisted',
          detail: 'not listed: the next writer adopts it or sets it aside; if it was dropped, gc takes it',
        });
  return findings;
}

interface RepairOptions extends Repair {
  readonly root: string;
  readonly findings: readonly Finding[];
  readonly listed: ReadonlyMap<string, ListedPart>;
  readonly fs: CommitFs;
}

/**
 * A part without a description stays: it is as good as ever once the description is back. Files are moved before the list is
 * changed: whatever is interrupted is a missing part, which the next repair drops, and never a bad part that a writer adopts.
 */
async function repair(options: RepairOptions): Promise<Pick<VerifyResult, 'repaired' | 'dropped' | 'left'>> {
  const { root, findings, listed, fs, writer, clock } = options;
  const bad = new Set<string>();
  const gone = new Set<string>();
  const left: Finding[] = [];
  for (const finding of findings) {
    const { file, problem, isSound } = finding;
    if (isSound === true) left.push(finding);
    else if (RECORDS.some((folder) => file.startsWith(folder))) bad.add(file);
    else if (problem === 'missing') gone.add(file);
    else if (problem !== 'unlisted' && problem !== 'space') bad.add(`data/${file}`);
  }
  let repaired = 0;
  for (const file of bad) {
    if (await setAside(root, file, fs)) repaired += 1;
    if (file.startsWith('data/')) gone.add(file.slice('data/'.length));
  }
  const listings = [...gone].flatMap((file) => listed.get(file)?.listings ?? []);
  if (listings.length > 0)
    await appendJournal(root, { v: 2, op: 'drop', writer, seq: 0, at: clock.nowIso(), listings }, fs);
  return { repaired, dropped: gone.size, left };
}

/** Set aside, these are written anew or not needed: descriptions by the next run, journals by the adoption of their parts. */
const RECORDS = ['spaces/', 'log/', 'snapshots/', 'index/', 'tags/', 'statistics/'];

async function sizeOrNull(fs: CommitFs, path: string): Promise<number | null> {
  try {
    return await fs.sizeBytes(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw asStoreFailure(error, path);
  }
}

function noCache(root: string): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'there is no cache in this folder',
    where: root,
    wanted: 'a file FORMAT in it',
    got: 'none',
    next: 'point --cache to the folder that a run filled',
  });
}
