/**
 * Snapshots: what a cache held at one moment, as numbered files `snapshots/<n>.json` that are created only if absent and never
 * changed. A snapshot carries its own sha256 and names index files by theirs, so a reader that pins one reads the same targets as
 * long as it exists. The journals stay the truth: a snapshot that is damaged, or of an older version, is read past.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { sha256 } from '../core/digest.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { sealJson, unsealJson } from '../core/sealed-json.ts';
import { writeIfAbsent } from '../store/atomic.ts';
import { type CommitFs, asStoreFailure } from '../store/commit-fs.ts';
import { type IndexedPart, decodeSegment } from './index-segment.ts';
import { listOrNone, listingSchema, partEntrySchema } from './journal.ts';

const segmentSchema = z.strictObject({
  /** Below `index/`. */
  file: z.string().regex(/^[^/.][^/]*\/[0-9a-f]{32}\.arrow$/),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  rows: z.int().min(1),
  /** Bytes of the parts, not of the index. */
  bytes: z.int().min(1),
  /** Names of the parts inside the space's folder, in the segment's order. */
  parts: z.array(z.string()).min(1),
});

const rateSchema = z.strictObject({ rows: z.number(), ms: z.number() });

const bodySchema = z.strictObject({
  v: z.literal(1),
  n: z.int().min(1),
  at: z.string(),
  writer: z.string(),
  /** First journal entry of each writer that is not in here. */
  heads: z.record(z.string(), z.int().min(0)),
  /** By folder name below `data/`. */
  spaces: z.record(z.string(), z.array(segmentSchema)),
  /** Listed parts that could not be opened when this was written; each reader tries again. */
  loose: z.array(z.strictObject({ part: partEntrySchema, listings: z.array(listingSchema) })),
  /** Listings that were dropped before the entry that adds them was seen. */
  drops: z.array(listingSchema),
  /** Machine, then spaces that are filled together joined by ` + `: rows and the time they took. */
  rates: z.record(z.string(), z.record(z.string(), rateSchema)),
});

export type SnapshotBody = z.infer<typeof bodySchema>;
export type SegmentEntry = z.infer<typeof segmentSchema>;
export type Rate = z.infer<typeof rateSchema>;

export interface Snapshot {
  readonly body: SnapshotBody;
  readonly sha256: string;
}

export const snapshotFile = (n: number): string => `snapshots/${String(n).padStart(12, '0')}.json`;

/** Numbers of the snapshots that are there, newest first. */
export async function snapshotNumbers(root: string, fs: CommitFs): Promise<number[]> {
  return (await listOrNone(join(root, 'snapshots'), fs))
    .flatMap((name) => (/^\d{12}\.json$/.test(name) ? [Number.parseInt(name, 10)] : []))
    .sort((a, b) => b - a);
}

/** The snapshot, null when there is none of that number, or what is wrong with it. */
export async function tryReadSnapshot(
  root: string,
  n: number,
  fs: CommitFs,
): Promise<Snapshot | { readonly trouble: string } | null> {
  const path = join(root, snapshotFile(n));
  let bytes: Uint8Array;
  try {
    bytes = await fs.read(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw asStoreFailure(error, path);
  }
  const sealed = unsealJson(Buffer.from(bytes).toString('utf8'));
  if ('trouble' in sealed) return sealed;
  const parsed = bodySchema.safeParse(sealed.body);
  if (!parsed.success) return { trouble: z.prettifyError(parsed.error) };
  if (parsed.data.n !== n) return { trouble: `snapshot ${parsed.data.n}` };
  return { body: parsed.data, sha256: sealed.sha256 };
}

/** Creates snapshot `body.n`; false when one of that number is there. */
export async function writeSnapshotFile(root: string, body: SnapshotBody, fs: CommitFs): Promise<boolean> {
  return writeIfAbsent(join(root, snapshotFile(body.n)), sealJson(body), fs);
}

/** The parts of a segment, or what is wrong with its file. */
export async function tryReadSegment(
  root: string,
  entry: SegmentEntry,
  fs: CommitFs,
): Promise<IndexedPart[] | { readonly trouble: string }> {
  const path = join(root, 'index', entry.file);
  let bytes: Uint8Array;
  try {
    bytes = await fs.read(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return { trouble: 'the file is gone' };
    throw asStoreFailure(error, path);
  }
  const got = sha256(bytes);
  // a copy: columns must start on the borders of their types
  return got === entry.sha256
    ? decodeSegment(Uint8Array.from(bytes))
    : { trouble: `content with the sha256 ${got}` };
}

/** @throws StillhouseError bad-input when it is not there, integrity when it is damaged. */
export async function readSnapshot(root: string, n: number, fs: CommitFs): Promise<Snapshot> {
  const found = await tryReadSnapshot(root, n, fs);
  if (found !== null && 'body' in found) return found;
  throw new StillhouseError({
    kind: found === null ? 'bad-input' : 'integrity',
    what: found === null ? 'the cache has no such snapshot' : 'a snapshot of the cache is damaged',
    where: join(root, snapshotFile(n)),
    ...(found === null ? {} : { wanted: 'a snapshot of version 1, as it was written', got: found.trouble }),
    next:
      found === null
        ? 'see `stillhouse cache tag` and `stillhouse cache ls` for what there is'
        : 'run `stillhouse cache verify --repair`; the parts are listed by the journals all the same',
  });
}
