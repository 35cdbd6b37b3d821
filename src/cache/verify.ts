/**
 * Checks a cache at rising cost: `names` (journal against files), `footers` (schema, rows, space), `digests` (sha256 of every
 * file), `rows` (CRC and finiteness of every row). Findings are data; with `repair`, bad parts go to `quarantine/` and their rows
 * are computed again by the next run.
 */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { sha256 } from '../core/digest.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { floatFromHalf } from '../core/half.ts';
import { readPartIndex, readPartLayout } from '../format/tensor-part-layout.ts';
import { type CommitFs, nodeFs } from '../store/commit-fs.ts';
import { type PartEntry, listOrNone, readJournals } from './journal.ts';

export const VERIFY_LEVELS = ['names', 'footers', 'digests', 'rows'] as const;
export type VerifyLevel = (typeof VERIFY_LEVELS)[number];

export interface Finding {
  readonly file: string;
  readonly problem: 'missing' | 'unlisted' | 'size' | 'damaged' | 'digest' | 'row-crc' | 'row-non-finite';
  readonly detail: string;
}

export interface VerifyResult {
  readonly level: VerifyLevel;
  readonly parts: number;
  readonly rows: number;
  readonly bytesRead: number;
  readonly findings: readonly Finding[];
  readonly repaired: number;
}

export interface VerifyOptions {
  readonly root: string;
  readonly level: VerifyLevel;
  readonly repair: boolean;
  readonly fs?: CommitFs;
}

export async function verifyCache(options: VerifyOptions): Promise<VerifyResult> {
  const { root, level } = options;
  const fs = options.fs ?? nodeFs;
  const listed = new Map<string, PartEntry>();
  for (const entry of await readJournals(root, fs))
    for (const part of entry.parts) listed.set(part.file, part);
  const findings: Finding[] = [];
  let rows = 0;
  let bytesRead = 0;
  for (const part of listed.values()) {
    rows += part.rows;
    const path = join(root, 'data', part.file);
    const size = await sizeOrNull(fs, path);
    if (size === null) findings.push({ file: part.file, problem: 'missing', detail: `${part.rows} rows` });
    else if (size !== part.sizeBytes)
      findings.push({
        file: part.file,
        problem: 'size',
        detail: `${size} bytes instead of ${part.sizeBytes}`,
      });
    else if (level !== 'names') {
      const bytes = await fs.read(path);
      bytesRead += bytes.length;
      findings.push(...(await inspectPart(part, bytes, level)));
    }
  }
  for (const folder of await listOrNone(join(root, 'data'), fs))
    for (const name of await listOrNone(join(root, 'data', folder), fs))
      if (!listed.has(`${folder}/${name}`))
        findings.push({
          file: `${folder}/${name}`,
          problem: 'unlisted',
          detail: 'no journal lists it; the next writer adopts or sets it aside',
        });
  const repaired = options.repair ? await quarantine(root, findings, fs) : 0;
  return { level, parts: listed.size, rows, bytesRead, findings, repaired };
}

async function inspectPart(part: PartEntry, bytes: Uint8Array, level: VerifyLevel): Promise<Finding[]> {
  const { file } = part;
  const read = (offset: number, length: number): Promise<Uint8Array> =>
    Promise.resolve(bytes.slice(offset, offset + length));
  try {
    const layout = await readPartLayout(read, bytes.length, file);
    if (layout.rows !== part.rows)
      return [{ file, problem: 'damaged', detail: `${layout.rows} rows instead of ${part.rows}` }];
    if (level === 'footers') return [];
    if (sha256(bytes) !== part.sha256)
      return [{ file, problem: 'digest', detail: 'the bytes are not the ones that were committed' }];
    if (level === 'digests') return [];
    const index = await readPartIndex(read, layout);
    const findings: Finding[] = [];
    for (let row = 0; row < layout.rows; row++) {
      const payload = bytes.slice(
        layout.at.payload + row * layout.rowBytes,
        layout.at.payload + (row + 1) * layout.rowBytes,
      );
      if (crc32(payload) !== index.crc32[row])
        findings.push({ file, problem: 'row-crc', detail: `row ${row}` });
      else if (
        layout.dtype === 'float16' &&
        new Uint16Array(payload.buffer).some((bits) => !Number.isFinite(floatFromHalf(bits)))
      )
        findings.push({ file, problem: 'row-non-finite', detail: `row ${row}` });
    }
    return findings;
  } catch (error) {
    if (error instanceof StillhouseError)
      return [{ file, problem: 'damaged', detail: error.failure.got ?? error.failure.what }];
    throw error;
  }
}

async function quarantine(root: string, findings: readonly Finding[], fs: CommitFs): Promise<number> {
  const bad = new Set(
    findings.filter(({ problem }) => problem !== 'missing' && problem !== 'unlisted').map(({ file }) => file),
  );
  if (bad.size > 0) await fs.makeFolder(join(root, 'quarantine'));
  for (const file of bad)
    await fs.rename(join(root, 'data', file), join(root, 'quarantine', file.replaceAll('/', '__')));
  return bad.size;
}

async function sizeOrNull(fs: CommitFs, path: string): Promise<number | null> {
  try {
    return await fs.sizeBytes(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw error;
  }
}
