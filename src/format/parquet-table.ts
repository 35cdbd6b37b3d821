/**
 * Tables as Parquet files: flat columns, plain values, equal bytes for equal input (src/decisions/0001-parquet-through-hyparquet.md).
 *
 * A schema is an object from column name to type, `?` marking a nullable one, so TypeScript knows the rows that come back.
 * Parquet has no page checksums in any writer we could use: a flipped bit inside a value is not seen here, so whoever keeps a
 * table over time keeps its sha256 too.
 */
import { open } from 'node:fs/promises';
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { type BasicType, type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';

/** `int64` values are JavaScript numbers and must be safe integers. */
export type ColumnType = 'string' | 'int32' | 'int64' | 'double' | 'boolean' | 'bytes';

/** Column name to type, in file order. `string?` may hold null. */
export type TableSchema = Readonly<Record<string, ColumnType | `${ColumnType}?`>>;

export type ParquetValue = string | number | boolean | Uint8Array | null;

interface ValueOf {
  string: string;
  int32: number;
  int64: number;
  double: number;
  boolean: boolean;
  bytes: Uint8Array;
}

/** The rows of a table with schema `S`. */
export type RowOf<S extends TableSchema> = {
  readonly [Name in keyof S]: S[Name] extends `${infer Type extends ColumnType}?`
    ? ValueOf[Type] | null
    : ValueOf[Extract<S[Name], ColumnType>];
};

export interface WriteParquetOptions {
  /** Key/value pairs of the footer, written in key order. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Rows per row group. Default 65,536. */
  readonly rowGroupRows?: number;
}

const ROW_GROUP_ROWS = 65_536;

const PHYSICAL: Record<ColumnType, BasicType> = {
  string: 'STRING',
  int32: 'INT32',
  int64: 'INT64',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  bytes: 'BYTE_ARRAY',
};

/**
 * Encodes rows as one Parquet file (Snappy, statistics and offset index on). Members that the schema does not name are left out.
 * @throws Error (a defect) when a value does not fit its column.
 */
export function writeParquet<S extends TableSchema>(
  schema: S,
  rows: readonly RowOf<S>[],
  options: WriteParquetOptions = {},
): Uint8Array {
  const columnData = Object.entries(schema).map(([name, spec]): ColumnSource => {
    const { type, nullable } = parsed(spec);
    const data = rows.map((row, index) => stored(row[name] as unknown, type, nullable, `${name}[${index}]`));
    // -0 and 0 are one dictionary key, so a dictionary would lose the sign of zero
    return {
      name,
      type: PHYSICAL[type],
      nullable,
      data,
      ...(type === 'double' ? { encoding: 'PLAIN' } : {}),
    };
  });
  const kvMetadata = Object.entries(options.metadata ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => ({ key, value }));
  const buffer = parquetWriteBuffer({
    columnData,
    rowGroupSize: options.rowGroupRows ?? ROW_GROUP_ROWS,
    createdBy: 'stillhouse',
    // an empty list would be written with no element type, which other readers refuse
    ...(kvMetadata.length > 0 ? { kvMetadata } : {}),
  });
  const file = Buffer.from(buffer);
  if (rows.length === 0) nameEmptyList(file);
  return new Uint8Array(buffer);
}

/** Footer of a table without rows: `num_rows` = 0 (i64), then `row_groups` (list) with 0 elements and no type. */
const EMPTY_ROW_GROUPS = Uint8Array.of(0x16, 0x00, 0x19, 0x00);

/**
 * hyparquet-writer leaves the element type of an empty list open; parquet-rs wants the element type of the schema, struct, and refuses
 * the file. Column names cannot hold the pattern: they are printable.
 */
function nameEmptyList(file: Buffer): void {
  const at = file.indexOf(EMPTY_ROW_GROUPS);
  if (at >= 0) file[at + 3] = 0x0c;
}

function parsed(spec: string): { type: ColumnType; nullable: boolean } {
  const nullable = spec.endsWith('?');
  return { type: (nullable ? spec.slice(0, -1) : spec) as ColumnType, nullable };
}

const LONE_SURROGATE = /\p{Surrogate}/u;

function stored(value: unknown, type: ColumnType, nullable: boolean, where: string): unknown {
  if (value === null && nullable) return null;
  const fits =
    type === 'string'
      ? typeof value === 'string' && !LONE_SURROGATE.test(value)
      : type === 'bytes'
        ? value instanceof Uint8Array
        : type === 'boolean'
          ? typeof value === 'boolean'
          : type === 'double'
            ? typeof value === 'number'
            : Number.isSafeInteger(value) && (type === 'int64' || value === (value as number) >> 0);
  if (!fits) throw new Error(`internal: column ${where} holds no ${type}: ${String(value)}`);
  return type === 'int64' ? BigInt(value as number) : value;
}

/**
 * Reads a table from bytes or from a file, of which only the asked columns are read.
 * With `columns`, the file must hold those columns with those types; without, every column comes back as it is stored.
 * @throws StillhouseError `bad-input` for a missing file, a file that is not Parquet, a missing column or another type;
 * `integrity` for a torn or damaged file.
 */
export function readParquet<S extends TableSchema>(
  source: Uint8Array | string,
  options: { readonly columns: S },
): Promise<RowOf<S>[]>;
export function readParquet(source: Uint8Array | string): Promise<Readonly<Record<string, ParquetValue>>[]>;
export async function readParquet(
  source: Uint8Array | string,
  options: { readonly columns?: TableSchema } = {},
): Promise<Readonly<Record<string, ParquetValue>>[]> {
  return withFile(source, async (file, where) => {
    const metadata = await footerOf(file, where);
    const stored = columnsOf(metadata, where);
    for (const [name, spec] of Object.entries(options.columns ?? {})) checkColumn(stored, name, spec, where);
    const columns = options.columns ? Object.keys(options.columns) : [...stored.keys()];
    if (columns.length === 0) return Array.from({ length: Number(metadata.num_rows) }, () => ({}));
    const rows = await parquetReadObjects({ file, metadata, columns, utf8: false }).catch(
      (cause: unknown) => {
        throw damaged(where, 'a page that cannot be decoded', cause);
      },
    );
    if (rows.length !== Number(metadata.num_rows))
      throw damaged(where, `${rows.length} of ${metadata.num_rows} rows`);
    for (const [index, row] of rows.entries()) {
      for (const name of columns) row[name] = plainValue(row[name] as unknown, `${where}, ${name}[${index}]`);
    }
    return rows as Record<string, ParquetValue>[];
  });
}

/** The key/value pairs of the footer. Errors as {@link readParquet}. */
export function readParquetMetadata(source: Uint8Array | string): Promise<Readonly<Record<string, string>>> {
  return withFile(source, async (file, where) => {
    const { key_value_metadata: pairs = [] } = await footerOf(file, where);
    return Object.fromEntries(pairs.map(({ key, value }) => [key, value ?? '']));
  });
}

async function withFile<T>(
  source: Uint8Array | string,
  use: (file: AsyncBuffer, where: string) => Promise<T>,
): Promise<T> {
  if (typeof source !== 'string') {
    const slice = (start: number, end = source.length) => new Uint8Array(source.subarray(start, end)).buffer;
    return use({ byteLength: source.length, slice }, 'a table in memory');
  }
  const handle = await open(source).catch((cause: unknown) => {
    const got = systemCodeOf(cause) ?? 'an error of the system';
    throw new StillhouseError(
      { kind: 'bad-input', what: 'a table cannot be read', where: source, got, next: 'Check the path.' },
      cause,
    );
  });
  try {
    const { size } = await handle.stat();
    const slice = async (start: number, end = size) => {
      const bytes = new Uint8Array(end - start);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
      if (bytesRead < bytes.length)
        throw damaged(source, `${start + bytesRead} bytes where ${end} were stated`);
      return bytes.buffer;
    };
    return await use({ byteLength: size, slice }, source);
  } finally {
    await handle.close();
  }
}

async function footerOf(file: AsyncBuffer, where: string): Promise<FileMetaData> {
  const magic = Buffer.from(await file.slice(0, Math.min(4, file.byteLength))).toString('latin1');
  if (magic !== 'PAR1') {
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'not a Parquet file',
      where,
      wanted: 'a file that starts with PAR1',
      got: file.byteLength === 0 ? 'an empty file' : JSON.stringify(magic),
      next: 'Name a Parquet file, or write this one again.',
    });
  }
  return parquetMetadataAsync(file).catch((cause: unknown) => {
    throw damaged(where, 'a footer that cannot be decoded', cause);
  });
}

