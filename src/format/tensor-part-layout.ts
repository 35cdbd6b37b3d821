/**
 * Where the rows of a part lie: parsed from the Arrow footer with three small reads, so that a loader reads rows straight from
 * the file without loading it (design.md §3).
 */
import { DataType, type Field, type Schema } from 'apache-arrow';
import { Footer } from 'apache-arrow/ipc/metadata/file';
import { Message } from 'apache-arrow/ipc/metadata/message';
import { ARROW_BATCH_MESSAGE, ARROW_FOOTER, assertVectorsFit } from './flatbuffer-vectors.ts';
import {
  INDEX_CHECKSUM,
  KEY_BYTES,
  PART_VERSION,
  type TensorDtype,
  VIEW_BYTES,
  indexChecksum,
  rowBytesOf,
  rowValuesOf,
  tornPart,
} from './tensor-part.ts';

/** Reads `length` bytes at `offset`; short at the end of the file. */
export type ReadRange = (offset: number, length: number) => Promise<Uint8Array>;

export interface TensorPartLayout {
  readonly rows: number;
  readonly shape: readonly number[];
  readonly dtype: TensorDtype;
  readonly metadata: ReadonlyMap<string, string>;
  readonly rowBytes: number;
  /** Byte offsets of each column's first byte in the file. */
  readonly at: {
    readonly key: number;
    readonly view: number;
    readonly ok: number;
    readonly crc32: number;
    readonly payload: number;
  };
}

export interface PartIndex {
  /** [rows, 32] */
  readonly keys: Uint8Array;
  /** [rows, 16] */
  readonly views: Uint8Array;
  /** [rows], 0 or 1 */
  readonly ok: Uint8Array;
  /** [rows] */
  readonly crc32: Uint32Array;
}

const MAGIC = 'ARROW1';

/** @throws StillhouseError integrity when the file is torn, of another version, or not a part. */
export async function readPartLayout(
  read: ReadRange,
  sizeBytes: number,
  where: string,
): Promise<TensorPartLayout> {
  if (sizeBytes < 24) throw tornPart(where, `${sizeBytes} bytes`);
  const tail = await read(sizeBytes - 10, 10);
  if (Buffer.from(tail.subarray(4)).toString('latin1') !== MAGIC)
    throw tornPart(where, 'no Arrow magic at the end');
  const footerBytes = new DataView(tail.buffer, tail.byteOffset).getInt32(0, true);
  if (footerBytes <= 0 || footerBytes > sizeBytes - 18)
    throw tornPart(where, `a footer of ${footerBytes} bytes`);
  try {
    const footer = Footer.decode(
      checked(await read(sizeBytes - 10 - footerBytes, footerBytes), ARROW_FOOTER),
    );
    const block = footer.getRecordBatch(0);
    if (footer.numRecordBatches !== 1 || block === null)
      throw tornPart(where, `${footer.numRecordBatches} record batches, not 1`);
    const { shape, dtype, metadata } = tensorOf(footer.schema, where);
    if (block.metaDataLength > sizeBytes) throw tornPart(where, `a header of ${block.metaDataLength} bytes`);
    const head = await read(block.offset, block.metaDataLength);
    // 8 bytes of continuation marker and length stand before the flatbuffer
    const message = Message.decode(checked(head.subarray(8), ARROW_BATCH_MESSAGE));
    if (!message.isRecordBatch()) throw tornPart(where, 'a message that is no record batch');
    const batch = message.header();
    const bodyAt = block.offset + block.metaDataLength;
    const data = dataBufferOffsets(batch.buffers, bodyAt, where);
    const rows = batch.length;
    const rowBytes = rowBytesOf(shape, dtype);
    if (!columnsFit(data, rows, rowBytes, sizeBytes))
      throw tornPart(where, `${sizeBytes} bytes for ${rows} rows of ${rowBytes}`);
    return { rows, shape, dtype, metadata, rowBytes, at: data };
  } catch (error) {
    if (error instanceof Error && error.name === 'StillhouseError') throw error;
    // whatever the flatbuffer reader trips over is damage of this file
    throw tornPart(where, error instanceof Error ? error.message : String(error));
  }
}

function checked(bytes: Uint8Array, shape: Parameters<typeof assertVectorsFit>[1]): Uint8Array {
  assertVectorsFit(bytes, shape);
  return bytes;
}

