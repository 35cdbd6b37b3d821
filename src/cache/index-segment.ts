/**
 * The small columns of many parts of one space in one file, so that a catalogue opens a few files instead of every part. Derived
 * from the parts and thrown away freely: a snapshot names each by its sha256, and what is damaged is read from the parts again.
 *
 * An Arrow file as the parts are (src/decisions/0010-cache-index-in-arrow.md): `key`, `view`, `ok`, `crc32` of every row, one part
 * behind the other; what each part is stands in the schema's metadata.
 */
import * as arrow from 'apache-arrow';
import { z } from 'zod';
import { KEY_BYTES, type TensorDtype, VIEW_BYTES } from '../format/tensor-part.ts';
import type { PartIndex, TensorPartLayout } from '../format/tensor-part-layout.ts';
import { type ListedPart, listingSchema, partEntrySchema } from './journal.ts';

const VERSION = '1';
const PARTS = 'stillhouse.parts';

/** A part as its footer and small columns describe it, and who lists it. */
export interface IndexedPart extends ListedPart {
  readonly layout: TensorPartLayout;
  readonly index: PartIndex;
}

const partsSchema = z.array(
  z.strictObject({
    part: partEntrySchema,
    listings: z.array(listingSchema.omit({ file: true })),
    shape: z.array(z.int()),
    dtype: z.enum(['float16', 'float32', 'int8', 'uint8']),
    rowBytes: z.int(),
    at: z.tuple([z.int(), z.int(), z.int(), z.int(), z.int()]),
    metadata: z.record(z.string(), z.string()),
  }),
);

/** Equal parts in an equal order give equal bytes. */
export function encodeSegment(parts: readonly IndexedPart[]): Uint8Array {
  const rows = parts.reduce((sum, { layout }) => sum + layout.rows, 0);
  const keys = new Uint8Array(rows * KEY_BYTES);
  const views = new Uint8Array(rows * VIEW_BYTES);
  const ok = new Uint8Array(rows);
  const crcs = new Uint32Array(rows);
  let row = 0;
  for (const { layout, index } of parts) {
    keys.set(index.keys, row * KEY_BYTES);
    views.set(index.views, row * VIEW_BYTES);
    ok.set(index.ok, row);
    crcs.set(index.crc32, row);
    row += layout.rows;
  }
  const described: z.input<typeof partsSchema> = parts.map(({ part, listings, layout }) => ({
    part,
    listings: listings.map(({ writer, seq }) => ({ writer, seq })),
    shape: [...layout.shape],
    dtype: layout.dtype,
    rowBytes: layout.rowBytes,
    at: [layout.at.key, layout.at.view, layout.at.ok, layout.at.crc32, layout.at.payload],
    metadata: Object.fromEntries(layout.metadata),
  }));
  const columns = {
    key: fixed(KEY_BYTES, rows, keys),
    view: fixed(VIEW_BYTES, rows, views),
    ok: arrow.makeData({ type: new arrow.Uint8(), length: rows, nullCount: 0, data: ok }),
    crc32: arrow.makeData({ type: new arrow.Uint32(), length: rows, nullCount: 0, data: crcs }),
  };
  const fields = Object.entries(columns).map(([name, data]) => new arrow.Field(name, data.type, false));
  const schema = new arrow.Schema(
    fields,
    new Map([
      ['stillhouse.index', VERSION],
      [PARTS, JSON.stringify(described)],
    ]),
  );
  const struct = arrow.makeData({
    type: new arrow.Struct(fields),
    length: rows,
    nullCount: 0,
    children: Object.values(columns) as arrow.Data[],
  });
  return arrow.tableToIPC(new arrow.Table(schema, [new arrow.RecordBatch(schema, struct)]), 'file');
}

const fixed = (width: number, length: number, data: Uint8Array): arrow.Data<arrow.FixedSizeBinary> =>
  arrow.makeData({ type: new arrow.FixedSizeBinary(width), length, nullCount: 0, data });

/**
 * The parts of a segment; their columns are views of `bytes`.
 * @param bytes whose digest has been checked: they are what {@link encodeSegment} made.
 */
export function decodeSegment(bytes: Uint8Array): IndexedPart[] {
  const table = arrow.tableFromIPC(bytes);
  if (table.schema.metadata.get('stillhouse.index') !== VERSION)
    throw new Error('internal: an index segment of another version was listed');
  const parts = partsSchema.parse(JSON.parse(table.schema.metadata.get(PARTS) ?? 'null'));
  const column = (name: string): Uint8Array | Uint32Array =>
    table.getChild(name)!.data[0]!.values as Uint8Array | Uint32Array;
  const columns = {
    keys: column('key') as Uint8Array,
    views: column('view') as Uint8Array,
    ok: column('ok') as Uint8Array,
    crc32: column('crc32') as Uint32Array,
  };
  let row = 0;
  return parts.map(({ part, listings, shape, dtype, rowBytes, at, metadata }): IndexedPart => {
    const [from, to] = [row, (row += part.rows)];
    const [key, view, ok, crc32, payload] = at;
    return {
      part,
      listings: listings.map((listing) => ({ ...listing, file: part.file })),
      layout: {
        rows: part.rows,
        shape,
        dtype: dtype satisfies TensorDtype,
        rowBytes,
        metadata: new Map(Object.entries(metadata)),
        at: { key, view, ok, crc32, payload },
      },
      index: {
        keys: columns.keys.subarray(from * KEY_BYTES, to * KEY_BYTES),
        views: columns.views.subarray(from * VIEW_BYTES, to * VIEW_BYTES),
        ok: columns.ok.subarray(from, to),
        crc32: columns.crc32.subarray(from, to),
      },
    };
  });
}
