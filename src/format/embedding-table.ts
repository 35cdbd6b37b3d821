/** Embeddings in a Parquet file: a column of keys and a column of float lists of one length (or of float32 bytes). */
import { open } from 'node:fs/promises';
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';

export interface KeyedEmbeddings {
  readonly keys: readonly string[];
  readonly dim: number;
  /** [keys.length * dim] */
  readonly data: Float32Array;
}

const KEY_COLUMNS = ['imageId', 'image_id', 'id', 'name', 'path', 'key', 'filename'];
const VECTOR_COLUMNS = ['embedding', 'embeddings', 'vector', 'features'];

/** The first column of each list of names that the file has. @throws StillhouseError bad-input, naming the row that does not fit. */
export async function readEmbeddingTable(path: string): Promise<KeyedEmbeddings> {
  const rows = await rowsOf(path);
  const names = Object.keys(rows[0] ?? {});
  const keyColumn = KEY_COLUMNS.find((name) => names.includes(name));
  const vectorColumn = VECTOR_COLUMNS.find((name) => names.includes(name));
  if (rows.length > 0 && (keyColumn === undefined || vectorColumn === undefined))
    throw refused(
      path,
      `a column ${KEY_COLUMNS.join(' or ')}, and a column ${VECTOR_COLUMNS.join(' or ')}`,
      names.join(', '),
    );
  const vectors = rows.map((row, i) => vectorOf(row[vectorColumn!], `${path}, row ${i}`));
  const dim = vectors[0]?.length ?? 0;
  const data = new Float32Array(rows.length * dim);
  vectors.forEach((vector, i) => {
    if (vector.length !== dim)
      throw refused(`${path}, row ${i}`, `${dim} dimensions, as row 0 has`, String(vector.length));
    data.set(vector, i * dim);
  });
  return { keys: rows.map((row) => String(row[keyColumn!])), dim, data };
}

async function rowsOf(path: string): Promise<Record<string, unknown>[]> {
  const handle = await open(path).catch((cause: unknown) => {
    throw new StillhouseError(
      {
        kind: 'bad-input',
        what: 'a file of embeddings cannot be read',
        where: path,
        got: systemCodeOf(cause) ?? 'an error of the system',
        next: 'check the path',
      },
      cause,
    );
  });
  try {
    const { size } = await handle.stat();
    const file = {
      byteLength: size,
      slice: async (start: number, end = size): Promise<ArrayBuffer> => {
        const bytes = new Uint8Array(end - start);
        await handle.read(bytes, 0, bytes.length, start);
        return bytes.buffer;
      },
    };
    const metadata = await parquetMetadataAsync(file);
    return (await parquetReadObjects({ file, metadata, utf8: false })) as Record<string, unknown>[];
  } catch (cause) {
    if (cause instanceof Error)
      throw refused(path, 'a whole Parquet file', cause.message.split('\n')[0]!, cause);
    throw cause;
  } finally {
    await handle.close();
  }
}

function vectorOf(value: unknown, where: string): Float32Array {
  if (value instanceof Uint8Array && value.byteLength % 4 === 0)
    return new Float32Array(value.slice().buffer);
  if (ArrayBuffer.isView(value) && !(value instanceof DataView))
    return Float32Array.from(value as Float64Array);
  if (Array.isArray(value) && value.every((one) => typeof one === 'number')) return Float32Array.from(value);
  throw refused(where, 'a list of numbers', Array.isArray(value) ? 'a list with other values' : typeof value);
}

function refused(where: string, wanted: string, got: string, cause?: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'bad-input',
      what: 'a file that cannot be used as embeddings',
      where,
      wanted,
      got,
      next: 'write the file again',
    },
    cause,
  );
}
