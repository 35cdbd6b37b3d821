/**
 * Embeddings that somebody else computed, matched to a dataset's images: Parquet by key, .npy and .safetensors by a list of keys
 * beside them or in the order of the images' names.
 */
import * as fsp from 'node:fs/promises';
import { z } from 'zod';
import { sha256 } from '../core/digest.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { type KeyedEmbeddings, readEmbeddingTable } from '../format/embedding-table.ts';
import { decodeNpy } from '../format/npy.ts';
import { decodeSafetensors } from '../format/safetensors.ts';
import type { ImageRow } from '../images/image-row.ts';

export const embeddingFileSchema = z.union([
  z.string().min(1),
  z.strictObject({
    path: z.string().min(1),
    /** Text file with one key (image id or name) a line, for formats that hold none. */
    keys: z.string().min(1).optional(),
  }),
]);
export type EmbeddingFile = z.infer<typeof embeddingFileSchema>;

export const embeddingSetSchema = z.strictObject({
  name: z.string().regex(/^[\w.@-]+$/),
  /** `domain`: a general embedding, centred before comparison. `copy`: one trained for copies, compared as it is. */
  role: z.enum(['domain', 'copy']).default('domain'),
  train: embeddingFileSchema,
  eval: embeddingFileSchema,
  val: embeddingFileSchema.optional(),
  /** Embeddings of something unrelated: the far end of relative distances. */
  anchor: embeddingFileSchema.optional(),
});
export type EmbeddingSet = z.infer<typeof embeddingSetSchema>;

export function filesOf(file: EmbeddingFile): string[] {
  return typeof file === 'string' ? [file] : [file.path, ...(file.keys === undefined ? [] : [file.keys])];
}

export interface Matrix {
  readonly dim: number;
  /** [rows * dim] */
  readonly data: Float32Array;
}

/** Rows without keys come back in file order; used for anchors. */
export async function anchorMatrix(file: EmbeddingFile): Promise<Matrix & { readonly rows: number }> {
  const { path } = typeof file === 'string' ? { path: file } : file;
  const { data, dim } = /\.parquet$/i.test(path) ? await readEmbeddingTable(path) : await readMatrix(path);
  return { dim, data, rows: dim === 0 ? 0 : data.length / dim };
}

/**
 * One row per image, in the order of `rows`. An image without an embedding, or with one that is not finite, gets a row of zeros, which
 * takes part in nothing: NaN would spoil the mean of all others.
 * @throws StillhouseError bad-input when no image has one, or a file without keys has another number of rows than there are images.
 */
export async function embeddingsFor(file: EmbeddingFile, rows: readonly ImageRow[]): Promise<Matrix> {
  const { path, keys } = typeof file === 'string' ? { path: file, keys: undefined } : file;
  const found: KeyedEmbeddings = /\.parquet$/i.test(path)
    ? await readEmbeddingTable(path)
    : await keyed(path, keys, rows);
  const place = new Map(found.keys.map((key, i) => [key, i]));
  const data = new Float32Array(rows.length * found.dim);
  let matched = 0;
  rows.forEach((row, i) => {
    const at = place.get(row.id) ?? place.get(row.name);
    if (at === undefined) return;
    matched += 1;
    const embedding = found.data.subarray(at * found.dim, (at + 1) * found.dim);
    if (embedding.every(Number.isFinite)) data.set(embedding, i * found.dim);
  });
  if (matched === 0)
    throw refused(path, 'keys that are image ids or names of the dataset', `${found.keys.length} others`);
  return { dim: found.dim, data };
}

async function keyed(
  path: string,
  keysPath: string | undefined,
  rows: readonly ImageRow[],
): Promise<KeyedEmbeddings> {
  const { data, dim } = await readMatrix(path);
  const count = dim === 0 ? 0 : data.length / dim;
  const keys =
    keysPath === undefined
      ? rows.map(({ name }) => name).sort()
      : (await readBytes(keysPath))
          .toString('utf8')
          .split(/\r?\n/)
          .filter((line) => line !== '');
  if (keys.length !== count)
    throw refused(
      path,
      keysPath === undefined
        ? `${keys.length} rows, one per image in the order of names`
        : `${keys.length} rows, as ${keysPath} has lines`,
      `${count}`,
    );
  return { keys, dim, data };
}

async function readMatrix(path: string): Promise<Matrix> {
  const bytes = await readBytes(path);
  if (/\.npy$/i.test(path)) {
    const { columns, data } = decodeNpy(bytes, path);
    return { dim: columns, data };
  }
  const { tensors } = decodeSafetensors(bytes, path);
  const matrices = [...tensors].filter(([, { shape }]) => shape.length === 2);
  if (matrices.length !== 1)
    throw refused(path, 'one tensor of shape [images, dimensions]', `${matrices.length} of them`);
  const [, { shape, values }] = matrices[0]!;
  return { dim: shape[1]!, data: values };
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await fsp.readFile(path);
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === undefined) throw error;
    throw refused(path, 'a readable file', code, error);
  }
}

/** Digests of the files: part of the stage's fingerprint. */
export async function fileDigests(paths: readonly string[]): Promise<string[]> {
  const digests: string[] = [];
  for (const path of paths) digests.push(sha256(await readBytes(path)));
  return digests;
}

function refused(where: string, wanted: string, got: string, cause?: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'bad-input',
      what: 'a file of embeddings does not fit the dataset',
      where,
      wanted,
      got,
      next: 'name the right file, or give a file of keys',
    },
    cause,
  );
}
