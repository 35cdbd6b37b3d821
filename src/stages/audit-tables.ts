/** Columns of the audit's tables. */
import type { EmbeddingLevel, EvidencePair } from '../audit/evidence.ts';
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
  /** Levels of embeddings that could not compare it, with spaces between them. */
  uncompared: 'string',
} as const;
export type AuditItem = RowOf<typeof ITEM_COLUMNS>;

/** `distance` for hash levels, `ncc` and `ssim` for verified pixels, `transform` for both, `cosine` and `rank` for embeddings. */
export const PAIR_COLUMNS = {
  type: 'string',
  a: 'string',
  b: 'string',
  level: 'string',
  distance: 'int32?',
  transform: 'string?',
  ncc: 'double?',
  ssim: 'double?',
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
  uncompared: 'int32',
  /** What is a lower bound: `no`, `pairs`, or `images` too (audit/overlap.ts). */
  bounded: 'string',
  /** Images without a match so far that have pairs nobody looked at. */
  open: 'int32',
} as const;

/** One class of the evaluation side at one level. */
export const CLASS_COLUMNS = {
  level: 'string',
  label: 'string',
  images: 'int32',
  matched: 'int32',
  rate: 'double',
  low: 'double',
  high: 'double',
  pValue: 'double?',
  bonferroni: 'double?',
  holm: 'double?',
  qValue: 'double?',
  shrunk: 'double',
} as const;

/** One metric of one comparison under one seed. */
export const DISTANCE_COLUMNS = {
  level: 'string',
  comparison: 'string',
  metric: 'string',
  seed: 'int32',
  images: 'int32',
  value: 'double',
  low: 'double?',
  high: 'double?',
  pValue: 'double?',
  expected: 'double?',
  warning: 'string?',
} as const;

/** Whether two levels flag the same pairs of one type (audit/level-agreement.ts). */
export const AGREEMENT_COLUMNS = {
  type: 'string',
  levelA: 'string',
  levelB: 'string',
  pairsA: 'int32',
  pairsB: 'int32',
  both: 'int32',
  shareOfA: 'double?',
  jaccard: 'double?',
  kappa: 'double?',
} as const;

/** Evaluation images by their class and the class of a training image (audit/class-transfer.ts). */
export const TRANSFER_COLUMNS = {
  basis: 'string',
  level: 'string',
  trainLabel: 'string',
  evalLabel: 'string',
  images: 'int32',
} as const;

export function pairRow({ type, a, b, evidence }: EvidencePair): PairRow {
  return {
    type,
    a,
    b,
    level: evidence.level,
    distance: 'distance' in evidence ? evidence.distance : null,
    transform: 'transform' in evidence ? evidence.transform : null,
    ncc: 'ncc' in evidence ? evidence.ncc : null,
    ssim: 'ssim' in evidence ? evidence.ssim : null,
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
  if (level === 'verified' && row.ncc !== null && row.ssim !== null && transform !== undefined)
    return { ...ends, evidence: { level, ncc: row.ncc, ssim: row.ssim, transform } };
  if (isEmbeddingLevel(level) && cosine !== null && rank !== null)
    return { ...ends, evidence: { level, cosine, rank } };
  throw new StillhouseError({
    kind: 'integrity',
    what: 'a row of the pair table is no evidence',
    where,
    got: JSON.stringify(row),
    next: 'run the audit again',
  });
}

function isEmbeddingLevel(level: string): level is EmbeddingLevel {
  return level.startsWith('teacher:') || level.startsWith('copy:');
}