/** Columns lie one behind the other, inside the file. */
function columnsFit(at: TensorPartLayout['at'], rows: number, rowBytes: number, sizeBytes: number): boolean {
  const ends: [start: number, length: number][] = [
    [at.key, rows * KEY_BYTES],
    [at.view, rows * VIEW_BYTES],
    [at.ok, Math.ceil(rows / 8)],
    [at.crc32, rows * 4],
    [at.payload, rows * rowBytes],
  ];
  let free = 0;
  for (const [start, length] of ends) {
    if (!Number.isSafeInteger(start) || start < free) return false;
    free = start + length;
  }
  return rows > 0 && free <= sizeBytes;
}

function tensorOf(schema: Schema, where: string): Pick<TensorPartLayout, 'shape' | 'dtype' | 'metadata'> {
  const version = schema.metadata.get('stillhouse.part');
  if (version !== PART_VERSION)
    throw tornPart(
      where,
      version === undefined ? 'an Arrow file of another kind' : `part version ${version}`,
    );
  const found = schema.fields.map((field: Field) => `${field.name}: ${String(field.type)}`);
  const payload = schema.fields[COLUMNS.length];
  const list: unknown = payload?.type;
  if (
    payload === undefined ||
    !DataType.isFixedSizeList(list) ||
    COLUMNS.some((column, i) => found[i] !== column)
  )
    throw tornPart(where, `columns ${found.join(', ')}`);
  const shape = shapeIn(payload.metadata.get('ARROW:extension:metadata') ?? '{}');
  if (shape === null || rowValuesOf(shape) !== list.listSize)
    throw tornPart(where, `shape [${shape?.join(',') ?? ''}] for a list of ${list.listSize}`);
  const dtype = DTYPE_OF[String(list.valueType)];
  if (dtype === undefined) throw tornPart(where, `values of type ${String(list.valueType)}`);
  return { shape, dtype, metadata: schema.metadata };
}

function shapeIn(extension: string): readonly number[] | null {
  const parsed = JSON.parse(extension) as { shape?: unknown } | null;
  const shape: unknown = parsed?.shape;
  const whole = Array.isArray(shape) && shape.every((side) => Number.isInteger(side) && side > 0);
  return whole && shape.length > 0 ? (shape as number[]) : null;
}

const COLUMNS = [
  `key: FixedSizeBinary[${KEY_BYTES}]`,
  `view: FixedSizeBinary[${VIEW_BYTES}]`,
  'ok: Bool',
  'crc32: Uint32',
];

const DTYPE_OF: Readonly<Record<string, TensorDtype>> = {
  Float16: 'float16',
  Float32: 'float32',
  Int8: 'int8',
  Uint8: 'uint8',
};

/** Arrow lists validity and data buffers in field order; a fixed-size list has its own validity before its child's two. */
function dataBufferOffsets(
  buffers: readonly { offset: number | bigint; length: number | bigint }[],
  bodyAt: number,
  where: string,
): TensorPartLayout['at'] {
  if (buffers.length !== 11) throw tornPart(where, `${buffers.length} buffers, not 11`);
  const offset = (i: number): number => bodyAt + Number(buffers[i]!.offset);
  return { key: offset(1), view: offset(3), ok: offset(5), crc32: offset(7), payload: offset(10) };
}

/**
 * The small columns, without any payload: one read.
 * @throws StillhouseError integrity when they are not the ones that were written.
 */
export async function readPartIndex(
  read: ReadRange,
  layout: TensorPartLayout,
  where: string,
): Promise<PartIndex> {
  const { rows, at } = layout;
  const end = at.crc32 + rows * 4;
  const bytes = await read(at.key, end - at.key);
  // copies with buffers of their own: `read` may give a Buffer, whose slice is a window into a shared one
  const slice = (from: number, length: number): Uint8Array =>
    Uint8Array.from(bytes.subarray(from - at.key, from - at.key + length));
  const columns = {
    keys: slice(at.key, rows * KEY_BYTES),
    views: slice(at.view, rows * VIEW_BYTES),
    okBits: slice(at.ok, Math.ceil(rows / 8)),
    crcs: slice(at.crc32, rows * 4),
  };
  const got = indexChecksum(columns);
  if (bytes.length !== end - at.key || got !== layout.metadata.get(INDEX_CHECKSUM))
    throw tornPart(where, `keys, views, flags and checksums with checksum ${got}`);
  const ok = new Uint8Array(rows);
  for (let i = 0; i < rows; i++) ok[i] = (columns.okBits[i >> 3]! >> (i & 7)) & 1;
  return { keys: columns.keys, views: columns.views, ok, crc32: new Uint32Array(columns.crcs.buffer) };
}
