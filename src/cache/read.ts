/**
 * Reads targets row by row, straight from the part files by offset, and checks each row's CRC: wrong bytes are never served.
 */
import * as fsp from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { StillhouseError } from '../core/failure.ts';
import { decodeHalf } from '../core/half.ts';
import { rowValuesOf } from '../format/tensor-part.ts';
import { asStoreFailure } from '../store/commit-fs.ts';
import type { CachedSpace, RowPlace } from './catalogue.ts';
import type { RowKey } from './row-key.ts';

/** Files kept open at once; parts beyond it are reopened when needed. */
const OPEN_FILES = 256;

export class TargetReader {
  readonly #files = new Map<string, Promise<fsp.FileHandle>>();
  /** Counted so that tests can assert what was read. */
  readonly counts = { rows: 0, bytes: 0, opens: 0 };

  /**
   * Decodes the target of `key` into `out` (float32, [product of shape]). Returns false, with `out` zeroed, when the row is
   * absent or not ok.
   * @throws StillhouseError integrity when the bytes do not match their CRC.
   */
  async readInto(space: CachedSpace, key: RowKey, out: Float32Array): Promise<boolean> {
    const place = space.rows.get(key);
    if (place === undefined || place.part.index.ok[place.row] === 0) {
      out.fill(0);
      return false;
    }
    const bytes = await this.#row(place);
    if (crc32(bytes) !== place.part.index.crc32[place.row])
      throw new StillhouseError({
        kind: 'integrity',
        what: 'a cached target is damaged: its checksum does not match',
        where: `${place.part.path}, row ${place.row}`,
        next: 'run `stillhouse cache verify --repair`; the affected rows are computed again by the next run',
      });
    const bits = new Uint16Array(bytes.buffer, bytes.byteOffset, rowValuesOf(place.part.layout.shape));
    decodeHalf(bits, out);
    return true;
  }

  async #row(place: RowPlace): Promise<Buffer> {
    const { layout, path } = place.part;
    const bytes = Buffer.from(new ArrayBuffer(layout.rowBytes));
    const file = await this.#open(path);
    const { bytesRead } = await file.read(
      bytes,
      0,
      layout.rowBytes,
      layout.at.payload + place.row * layout.rowBytes,
    );
    if (bytesRead !== layout.rowBytes)
      throw new StillhouseError({
        kind: 'integrity',
        what: 'a cache part ended early',
        where: path,
        wanted: `${layout.rowBytes} bytes for row ${place.row}`,
        got: `${bytesRead}`,
        next: 'run `stillhouse cache verify --repair`; the affected rows are computed again by the next run',
      });
    this.counts.rows += 1;
    this.counts.bytes += layout.rowBytes;
    return bytes;
  }

  async #open(path: string): Promise<fsp.FileHandle> {
    const held = this.#files.get(path);
    if (held) {
      this.#files.delete(path);
      this.#files.set(path, held);
      return held;
    }
    if (this.#files.size >= OPEN_FILES) {
      const [oldest, handle] = this.#files.entries().next().value!;
      this.#files.delete(oldest);
      await (await handle).close();
    }
    this.counts.opens += 1;
    const opening = fsp.open(path, 'r').catch((error: unknown) => {
      this.#files.delete(path);
      throw asStoreFailure(error, path);
    });
    this.#files.set(path, opening);
    return opening;
  }

  async close(): Promise<void> {
    const handles = [...this.#files.values()];
    this.#files.clear();
    for (const handle of handles) await (await handle).close();
  }
}