function columnsOf(metadata: FileMetaData, where: string): Map<string, string> {
  const [root, ...elements] = metadata.schema;
  if (root === undefined || elements.some(({ num_children }) => num_children !== undefined)) {
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'a Parquet table with nested columns',
      where,
      wanted: 'flat columns',
      next: 'Write the table without lists, maps and structs.',
    });
  }
  return new Map(
    elements.map(({ name, type, converted_type, logical_type, repetition_type }) => {
      const isText = converted_type === 'UTF8' || logical_type?.type === 'STRING';
      const found = Object.entries(PHYSICAL).find(([, basic]) => basic === (isText ? 'STRING' : type))?.[0];
      return [name, `${found ?? String(type)}${repetition_type === 'REQUIRED' ? '' : '?'}`];
    }),
  );
}

/** A required column may be read as a nullable one, never the other way round. */
function checkColumn(stored: Map<string, string>, name: string, spec: string, where: string): void {
  const got = stored.get(name);
  if (got === spec || `${got ?? ''}?` === spec) return;
  throw new StillhouseError({
    kind: 'bad-input',
    what: got === undefined ? 'a table lacks a column' : 'a column has another type',
    where: `${where}, column ${name}`,
    wanted: spec,
    got: got ?? `columns ${[...stored.keys()].join(', ')}`,
    next: 'Read a table written by this version, or write this one again.',
  });
}

function plainValue(value: unknown, where: string): ParquetValue {
  if (value === null || value === undefined) return null;
  if (typeof value === 'bigint') {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'an integer beyond 2^53 in a table',
      where,
      got: String(value),
      next: 'Store it as text.',
    });
  }
  return value as ParquetValue;
}

function damaged(where: string, got: string, cause?: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'integrity',
      what: 'a Parquet file is torn or damaged',
      where,
      wanted: 'a whole file',
      got,
      next: 'Write the table again, or take it from a copy.',
    },
    cause,
  );
}
