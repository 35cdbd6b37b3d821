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

/** Row keys of a part's key columns, in row order. */
export function rowKeysOf(keys: Uint8Array, views: Uint8Array): RowKey[] {
  const images = Buffer.from(keys.buffer, keys.byteOffset, keys.byteLength).toString('hex');
  const geometry = Buffer.from(views.buffer, views.byteOffset, views.byteLength).toString('hex');
  const [k, v] = [KEY_BYTES * 2, VIEW_BYTES * 2];
  return Array.from(
    { length: keys.length / KEY_BYTES },
    (_, i) => (images.slice(i * k, (i + 1) * k) + geometry.slice(i * v, (i + 1) * v)) as RowKey,
  );
}
