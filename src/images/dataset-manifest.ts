/**
 * A dataset on disk (design.md §2): a header that people write (`dataset.yaml`) and a table of its images (`images.parquet`).
 * The digest is the Merkle root over the image ids, so equal images give an equal digest wherever they lie.
 */
import { dirname, join, relative, resolve } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { merkleRoot, sha256OfFile, sha256 } from '../core/digest.ts';
import { StillhouseError } from '../core/failure.ts';
import { type Digest, digest, imageId } from '../core/ids.ts';
import { readCheckedYaml } from '../format/checked-yaml.ts';
import { type RowOf, readParquet, writeParquet } from '../format/parquet-table.ts';
import { writeAtomic } from '../store/atomic.ts';
import type { ImageRow } from './image-row.ts';
import type { Places } from './locate.ts';
import { sourceSchema } from './sources/source.ts';

export const datasetHeaderSchema = z.strictObject({
  version: z.literal(1),
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]*$/, 'lower-case letters, digits, dots, dashes and underscores')
    .describe('Also the `source` of its rows.'),
  root: z.string().default('.').describe("Folder that paths start from, relative to this file's folder."),
  source: sourceSchema,
  licence: z.string().min(1).describe("SPDX identifier, or the source's own words where none fits."),
  attribution: z.string().optional().describe('Whom to credit, and where the images come from.'),
  split: z.string().min(1).describe('Split of every record that names none itself: train, eval.'),
  labels: z
    .record(z.string(), z.string())
    .optional()
    .describe('Renames labels of the source; a label that is not named here is kept.'),
});

export type DatasetHeader = z.infer<typeof datasetHeaderSchema>;

const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/);

/** How a curated set came to be: enough to tell whether it would come out the same again. */
const derivationSchema = z.strictObject({
  by: z.string().describe('Stage and version of the code: `stillhouse 0.1.0, curate 2`.'),
  policySha256: sha256Hex.describe('sha256 of the canonical JSON of the policy.'),
  seed: z.int(),
  parents: z.array(z.strictObject({ role: z.string(), name: z.string(), digest: sha256Hex })),
  record: z.string().describe('File beside this one that has the policy and the counts.'),
});
export type Derivation = z.infer<typeof derivationSchema>;

/** `dataset.yaml` of an indexed dataset: the header, and what the table beside it must be. */
export const datasetFileSchema = datasetHeaderSchema.extend({
  derivation: derivationSchema.optional(),
  images: z.strictObject({
    count: z.int().min(0),
    digest: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .describe('Merkle root over the sorted image ids.'),
    tableSha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .describe('sha256 of images.parquet.'),
  }),
});

const HEADER_FILE = 'dataset.yaml';
const TABLE_FILE = 'images.parquet';

/** Columns of `images.parquet`, in file order. */
export const IMAGE_COLUMNS = {
  id: 'string',
  uri: 'string',
  name: 'string',
  sizeBytes: 'int64',
  width: 'int32',
  height: 'int32',
  format: 'string',
  label: 'string?',
  split: 'string',
  group: 'string?',
  source: 'string',
  licence: 'string',
} as const;

/** @throws StillhouseError `bad-input` naming every finding with its JSON pointer, line and nearest key. */
export function readDatasetHeader(path: string): Promise<DatasetHeader> {
  return readCheckedYaml(path, { schema: datasetHeaderSchema, noun: 'dataset header' });
}

/**
 * Where a header's uris start. Packages are searched from the header's folder, then from each of `packagesFrom`.
 * @param headerPath of the header file.
 */
export function placesOf(
  header: DatasetHeader,
  headerPath: string,
  packagesFrom: readonly string[] = [],
): Places {
  const folder = dirname(resolve(headerPath));
  return { root: resolve(folder, header.root), packagesFrom: [folder, ...packagesFrom] };
}

/** The header as it must read when it lies in another folder: `root` still means the same place. */
export function relocatedHeader(header: DatasetHeader, places: Places, folder: string): DatasetHeader {
  return { ...header, root: relative(resolve(folder), places.root) || '.' };
}

export interface Dataset {
  readonly header: DatasetHeader;
  readonly rows: readonly ImageRow[];
  /** Merkle root over the sorted ids of the rows. */
  readonly digest: Digest;
  /** Of a curated set. */
  readonly derivation?: Derivation;
}

/**
 * Writes `images.parquet`, then `dataset.yaml`, each atomically: a header never names a table that is not there.
 * `header.root` must hold as seen from `folder` ({@link relocatedHeader}). Equal input gives equal bytes.
 * @returns the dataset's digest. @throws StillhouseError `environment` for a full disk or missing rights.
 */
export async function writeDataset(
  folder: string,
  header: DatasetHeader,
  rows: readonly ImageRow[],
  derivation?: Derivation,
): Promise<Digest> {
  const root = merkleRoot(rows.map(({ id }) => id));
  const table = writeParquet(IMAGE_COLUMNS, rows, { metadata: { 'stillhouse.dataset': header.name } });
  const file: z.infer<typeof datasetFileSchema> = {
    ...header,
    ...(derivation && { derivation }),
    images: { count: rows.length, digest: root, tableSha256: sha256(table) },
  };
  await writeAtomic(join(folder, TABLE_FILE), table);
  await writeAtomic(join(folder, HEADER_FILE), stringify(file));
  return root;
}

/**
 * Reads what {@link writeDataset} wrote.
 * @throws StillhouseError `bad-input` when the folder holds no dataset, `integrity` when header and table disagree.
 */
export async function readDataset(folder: string): Promise<Dataset> {
  const file = await readCheckedYaml(join(folder, HEADER_FILE), {
    schema: datasetFileSchema,
    noun: 'dataset',
  });
  const { images, derivation, ...header } = file;
  const path = join(folder, TABLE_FILE);
  const found = await readParquet(path, { columns: IMAGE_COLUMNS });
  const rows = found.map(rowOf);
  const checks = [
    ['sha256 of the table', images.tableSha256, await sha256OfFile(path)],
    ['number of images', images.count, rows.length],
    ['digest of the dataset', images.digest, merkleRoot(rows.map(({ id }) => id))],
  ] as const;
  for (const [what, wanted, got] of checks) {
    if (wanted === got) continue;
    throw new StillhouseError({
      kind: 'integrity',
      what: `${what} differs from the header`,
      where: path,
      wanted: String(wanted),
      got: String(got),
      next: 'Index the dataset again.',
    });
  }
  return { header, rows, digest: digest(images.digest), ...(derivation && { derivation }) };
}

function rowOf(row: RowOf<typeof IMAGE_COLUMNS>): ImageRow {
  return { ...row, id: imageId(row.id) };
}
