/** Columns of the audit's tables. */
import type { EvidencePair } from '../audit/evidence.ts';
import { imageId } from '../core/ids.ts';
import { StillhouseError } from '../core/failure.ts';
import { type RowOf, readParquet } from '../format/parquet-table.ts';
import { DIHEDRAL } from '../audit/dihedral.ts';

export const ITEM_COLUMNS = {
  imageId: 'string',
  side: 'string',
  name: 'string',
  label: 'string?',
  group: 'string?',
  pixelDigest: 'string',
  /** 64-bit hashes as 16 hex digits. */
  phash: 'string',
  dhash: 'string',
  acEnergy: 'double',
  degenerate: 'boolean',
} as const;
export type AuditItem = RowOf<typeof ITEM_COLUMNS>;

/** `distance` and `transform` for hash levels, `cosine` and `rank` for teacher levels. */
export const PAIR_COLUMNS = {
  type: 'string',
  a: 'string',
  b: 'string',
  level: 'string',
  distance: 'int32?',
  transform: 'string?',
  cosine: 'double?',
  rank: 'int32?',
} as const;
type PairRow = RowOf<typeof PAIR_COLUMNS>;

export const OVERLAP_COLUMNS = {
  level: 'string',
  type: 'string',
  images: 'int32',
  matched: 'int32',
  pairs: 'int32',
  rate: 'double?',
  low: 'double',
  high: 'double',
  degenerateImages: 'int32',
  degeneratePairs: 'int32',
} as const;

export function pairRow({ type, a, b, evidence }: EvidencePair): PairRow {
  return {
    type,
    a,
    b,
    level: evidence.level,
    distance: 'distance' in evidence ? evidence.distance : null,
    transform: 'transform' in evidence ? evidence.transform : null,
    cosine: 'cosine' in evidence ? evidence.cosine : null,
    rank: 'rank' in evidence ? evidence.rank : null,
  };
}

/** Reads pairs.parquet back. @throws StillhouseError integrity for a row that is no evidence. */
export async function readPairs(path: string): Promise<EvidencePair[]> {
  const rows = await readParquet(path, { columns: PAIR_COLUMNS });
  return rows.map((row, i) => pairOf(row, `${path}, row ${i}`));
}

function pairOf(row: PairRow, where: string): EvidencePair {
  const { level, distance, cosine, rank } = row;
  const ends = { type: row.type as EvidencePair['type'], a: imageId(row.a), b: imageId(row.b) };
  if (level === 'byte' || level === 'pixel') return { ...ends, evidence: { level } };
  const transform = DIHEDRAL.find((name) => name === row.transform);
  if ((level === 'phash' || level === 'dhash') && distance !== null && transform !== undefined)
    return { ...ends, evidence: { level, distance, transform } };
  if (isTeacherLevel(level) && cosine !== null && rank !== null)
    return { ...ends, evidence: { level, cosine, rank } };
  throw new StillhouseError({
    kind: 'integrity',
    what: 'a row of the pair table is no evidence',
    where,
    got: JSON.stringify(row),
    next: 'run the audit again',
  });
}

function isTeacherLevel(level: string): level is `teacher:${string}` {
  return level.startsWith('teacher:');
}
