/**
 * One file of target tensors of one space: an uncompressed Arrow IPC file with a single record batch of fixed-size rows
 * (design.md §3). Columns: `key` (32-byte image digest), `view` (16-byte view digest), `ok`, `crc32` of the payload, `payload`
 * (`arrow.fixed_shape_tensor`). Any Arrow reader sees shaped tensors.
 *
 * Half floats go in as `Uint16Array` bits: apache-arrow's own float16 builder corrupts values (formats-and-loaders.md §3.2).
 */
import { crc32 } from 'node:zlib';
import * as arrow from 'apache-arrow';
import { StillhouseError } from '../core/failure.ts';

export type TensorDtype = 'float16' | 'float32' | 'int8' | 'uint8';
export type TensorValues = Uint16Array | Float32Array | Int8Array | Uint8Array;

export interface TensorPart {
  /** Shape of one row, row-major; the product is the number of values per row. */
  readonly shape: readonly number[];
  readonly dimNames?: readonly string[];
  readonly dtype: TensorDtype;
  readonly rows: number;
  /** [rows, 32] bytes. */
  readonly keys: Uint8Array;
  /** [rows, 16] bytes. */
  readonly views: Uint8Array;
  /** [rows], 1 = usable. A row that is not ok has a zero payload. */
  readonly ok: Uint8Array;
  /** [rows, ...shape]; float16 as bits. */
  readonly payload: TensorValues;
  /** Written into the schema's metadata, keys under `stillhouse.`. */
  readonly metadata: Readonly<Record<string, string>>;
}

export const KEY_BYTES = 32;
export const VIEW_BYTES = 16;
export const PART_VERSION = '1';
const BYTES_PER_VALUE = { float16: 2, float32: 4, int8: 1, uint8: 1 } as const;

export const rowValuesOf = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);
export const rowBytesOf = (shape: readonly number[], dtype: TensorDtype): number =>
  rowValuesOf(shape) * BYTES_PER_VALUE[dtype];

/** Bytes of row `index` of a payload, as a view (no copy). */
export function payloadRow(payload: TensorValues, shape: readonly number[], index: number): Uint8Array {
  const values = rowValuesOf(shape);
  const row = payload.subarray(index * values, (index + 1) * values);
  return new Uint8Array(row.buffer, row.byteOffset, row.byteLength);
}

/** Schema metadata key of the checksum of the small columns; the payload has one per row. */
export const INDEX_CHECKSUM = 'stillhouse.index-crc32';

/** CRC-32 of keys, views, packed flags and row checksums, one behind the other without padding, as 8 hex digits. */
export function indexChecksum(columns: {
  readonly keys: Uint8Array;
  readonly views: Uint8Array;
  readonly okBits: Uint8Array;
  readonly crcs: Uint8Array;
}): string {
  const { keys, views, okBits, crcs } = columns;
  return [keys, views, okBits, crcs]
    .reduce((sum, column) => crc32(column, sum), 0)
    .toString(16)
    .padStart(8, '0');
}

/** Encodes a part. The bytes depend on nothing but the argument. */
export function encodePart(part: TensorPart): Uint8Array {
  return arrow.tableToIPC(tableOf(part), 'file');
}

/** The same bytes in pieces, one behind the other; large columns are views of the argument's, so nothing large is copied. */
export async function encodePartPieces(part: TensorPart): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  for await (const piece of arrow.RecordBatchFileWriter.writeAll(tableOf(part)))
    pieces.push(piece as Uint8Array);
  return pieces;
}

function tableOf(part: TensorPart): arrow.Table {
  const { rows, shape } = part;
  const values = rowValuesOf(shape);
  if (
    rows < 1 ||
    part.ok.length !== rows ||
    part.payload.length !== rows * values ||
    part.keys.length !== rows * KEY_BYTES ||
    part.views.length !== rows * VIEW_BYTES
  )
    throw new Error(
      `internal: part of ${rows} rows with shape [${shape.join(',')}] has columns of other lengths`,
    );
  const crcs = new Uint32Array(rows);
  for (let i = 0; i < rows; i++) crcs[i] = crc32(payloadRow(part.payload, shape, i));
  const okBits = packBits(part.ok);
  const columns = {
    key: arrow.makeData({
      type: new arrow.FixedSizeBinary(KEY_BYTES),
      length: rows,
      nullCount: 0,
      data: part.keys,
    }),
    view: arrow.makeData({
      type: new arrow.FixedSizeBinary(VIEW_BYTES),
      length: rows,
      nullCount: 0,
      data: part.views,
    }),
    ok: arrow.makeData({ type: new arrow.Bool(), length: rows, nullCount: 0, data: okBits }),
    crc32: arrow.makeData({ type: new arrow.Uint32(), length: rows, nullCount: 0, data: crcs }),
    payload: tensorData(part, values),
  };
  const fields = Object.entries(columns).map(
    ([name, data]) =>
      new arrow.Field(name, data.type, false, name === 'payload' ? tensorMetadata(part) : undefined),
  );
  const checksum = indexChecksum({
    keys: part.keys,
    views: part.views,
    okBits,
    crcs: new Uint8Array(crcs.buffer),
  });
  const metadata = new Map(
    Object.entries({ 'stillhouse.part': PART_VERSION, [INDEX_CHECKSUM]: checksum, ...part.metadata }),
  );
  const schema = new arrow.Schema(fields, metadata);
  const struct = arrow.makeData({
    type: new arrow.Struct(fields),
    length: rows,
    nullCount: 0,
    children: Object.values(columns) as arrow.Data[],
  });
  return new arrow.Table(schema, [new arrow.RecordBatch(schema, struct)]);
}

function tensorData(part: TensorPart, values: number): arrow.Data {
  const length = part.rows * values;
  const child =
    part.dtype === 'float16'
      ? arrow.makeData({ type: new arrow.Float16(), length, nullCount: 0, data: part.payload as Uint16Array })
      : part.dtype === 'float32'
        ? arrow.makeData({
            type: new arrow.Float32(),
            length,
            nullCount: 0,
            data: part.payload as Float32Array,
          })
        : part.dtype === 'int8'
          ? arrow.makeData({ type: new arrow.Int8(), length, nullCount: 0, data: part.payload as Int8Array })
          : arrow.makeData({
              type: new arrow.Uint8(),
              length,
              nullCount: 0,
              data: part.payload as Uint8Array,
            });
  const item = new arrow.Field('item', child.type as arrow.DataType, false);
  const type = new arrow.FixedSizeList(values, item);
  return arrow.makeData({ type, length: part.rows, nullCount: 0, child: child as arrow.Data });
}

/** Exactly the canonical keys of `arrow.fixed_shape_tensor` (arrow CanonicalExtensions.rst). */
function tensorMetadata(part: TensorPart): Map<string, string> {
  const extension = { shape: part.shape, ...(part.dimNames ? { dim_names: part.dimNames } : {}) };
  return new Map([
    ['ARROW:extension:name', 'arrow.fixed_shape_tensor'],
    ['ARROW:extension:metadata', JSON.stringify(extension)],
  ]);
}

function packBits(flags: Uint8Array): Uint8Array {
  const bits = new Uint8Array(Math.ceil(flags.length / 8));
  flags.forEach((flag, i) => {
    if (flag) bits[i >> 3]! |= 1 << (i & 7);
  });
  return bits;
}

export function tornPart(where: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'integrity',
    what: 'a cache part is damaged',
    where,
    wanted: `an Arrow file of part version ${PART_VERSION}`,
    got,
    next: 'run `stillhouse cache verify --repair`; the affected rows are computed again by the next run',
  });
}
