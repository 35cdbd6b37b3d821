/** The key of one target within a space: 32 bytes of image id and 16 of view id, 96 hex digits as text. */
import type { ImageId, ViewId } from '../core/ids.ts';
import { KEY_BYTES, VIEW_BYTES } from '../format/tensor-part.ts';

export type RowKey = string & { readonly rowKey: unique symbol };

export interface TargetKey {
  readonly image: ImageId;
  readonly view: ViewId;
}

export function rowKeyOf(key: TargetKey): RowKey {
  return (key.image + key.view) as RowKey;
}

/** The inverse of {@link rowKeyOf}. */
export function targetKeyOf(key: RowKey): TargetKey {
  return { image: key.slice(0, KEY_BYTES * 2) as ImageId, view: key.slice(KEY_BYTES * 2) as ViewId };
}

/** The key of one row of a part's key columns, [rows, 32] and [rows, 16]. */
export function rowKeyAt(keys: Uint8Array, views: Uint8Array, row: number): RowKey {
  return (hexOf(keys, row * KEY_BYTES, KEY_BYTES) + hexOf(views, row * VIEW_BYTES, VIEW_BYTES)) as RowKey;
}

/** Row keys of a part's key columns, in row order. */
export function rowKeysOf(keys: Uint8Array, views: Uint8Array): RowKey[] {
  return Array.from({ length: keys.length / KEY_BYTES }, (_, row) => rowKeyAt(keys, views, row));
}

const hexOf = (bytes: Uint8Array, at: number, length: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString('hex');
