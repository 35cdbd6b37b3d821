/**
 * An Arrow IPC stream of record batches with shaped tensors (`arrow.fixed_shape_tensor`): each message carries its length, so a pipe
 * or a socket will do, and any Arrow reader reads it. Large columns are passed on as they are: nothing large is copied.
 */
import * as arrow from 'apache-arrow';
import { rowValuesOf } from './tensor-part.ts';

export type StreamColumn =
  /** [rows, ...shape]; a Uint16Array holds half floats. */
  | {
      readonly kind: 'tensor';
      readonly name: string;
      readonly shape: readonly number[];
      readonly data: Float32Array | Uint16Array | Uint8Array;
    }
  /** [rows, width] */
  | { readonly kind: 'bytes'; readonly name: string; readonly width: number; readonly data: Uint8Array }
  /** [rows] */
  | { readonly kind: 'int32'; readonly name: string; readonly data: Int32Array }
  | { readonly kind: 'uint8'; readonly name: string; readonly data: Uint8Array };

/** Collects what arrow's writer would queue. */
class PieceWriter extends arrow.RecordBatchStreamWriter {
  readonly pieces: Uint8Array[] = [];

  protected override _write(chunk: ArrayBufferView): this {
    const piece = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (piece.byteLength > 0) this.pieces.push(piece);
    this._position += piece.byteLength;
    return this;
  }
}

export class TensorStream {
  readonly #writer = new PieceWriter();
  readonly #metadata: Map<string, string>;
  #schema: arrow.Schema | null = null;

  /** @param metadata of the schema, keys under `stillhouse.`. */
  constructor(metadata: Readonly<Record<string, string>>) {
    this.#metadata = new Map(Object.entries(metadata));
  }

  /**
   * The bytes of one record batch, the schema before the first, in pieces that are to be written one behind the other. They are
   * views of the columns.
   * @throws Error (a defect) when columns differ from those of the first batch, or in length.
   */
  batch(rows: number, columns: readonly StreamColumn[]): Uint8Array[] {
    const data = columns.map((column) => dataOf(column, rows));
    const schema = new arrow.Schema(
      columns.map((column, i) => new arrow.Field(column.name, data[i]!.type, false, metadataOf(column))),
      this.#metadata,
    );
    if (this.#schema === null) this.#schema = schema;
    else if (String(this.#schema) !== String(schema))
      throw new Error(`internal: a stream of ${String(this.#schema)} got ${String(schema)}`);
    const struct = arrow.makeData({
      type: new arrow.Struct(this.#schema.fields),
      length: rows,
      nullCount: 0,
      children: data,
    });
    this.#writer.write(new arrow.RecordBatch(this.#schema, struct));
    return this.#writer.pieces.splice(0);
  }

  /** What ends the stream: readers then know that nothing was cut off. */
  end(): Uint8Array[] {
    this.#writer.finish();
    return this.#writer.pieces.splice(0);
  }
}

function dataOf(column: StreamColumn, rows: number): arrow.Data {
  const wanted =
    rows *
    (column.kind === 'tensor' ? rowValuesOf(column.shape) : column.kind === 'bytes' ? column.width : 1);
  if (column.data.length !== wanted)
    throw new Error(`internal: column ${column.name} has ${column.data.length} values, wanted ${wanted}`);
  const common = { length: rows, nullCount: 0 };
  switch (column.kind) {
    case 'bytes':
      return arrow.makeData({
        type: new arrow.FixedSizeBinary(column.width),
        ...common,
        data: column.data,
      });
    case 'int32':
      return arrow.makeData({ type: new arrow.Int32(), ...common, data: column.data });
    case 'uint8':
      return arrow.makeData({ type: new arrow.Uint8(), ...common, data: column.data });
    case 'tensor': {
      const child = valuesOf(column.data);
      const item = new arrow.Field('item', child.type, false);
      const type = new arrow.FixedSizeList(rowValuesOf(column.shape), item);
      return arrow.makeData({ type, ...common, child });
    }
  }
}

function valuesOf(data: Float32Array | Uint16Array | Uint8Array): arrow.Data {
  const common = { length: data.length, nullCount: 0 };
  if (data instanceof Float32Array)
    return arrow.makeData({ type: new arrow.Float32(), ...common, data }) as arrow.Data;
  if (data instanceof Uint16Array)
    return arrow.makeData({ type: new arrow.Float16(), ...common, data }) as arrow.Data;
  return arrow.makeData({ type: new arrow.Uint8(), ...common, data }) as arrow.Data;
}

/** Exactly the canonical keys of `arrow.fixed_shape_tensor` (arrow CanonicalExtensions.rst). */
function metadataOf(column: StreamColumn): Map<string, string> | undefined {
  if (column.kind !== 'tensor') return undefined;
  return new Map([
    ['ARROW:extension:name', 'arrow.fixed_shape_tensor'],
    ['ARROW:extension:metadata', JSON.stringify({ shape: column.shape })],
  ]);
}
