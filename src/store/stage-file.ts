/**
 * Files too large to copy: written beside their place from pieces in memory, synced, and compared with what the disk gives back,
 * while the caller hashes the same pieces. They count once {@link StagedFile.moveTo} has renamed them.
 */
import { join } from 'node:path';
import { StillhouseError } from '../core/failure.ts';
import { type CommitFs, asStoreFailure } from './commit-fs.ts';
import { stagingName } from './staging.ts';

export interface StagedFile {
  readonly sizeBytes: number;
  /** Renames it; the folder is not synced yet. */
  moveTo(path: string): Promise<void>;
  /** Removes it; nothing happens when it was moved. */
  discard(): Promise<void>;
}

const COMPARE_BYTES = 4 << 20;

/**
 * @throws StillhouseError environment when the disk is full, read-only or not permitted; integrity when it gives back other bytes.
 */
export async function stageFile(
  folder: string,
  pieces: readonly Uint8Array[],
  fs: CommitFs,
): Promise<StagedFile> {
  const staged = join(folder, stagingName('write'));
  const sizeBytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  let moved = false;
  const file: StagedFile = {
    sizeBytes,
    moveTo: async (path) => {
      try {
        await fs.rename(staged, path);
      } catch (error) {
        throw asStoreFailure(error, path);
      }
      moved = true;
    },
    // a courtesy: a leftover is never read, so that its own trouble must not hide what led here
    discard: async () => {
      if (!moved)
        await fs.remove(staged).catch((error: unknown) => {
          if (!(error instanceof Error)) throw error;
        });
    },
  };
  try {
    await fs.makeFolder(folder);
    await fs.writeNew(staged, pieces);
    await compare(staged, pieces, fs);
    return file;
  } catch (error) {
    await file.discard();
    throw asStoreFailure(error, staged);
  }
}

async function compare(path: string, pieces: readonly Uint8Array[], fs: CommitFs): Promise<void> {
  const file = await fs.openRead(path);
  try {
    let at = 0;
    const chunks = pieces.flatMap((piece) =>
      Array.from({ length: Math.ceil(piece.length / COMPARE_BYTES) }, (_, i) =>
        piece.subarray(i * COMPARE_BYTES, (i + 1) * COMPARE_BYTES),
      ),
    );
    // one is read while the one before is compared
    let reading = chunks.length > 0 ? file.read(0, chunks[0]!.length) : null;
    for (const [i, wanted] of chunks.entries()) {
      const got = await reading!;
      const next = chunks[i + 1];
      reading = next === undefined ? null : file.read(at + wanted.length, next.length);
      // when this one differs, nobody waits for the next
      reading?.catch(() => undefined);
      if (Buffer.compare(got, wanted) !== 0) throw otherBytes(path, at);
      at += wanted.length;
    }
    if (file.sizeBytes !== at) throw otherBytes(path, Math.min(at, file.sizeBytes));
  } finally {
    await file.close();
  }
}

function otherBytes(path: string, at: number): StillhouseError {
  return new StillhouseError({
    kind: 'integrity',
    what: 'the disk gave back other bytes than were written',
    where: path,
    got: `a difference within ${COMPARE_BYTES} bytes from byte ${at} on`,
    next: 'check the disk; nothing was listed, so the next run computes these rows again',
  });
}
