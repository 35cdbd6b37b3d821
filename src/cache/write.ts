/**
 * Commits targets: parts first (staged, fsynced, re-read and checked, renamed), then one journal entry for all of them. Killed at
 * any point, a cache holds what was journalled before; finished orphans are adopted by the next writer, broken ones set aside.
 */
import { join } from 'node:path';
import pLimit from 'p-limit';
import { type Json, canonicalJson } from '../core/canonical-json.ts';
import type { Clock } from '../core/clock.ts';
import { sha256InTurns } from '../core/digest.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { type TensorPart, encodePartPieces } from '../format/tensor-part.ts';
import { type CommitFs, asStoreFailure, nodeFs } from '../store/commit-fs.ts';
import { machineClass } from '../store/process-identity.ts';
import { type SharedLease, readLeases } from '../store/shared-lease.ts';
import { stageFile } from '../store/stage-file.ts';
import { ensureCache } from './catalogue.ts';
import { type CodecError, CODEC_ERROR } from './codecs/codec-error.ts';
import { writeInverse } from './codecs/inverse-file.ts';
import { type PartEntry, type Spent, appendJournal } from './journal.ts';
import { publishSnapshot } from './publish.ts';
import { type Quota, type Usage, addUsage, checkQuota, readQuota, usageOf } from './quota.ts';
import { recoverOrphans } from './recover.ts';
import type { Snapshot } from './snapshot.ts';
import { type SpaceDescriptor, exactSpaceIdOf, spaceFolderName, spaceIdOf, spaceLabel } from './space.ts';
import { registerSpace } from './space-files.ts';
import { holdWriterLease } from './writer-lease.ts';

export interface PartToWrite {
  readonly space: SpaceDescriptor;
  readonly part: Omit<TensorPart, 'metadata'>;
  /** Rows that are not ok, with the reason. */
  readonly failures: readonly { readonly row: number; readonly reason: string }[];
  /** What storing cost on the rows of this part; null where nothing is lost. */
  readonly codecError: CodecError | null;
}

export interface WriterOptions {
  readonly root: string;
  /** Names this writer's journal; best unique among all that ever wrote here, which keeps each journal in order of time. */
  readonly writer: string;
  readonly clock: Clock;
  readonly fs?: CommitFs;
  /** Told once per quota when a soft limit is passed. */
  readonly onWarning?: (text: string) => void;
  /** Time between snapshots while it writes. Default one minute. */
  readonly publishEveryMs?: number;
  /** Whether the time between commits is what teachers take: estimates rest on it. Default true. */
  readonly tellsRates?: boolean;
}

/** Room left on the disk beside what a commit writes, for journals, indexes and snapshots. */
const SPARE_BYTES = 1 << 20;
/** Parts of one commit that are written at once: their syncs overlap. */
const STAGED_AT_ONCE = 4;

export class CacheWriter {
  readonly #options: WriterOptions;
  readonly #fs: CommitFs;
  readonly #registered = new Set<string>();
  readonly #warned = new Set<string>();
  #lease: SharedLease | null = null;
  #usage: Usage = { totalBytes: 0, bySpace: new Map() };
  #quota: Quota = {};
  #othersWriting = 0;
  #seq = 0;
  #publishedMs: number;
  /** When the last commit was done; null before the first, whose time is also that of opening the teachers. */
  #committedMs: number | null = null;

  private constructor(options: WriterOptions) {
    this.#options = options;
    this.#fs = options.fs ?? nodeFs;
    this.#publishedMs = options.clock.elapsedMs();
  }

