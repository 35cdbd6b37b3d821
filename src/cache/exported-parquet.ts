/** Rows of a Parquet file of targets, whatever form its payload has: stored bytes, or a list of floats. */
import { parquetReadObjects } from 'hyparquet';
import type { RowKey } from './row-key.ts';

/** A row as it was exported. */
export interface ImportedRow {
  readonly key: RowKey;
  readonly bytes: Uint8Array;
}

export async function readExportedParquet(bytes: Uint8Array): Promise<ImportedRow[]> {
  const own = Uint8Array.from(bytes);
  const rows = (await parquetReadObjects({ file: own.buffer, utf8: false })) as {
    key: string;
    view: string;
    payload: Uint8Array | number[];
  }[];
  return rows.map(({ key, view, payload }) => ({
    key: (key + view) as RowKey,
    bytes:
      payload instanceof Uint8Array
        ? Uint8Array.from(payload)
        : new Uint8Array(Float32Array.from(payload).buffer),
  }));
}
