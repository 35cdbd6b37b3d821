/**
 * Payloads of whole parts kept in memory up to a stated number of bytes, each read once: for a cache that is small beside the
 * machine's memory, rows then cost a look-up. Parts that do not fit any more are not kept; nothing is evicted.
 */
import type * as fsp from 'node:fs/promises';
import type { CachedPart } from './open-part.ts';

export class ResidentParts {
  readonly #payloads = new Map<string, Promise<Uint8Array>>();
  readonly #onRead: (bytes: number) => void;
  #roomBytes: number;

  constructor(roomBytes: number, onRead: (bytes: number) => void) {
    this.#roomBytes = roomBytes;
    this.#onRead = onRead;
  }

  /** Forgets a payload, so that the next one to want it reads it again. */
  forget(path: string): void {
    const held = this.#payloads.get(path);
    if (held === undefined) return;
    this.#payloads.delete(path);
    // a read that fails gives its room back itself
    held.then(
      (bytes) => (this.#roomBytes += bytes.length),
      () => undefined,
    );
  }

  /** The payload [rows * rowBytes] of a part, or null when there is no room for it. `use` opens the file. */
  payloadOf(
    part: CachedPart,
    use: <T>(read: (file: fsp.FileHandle) => Promise<T>) => Promise<T>,
  ): Promise<Uint8Array> | null {
    const held = this.#payloads.get(part.path);
    if (held) return held;
    const sizeBytes = part.layout.rows * part.layout.rowBytes;
    if (sizeBytes > this.#roomBytes) return null;
    this.#roomBytes -= sizeBytes;
    const reading = use(async (file) => {
      const bytes = new Uint8Array(sizeBytes);
      const { bytesRead } = await file.read(bytes, 0, sizeBytes, part.layout.at.payload);
      this.#onRead(bytesRead);
      return bytes.subarray(0, bytesRead);
    });
    this.#payloads.set(part.path, reading);
    // a failed read is forgotten, so that the next one tries again
    reading.catch(() => {
      if (this.#payloads.get(part.path) === reading) this.#payloads.delete(part.path);
      this.#roomBytes += sizeBytes;
    });
    return reading;
  }
}