  /**
   * Opens the cache for writing and puts in order what dead writers left: finished parts that no journal lists are adopted,
   * broken ones set aside in `quarantine/`. Close it to publish what it wrote.
   */
  static async open(
    options: WriterOptions,
  ): Promise<{ writer: CacheWriter; adopted: number; quarantined: number }> {
    const writer = new CacheWriter(options);
    const { root, clock } = options;
    await ensureCache(root, writer.#fs);
    const { adopted, quarantined } = await recoverOrphans(root, writer.#fs);
    if (adopted.length > 0) await writer.#list(adopted, []);
    writer.#lease = await holdWriterLease({ root, clock, fs: writer.#fs });
    await writer.#lookAround();
    return { writer, adopted: adopted.length, quarantined };
  }

  /**
   * Commits the parts together: after it resolves they are durable. If it rejects, either none of them is listed or, when only
   * the last steps failed, all are; what was committed before is untouched, and the same commit can be tried again.
   * @throws StillhouseError environment when the disk or a quota would be full: nothing was written then.
   */
  async commit(parts: readonly PartToWrite[]): Promise<PartEntry[]> {
    if (parts.length === 0) return [];
    const encoded = await Promise.all(parts.map((part) => encode(part)));
    await this.#checkRoom(encoded);
    for (const { space } of parts) await this.#register(space);
    await this.#commitEncoded(encoded);
    const { clock, publishEveryMs = 60_000 } = this.#options;
    if (clock.elapsedMs() - this.#publishedMs >= publishEveryMs) await this.publish();
    return encoded.map(({ entry }) => entry());
  }

  /** Writes a snapshot, so that later catalogues need not open the parts one by one. */
  async publish(): Promise<Snapshot> {
    const { root, writer, clock } = this.#options;
    this.#publishedMs = clock.elapsedMs();
    const snapshot = await publishSnapshot({ root, writer, clock, fs: this.#fs });
    await this.#lookAround();
    return snapshot;
  }

  /** Publishes, and gives up the lease. Committing afterwards is a defect. */
  async close(): Promise<void> {
    try {
      await this.publish();
    } finally {
      await this.#lease?.release();
      this.#lease = null;
    }
  }

  /** Gives up the lease and publishes nothing: for when writing has failed. */
  async abandon(): Promise<void> {
    await this.#lease?.release();
    this.#lease = null;
  }

  async #commitEncoded(encoded: readonly EncodedPart[]): Promise<void> {
    const { root } = this.#options;
    const limit = pLimit(STAGED_AT_ONCE);
    const results = await Promise.allSettled(
      encoded.map((part) =>
        limit(async () => {
          // hashed while the disk writes
          const [staging, hashing] = await Promise.allSettled([
            stageFile(join(root, 'data', part.folder), part.pieces, this.#fs),
            part.hash(),
          ]);
          if (staging.status === 'rejected') throw staging.reason;
          if (hashing.status === 'rejected') throw hashing.reason;
          return staging.value;
        }),
      ),
    );
    const staged = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    try {
      for (const result of results) if (result.status === 'rejected') throw result.reason;
      for (const [i, part] of encoded.entries())
        await staged[i]!.moveTo(join(root, 'data', part.entry().file));
      for (const folder of new Set(encoded.map(({ folder }) => folder)))
        await synced(join(root, 'data', folder), this.#fs);
      await this.#list(
        encoded.map(({ entry }) => entry()),
        this.#spent(encoded),
      );
    } finally {
      for (const file of staged) await file.discard();
    }
    await this.#keepFromCollector(encoded);
    this.#committedMs = this.#options.clock.elapsedMs();
    for (const { folder, sizeBytes } of encoded) addUsage(this.#usage, folder, sizeBytes);
  }

  /**
   * A part with the name of one that was dropped may be taken away by a collector that had not seen the journal entry yet. It looks
   * again after it has moved files, and we look after we have listed ours: one of the two sees the other.
   */
  async #keepFromCollector(encoded: readonly EncodedPart[]): Promise<void> {
    for (const part of encoded) {
      const path = join(this.#options.root, 'data', part.entry().file);
      try {
        await this.#fs.sizeBytes(path);
      } catch (error) {
        if (systemCodeOf(error) !== 'ENOENT') throw asStoreFailure(error, path);
        const again = await stageFile(join(path, '..'), part.pieces, this.#fs);
        await again.moveTo(path);
        await synced(join(path, '..'), this.#fs);
      }
    }
  }

  async #register(space: SpaceDescriptor): Promise<void> {
    const folder = spaceFolderName(space);
    if (this.#registered.has(folder)) return;
    await registerSpace(this.#options.root, space, this.#fs);
    await writeInverse(this.#options.root, space, this.#fs);
    this.#registered.add(folder);
  }

  async #checkRoom(encoded: readonly EncodedPart[]): Promise<void> {
    const { root, onWarning } = this.#options;
    const free = await this.#fs.freeBytes(root).catch((error: unknown) => {
      throw asStoreFailure(error, root);
    });
    const ownBytes = encoded.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const largest = Math.max(...encoded.map(({ sizeBytes }) => sizeBytes));
    // each other writer may be about to write a part as large
    const wanted = ownBytes + largest * this.#othersWriting + SPARE_BYTES;
    if (free < wanted)
      throw new StillhouseError({
        kind: 'environment',
        what: 'the disk is nearly full',
        where: root,
        wanted: `${wanted} bytes free for the next targets`,
        got: `${free}`,
        next: 'free some space and run the same command again; what was committed is kept',
      });
    const coming = new Map<string, number>();
    for (const { folder, sizeBytes } of encoded) coming.set(folder, (coming.get(folder) ?? 0) + sizeBytes);
    for (const warning of checkQuota({ root, quota: this.#quota, usage: this.#usage, coming }))
      if (!this.#warned.has(warning.limit)) {
        this.#warned.add(warning.limit);
        onWarning?.(warning.text);
      }
  }

  /** What others have written, and what may be written. */
  async #lookAround(): Promise<void> {
    const { root, clock } = this.#options;
    this.#quota = await readQuota(root, this.#fs);
    this.#usage = await usageOf(root, this.#fs);
    this.#othersWriting = (await readLeases(join(root, 'leases'), clock, this.#fs)).filter(
      ({ name, record, isLiving }) => isLiving && record?.kind === 'writer' && name !== this.#lease?.name,
    ).length;
  }

  /** The time since the commit before, for the spaces of this one. */
  #spent(encoded: readonly EncodedPart[]): Spent[] {
    if (this.#committedMs === null || this.#options.tellsRates === false) return [];
    const ms = Math.round(this.#options.clock.elapsedMs() - this.#committedMs);
    const spaces = [...new Set(encoded.map(({ folder }) => folder))].sort();
    return [{ machine: machineClass(), spaces, rows: Math.max(...encoded.map(({ rows }) => rows)), ms }];
  }

  async #list(parts: PartEntry[], spent: Spent[]): Promise<void> {
    const { root, writer, clock } = this.#options;
    const entry = { v: 2, op: 'add', writer, seq: this.#seq, at: clock.nowIso(), parts, spent } as const;
    this.#seq = (await appendJournal(root, entry, this.#fs)) + 1;
  }
}

interface EncodedPart {
  readonly folder: string;
  readonly rows: number;
  readonly pieces: readonly Uint8Array[];
  readonly sizeBytes: number;
  /** Hashes the pieces. */
  readonly hash: () => Promise<void>;
  /** Once they are hashed. */
  readonly entry: () => PartEntry;
}

async function encode({ space, part, failures, codecError }: PartToWrite): Promise<EncodedPart> {
  const metadata = {
    'stillhouse.space': spaceIdOf(space),
    'stillhouse.label': spaceLabel(space),
    'stillhouse.exact-space': exactSpaceIdOf(space),
    'stillhouse.codec': canonicalJson(space.codec as unknown as Json),
    ...(failures.length > 0 ? { 'stillhouse.failures': JSON.stringify(failures) } : {}),
    ...(codecError === null ? {} : { [CODEC_ERROR]: JSON.stringify(codecError) }),
  };
  const pieces = await encodePartPieces({ ...part, metadata });
  const sizeBytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const folder = spaceFolderName(space);
  const { rows } = part;
  let digest: string | null = null;
  return {
    folder,
    rows,
    pieces,
    sizeBytes,
    hash: async () => {
      digest = await sha256InTurns(pieces);
    },
    entry: () => {
      if (digest === null) throw new Error('internal: a part is listed before it is hashed');
      return { file: `${folder}/${rows}.${digest.slice(0, 32)}.arrow`, rows, sizeBytes, sha256: digest };
    },
  };
}

async function synced(folder: string, fs: CommitFs): Promise<void> {
  try {
    await fs.syncFolder(folder);
  } catch (error) {
    throw asStoreFailure(error, folder);
  }
}
