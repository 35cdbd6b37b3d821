/**
 * Reads targets row by row, straight from the part files by offset, and checks each row's CRC: wrong bytes are never served.
 */
import { crc32 } from 'node:zlib';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import type { SpaceId } from '../core/ids.ts';
import { rowValuesOf } from '../format/tensor-part.ts';
import { type CommitFs, asStoreFailure } from '../store/commit-fs.ts';
import type { CachedSpace, RowPlace } from './catalogue.ts';
import { openSpaceCodec } from './codecs/open-space-codec.ts';
import { normalisedShapeOf, targetShapeOf } from './codecs/stored-tensor.ts';
import type { TargetCodec, TargetForm } from './codecs/target-codec.ts';
import { OpenFiles } from './open-files.ts';
import { ResidentParts } from './resident-parts.ts';
import type { RowKey } from './row-key.ts';
import { type SpaceDescriptor, codedLabel } from './space.ts';

const OPEN_FILES = 256;

const REPAIR = 'run `stillhouse cache verify --repair`; the affected rows are computed again by the next run';

export interface TargetReaderOptions {
  /** Files kept open at once; parts beyond it are reopened when needed. Default 256. */
  readonly openFiles?: number;
  /** Payload bytes kept in memory; parts are then read whole, each once. Default 0: every row is read by its offset. */
  readonly residentBytes?: number;
}

export class TargetReader {
  readonly #files: OpenFiles;
  readonly #resident: ResidentParts;
  readonly #codecs = new Map<SpaceId, Promise<TargetCodec>>();
  /** Counted so that tests can assert what was read. */
  readonly counts: { rows: number; bytes: number; readonly opens: number };

  constructor(options: TargetReaderOptions = {}) {
    const files = new OpenFiles(options.openFiles ?? OPEN_FILES);
    this.#files = files;
    this.#resident = new ResidentParts(options.residentBytes ?? 0, (bytes) => (this.counts.bytes += bytes));
    this.counts = {
      rows: 0,
      bytes: 0,
      get opens() {
        return files.opens;
      },
    };
  }

  /**
   * Decodes the target of `key` into `out` (float32, [product of its shape in that form]). Returns false, with `out` zeroed, when
   * the row is absent or not ok. Calls may overlap.
   * @throws StillhouseError integrity when the bytes do not match their CRC, the part is gone or too short, or the statistics of
   * the codec are; bad-input when the space has no normalised form.
   */
  async readInto(
    space: CachedSpace,
    key: RowKey,
    out: Float32Array,
    form: TargetForm = 'teacher',
  ): Promise<boolean> {
    const width = rowValuesOf(readShapeOf(space.descriptor, form));
    if (out.length !== width)
      throw new Error(`internal: a target of ${width} values is read into ${out.length}`);
    const bytes = await this.readStored(space, key);
    if (bytes === null) {
      out.fill(0);
      return false;
    }
    (await this.#codecOf(space)).decode(bytes, out, form);
    return true;
  }

  /**
   * The payload row of `key` as its codec stored it, null when it is absent or not ok.
   * @throws StillhouseError integrity when the bytes do not match their CRC, or the part is gone or too short.
   */
  async readStored(space: CachedSpace, key: RowKey): Promise<Uint8Array | null> {
    const place = space.rows.get(key);
    if (place === undefined || place.part.index.ok[place.row] === 0) return null;
    let bytes = await this.#row(place, space.fs);
    if (!isIntact(bytes, place) && (await this.#fetchAgain(place, space.fs)))
      bytes = await this.#row(place, space.fs);
    if (!isIntact(bytes, place)) throw damaged(bytes, place);
    this.counts.rows += 1;
    return bytes;
  }

  /** Opened once per space: i8p and i4p build their rotation then. */
  #codecOf(space: CachedSpace): Promise<TargetCodec> {
    const held = this.#codecs.get(space.id);
    if (held) return held;
    const opening = openSpaceCodec(space.root, space.descriptor, space.fs);
    this.#codecs.set(space.id, opening);
    // a failure is forgotten, so that the next read tries again
    opening.catch(() => this.#codecs.delete(space.id));
    return opening;
  }

  /** A local copy may be what is damaged: then the next read fetches another. */
  async #fetchAgain({ part }: RowPlace, fs: CommitFs): Promise<boolean> {
    if (!(await fs.dropCopy(part.path))) return false;
    await this.#files.forget(part.path);
    this.#resident.forget(part.path);
    return true;
  }

  async #row(place: RowPlace, fs: CommitFs): Promise<Uint8Array> {
    const { path } = place.part;
    return this.#bytesOf(place, fs).catch((error: unknown) => {
      throw systemCodeOf(error) === 'ENOENT' ? goneFailure(path, error) : asStoreFailure(error, path);
    });
  }

  /** A row from memory where its part is resident, else from the file; short at the end of a torn one. */
  async #bytesOf({ part, row }: RowPlace, fs: CommitFs): Promise<Uint8Array> {
    const { rowBytes, at } = part.layout;
    const payload = this.#resident.payloadOf(part, (read) => this.#files.use({ path: part.path, fs }, read));
    if (payload) return (await payload).subarray(row * rowBytes, (row + 1) * rowBytes);
    const bytes = new Uint8Array(rowBytes);
    const { bytesRead } = await this.#files.use({ path: part.path, fs }, (file) =>
      file.read(bytes, 0, rowBytes, at.payload + row * rowBytes),
    );
    this.counts.bytes += bytesRead;
    return bytes.subarray(0, bytesRead);
  }

  /** Waits for reads under way and closes the files; reading afterwards is a defect. */
  async close(): Promise<void> {
    await this.#files.close();
  }
}

const isIntact = (bytes: Uint8Array, { part, row }: RowPlace): boolean =>
  bytes.length === part.layout.rowBytes && crc32(bytes) === part.index.crc32[row];

function damaged({ length }: Uint8Array, { part, row }: RowPlace): StillhouseError {
  const { rowBytes } = part.layout;
  return new StillhouseError({
    kind: 'integrity',
    ...(length === rowBytes
      ? {
          what: 'a cached target is damaged: its checksum does not match',
          where: `${part.path}, row ${row}`,
        }
      : {
          what: 'a cache part ended early',
          where: part.path,
          wanted: `${rowBytes} bytes for row ${row}`,
          got: `${length}`,
        }),
    next: REPAIR,
  });
}

/** Shape of what a reader gets. @throws StillhouseError bad-input when the space has no normalised form. */
export function readShapeOf(space: SpaceDescriptor, form: TargetForm): readonly number[] {
  if (form === 'teacher') return targetShapeOf(space);
  const shape = normalisedShapeOf(space);
  if (shape !== null) return shape;
  throw new StillhouseError({
    kind: 'bad-input',
    what: 'the targets have no normalised form: their codec does not rotate',
    where: codedLabel(space),
    wanted: 'codec i8p or i4p',
    got: space.codec.id,
    next: 'derive such a space with `stillhouse cache derive`, or read the targets as the teacher gave them',
  });
}

function goneFailure(path: string, cause: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'integrity',
      what: 'a cache part was removed while it was in use',
      where: path,
      next: 'run the same command again: its rows are computed anew',
    },
    cause,
  );
}
