/**
 * Whether the vectors of a flatbuffer fit into its bytes. apache-arrow believes every length it reads and reads zeros beyond the
 * end, so that one changed bit in a file's footer can keep it busy, and growing, until the process dies. Here every read is bounds
 * checked and all elements together may not be more than the bytes could hold.
 *
 * Tables and vectors as in the FlatBuffers internals page; field numbers as in Arrow's File.fbs, Schema.fbs and Message.fbs.
 */

/** Fields of a table that hold, or lead to, vectors whose length a decoder follows; other fields are fixed in size. */
interface TableShape {
  readonly tables?: Readonly<Record<number, () => TableShape>>;
  readonly vectors?: Readonly<Record<number, { readonly elementBytes: number } | (() => TableShape)>>;
}

const KEY_VALUE: TableShape = {};
const FIELD: TableShape = { vectors: { 5: () => FIELD, 6: () => KEY_VALUE } };
const SCHEMA: TableShape = { vectors: { 1: () => FIELD, 2: () => KEY_VALUE, 3: { elementBytes: 8 } } };
const BLOCKS = { elementBytes: 24 };
const RECORD_BATCH: TableShape = {
  vectors: { 1: { elementBytes: 16 }, 2: { elementBytes: 16 }, 4: { elementBytes: 8 } },
};

/** The footer of an Arrow file. */
export const ARROW_FOOTER: TableShape = {
  tables: { 1: () => SCHEMA },
  vectors: { 2: BLOCKS, 3: BLOCKS, 4: () => KEY_VALUE },
};
/** A message that is expected to announce a record batch. */
export const ARROW_BATCH_MESSAGE: TableShape = {
  tables: { 2: () => RECORD_BATCH },
  vectors: { 4: () => KEY_VALUE },
};

const OFFSET_BYTES = 4;

/** @throws RangeError when a table or vector of `bytes` lies, or reaches, outside. */
export function assertVectorsFit(bytes: Uint8Array, root: TableShape): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let freeBytes = bytes.byteLength;
  const follow = (at: number): number => at + view.getUint32(at, true);
  /** Where a table's field lies; null when the table leaves it out. */
  const fieldOf = (table: number, field: number): number | null => {
    const vtable = table - view.getInt32(table, true);
    const slot = 4 + 2 * field;
    if (slot >= view.getUint16(vtable, true)) return null;
    const offset = view.getUint16(vtable + slot, true);
    return offset === 0 ? null : table + offset;
  };
  const check = (table: number, { tables = {}, vectors = {} }: TableShape): void => {
    for (const [field, shape] of Object.entries(tables)) {
      const at = fieldOf(table, Number(field));
      if (at !== null) check(follow(at), shape());
    }
    for (const [field, element] of Object.entries(vectors)) {
      const at = fieldOf(table, Number(field));
      if (at === null) continue;
      const vector = follow(at);
      const count = view.getUint32(vector, true);
      // no two vectors share bytes in an honest file, so what all of them take is bounded too
      freeBytes -= count * (typeof element === 'function' ? OFFSET_BYTES : element.elementBytes);
      if (freeBytes < 0) throw new RangeError(`a vector of ${count} elements in ${bytes.byteLength} bytes`);
      if (typeof element !== 'function') continue;
      for (let i = 0; i < count; i++) check(follow(vector + 4 + i * OFFSET_BYTES), element());
    }
  };
  check(follow(0), root);
}
