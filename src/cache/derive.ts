/**
 * Targets of a space from a richer one, without the teacher: each target is read once, encoded and committed, unit by unit. Cut off
 * anywhere, the next derivation goes on with what is missing; with nothing missing it writes nothing. The bytes are those that a run
 * with the teacher would have written, and a target that failed stays failed, for its reason.
 */
import { rowValuesOf } from '../format/tensor-part.ts';
import { type CommitFs, nodeFs } from '../store/commit-fs.ts';
import type { RowPlace } from './catalogue.ts';
import { openSpaceCodec } from './codecs/open-space-codec.ts';
import type { Derivation } from './derivation.ts';
import { failureReasons } from './failure-reasons.ts';
import { TargetReader } from './read.ts';
import { partOf } from './target-part.ts';
import type { CacheWriter } from './write.ts';

export interface DeriveOptions {
  readonly root: string;
  readonly derivation: Derivation;
  readonly writer: CacheWriter;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
  readonly fs?: CommitFs;
}

export interface Derived {
  readonly written: number;
  /** Of those, rows whose source failed, or that the codec has no room for. */
  readonly failed: number;
}

/**
 * @throws StillhouseError integrity when a source row is damaged or the statistics of the codec are gone, environment as a commit
 * does; the signal's reason. What was committed before is kept.
 */
export async function deriveTargets(options: DeriveOptions): Promise<Derived> {
  const { root, derivation, writer, signal, onProgress, fs = nodeFs } = options;
  const { space, source, units, rows: total } = derivation;
  const codec = await openSpaceCodec(root, space, fs);
  const width = rowValuesOf(space.shape);
  const reasonOf = failureReasons();
  const reader = new TargetReader();
  let [written, failed] = [0, 0];
  try {
    for (const keys of units) {
      const values = new Float32Array(keys.length * width);
      const reasons = new Map<number, string>();
      for (const [row, key] of keys.entries()) {
        signal?.throwIfAborted();
        const into = values.subarray(row * width, (row + 1) * width);
        if (await reader.readInto(source, key, into)) continue;
        reasons.set(row, reasonOf(source.rows.get(key) as RowPlace));
        into.fill(NaN);
      }
      const rows = keys.map((key) => ({ key }));
      const part = partOf(space, rows, values, codec);
      const failures = part.failures.map(({ row, reason }) => ({ row, reason: reasons.get(row) ?? reason }));
      await writer.commit([{ ...part, failures }]);
      written += keys.length;
      failed += failures.length;
      onProgress?.(written, total);
    }
  } finally {
    await reader.close();
  }
  return { written, failed };
}
