/** One part, opened by its footer and small columns; no payload is read. */
import { join } from 'node:path';
import { StillhouseError, isStillhouseError, systemCodeOf } from '../core/failure.ts';
import {
  type PartIndex,
  type TensorPartLayout,
  readPartIndex,
  readPartLayout,
} from '../format/tensor-part-layout.ts';
import type { TensorDtype } from '../format/tensor-part.ts';
import { type CommitFs, type RandomAccess, asStoreFailure } from '../store/commit-fs.ts';
import type { PartEntry } from './journal.ts';
import { storedTensorOf } from './codecs/stored-tensor.ts';
import { type SpaceDescriptor, spaceIdOf } from './space.ts';

export interface CachedPart {
  readonly entry: PartEntry;
  readonly path: string;
  readonly layout: TensorPartLayout;
  readonly index: PartIndex;
}

export interface OpenPartOptions {
  readonly root: string;
  readonly entry: PartEntry;
  readonly space: SpaceDescriptor;
  readonly fs: CommitFs;
}

/**
 * Null when the file is gone. A local copy of a remote part that is damaged is dropped, and the part itself opened.
 * @throws StillhouseError integrity when it is damaged, or not the part of that space that the journal lists.
 */
export async function openPart(options: OpenPartOptions): Promise<CachedPart | null> {
  try {
    return await openOnce(options);
  } catch (error) {
    const path = join(options.root, 'data', options.entry.file);
    if (!isStillhouseError(error, 'integrity') || !(await options.fs.dropCopy(path))) throw error;
    return openOnce(options);
  }
}

async function openOnce({ root, entry, space, fs }: OpenPartOptions): Promise<CachedPart | null> {
  const path = join(root, 'data', entry.file);
  let file: RandomAccess;
  try {
    file = await fs.openRead(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw asStoreFailure(error, path);
  }
  try {
    const layout = await readPartLayout(file.read, file.sizeBytes, path);
    const wanted = partSummary({
      rows: entry.rows,
      space: spaceIdOf(space),
      ...storedTensorOf(space),
      sizeBytes: entry.sizeBytes,
    });
    const got = partSummary({
      ...layout,
      space: layout.metadata.get('stillhouse.space') ?? 'none',
      sizeBytes: file.sizeBytes,
    });
    if (got !== wanted)
      throw new StillhouseError({
        kind: 'integrity',
        what: 'a cache part is not the one its journal lists',
        where: path,
        wanted,
        got,
        next: 'run `stillhouse cache verify --repair`; the affected rows are computed again by the next run',
      });
    return { entry, path, layout, index: await readPartIndex(file.read, layout, path) };
  } catch (error) {
    throw asStoreFailure(error, path);
  } finally {
    await file.close();
  }
}

interface PartSummary {
  readonly rows: number;
  readonly space: string;
  readonly shape: readonly number[];
  readonly dtype: TensorDtype;
  readonly sizeBytes: number;
}

const partSummary = ({ rows, space, shape, dtype, sizeBytes }: PartSummary): string =>
  `${rows} rows of ${dtype} [${shape.join(',')}] of space ${space}, ${sizeBytes} bytes`;
