/**
 * Garbage collection by mark and sweep. Roots: what is listed now, the newest snapshots, tagged ones, and those that living readers
 * hold. What no root reaches goes to `trash/` with a record of the intent, and is deleted after a grace; until then it can be
 * brought back. Files that no journal ever listed are left to the writers, who adopt them.
 */
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { sealJson, unsealJson } from '../core/sealed-json.ts';
import { writeAtomic } from '../store/atomic.ts';
import { type CommitFs, asStoreFailure } from '../store/commit-fs.ts';
import { takeLease } from '../store/lease.ts';
import { collectRoots } from './collect-roots.ts';
import { type PartEntry, appendJournal, listOrNone, readJournals } from './journal.ts';
import { publishSnapshot } from './publish.ts';
import { snapshotFile, snapshotNumbers } from './snapshot.ts';
import { listStatistics, statisticsFile } from './statistics/statistics-files.ts';

export interface CollectOptions {
  readonly root: string;
  readonly writer: string;
  readonly clock: Clock;
  readonly fs: CommitFs;
  /** Newest snapshots that are kept in any case. At least 1. */
  readonly keepSnapshots: number;
  readonly graceMs: number;
  readonly dryRun: boolean;
}

export interface Collected {
  readonly kept: {
    readonly parts: number;
    readonly snapshots: readonly number[];
    readonly pinned: readonly number[];
  };
  /** Moved to trash, or what would be: paths below the root. */
  readonly swept: readonly string[];
  readonly sweptBytes: number;
  /** Moved back because somebody came to need them meanwhile. */
  readonly returned: readonly string[];
  /** Trash whose grace has ended. */
  readonly purged: readonly string[];
}

const intentSchema = z.strictObject({
  v: z.literal(1),
  at: z.string(),
  graceMs: z.number(),
  files: z.array(z.string()),
});

/** @throws StillhouseError environment when another collector works here; integrity when a root cannot be read. */
export async function collectGarbage(options: CollectOptions): Promise<Collected> {
  const { root, fs, clock, dryRun } = options;
  if (dryRun) return sweep(options);
  await fs.makeFolder(join(root, 'leases'));
  const lease = await takeLease(join(root, 'leases', 'gc.lock'), fs);
  try {
    await publishSnapshot({ root, writer: options.writer, clock, fs });
    const swept = await sweep(options);
    return { ...swept, purged: await purge(options) };
  } finally {
    await lease.release();
  }
}

async function sweep(options: CollectOptions): Promise<Collected> {
  const { root, clock, fs, graceMs, dryRun } = options;
  const marked = await collectRoots(options);
  const listed = new Set(
    (await readJournals(root, fs)).entries.flatMap((entry) =>
      entry.op === 'add' ? entry.parts.map(({ file }) => file) : [],
    ),
  );
  const candidates: string[] = [];
  for (const parent of ['data', 'index'])
    for (const folder of await listOrNone(join(root, parent), fs))
      for (const name of await listOrNone(join(root, parent, folder), fs))
        if (parent === 'index' || listed.has(`${folder}/${name}`))
          candidates.push(`${parent}/${folder}/${name}`);
  candidates.push(...(await snapshotNumbers(root, fs)).map(snapshotFile));
  // a writer first measures, then says what it measured for
  if (!marked.isWritten) candidates.push(...(await listStatistics(root, fs)).map(statisticsFile));
  const swept = candidates.filter((file) => !marked.needed.has(file)).sort();
  let sweptBytes = 0;
  for (const file of swept) sweptBytes += await sizeOf(join(root, file), fs);
  const { parts, snapshots, pinned } = marked;
  const result = { kept: { parts, snapshots, pinned }, swept, sweptBytes, returned: [], purged: [] };
  if (dryRun || swept.length === 0) return result;

  const at = clock.nowIso();
  const trash = join('trash', `${at.replace(/[^0-9]/g, '')}-${process.pid}`);
  await writeAtomic(join(root, trash, 'intent.json'), sealJson({ v: 1, at, graceMs, files: swept }), fs);
  for (const file of swept) await move(root, file, join(trash, file), fs);
  // a writer may have listed, or a reader pinned, one of them meanwhile: whoever looks last sees the other
  const now = await collectRoots(options);
  const isNeeded = (file: string): boolean =>
    now.needed.has(file) || (now.isWritten && file.startsWith('statistics/'));
  const returned = swept.filter(isNeeded);
  for (const file of returned) await move(root, join(trash, file), file, fs);
  return { ...result, swept: swept.filter((file) => !isNeeded(file)), returned };
}

/** Deletes trash whose grace has ended. A clock that was set back keeps it longer. */
async function purge({ root, clock, fs }: CollectOptions): Promise<string[]> {
  const now = Date.parse(clock.nowIso());
  const purged: string[] = [];
  for (const name of await listOrNone(join(root, 'trash'), fs)) {
    const intent = await readIntent(join(root, 'trash', name, 'intent.json'), fs);
    if (intent === null || now - Date.parse(intent.at) < intent.graceMs) continue;
    await fs.remove(join(root, 'trash', name));
    purged.push(name);
  }
  return purged;
}

/**
 * Brings trash back whose grace has not ended, and lists its parts again.
 * @returns the files. @throws StillhouseError environment when the cache cannot be written.
 */
export async function restoreTrash(
  options: Omit<CollectOptions, 'keepSnapshots' | 'graceMs' | 'dryRun'>,
): Promise<string[]> {
  const { root, writer, clock, fs } = options;
  await fs.makeFolder(join(root, 'leases'));
  const lease = await takeLease(join(root, 'leases', 'gc.lock'), fs);
  try {
    const restored: string[] = [];
    for (const name of (await listOrNone(join(root, 'trash'), fs)).sort()) {
      const intent = await readIntent(join(root, 'trash', name, 'intent.json'), fs);
      for (const file of intent?.files ?? [])
        if (await move(root, join('trash', name, file), file, fs)) restored.push(file);
      if (intent !== null) await fs.remove(join(root, 'trash', name));
    }
    const parts = new Map<string, PartEntry>();
    for (const entry of (await readJournals(root, fs)).entries)
      if (entry.op === 'add')
        for (const part of entry.parts)
          if (restored.includes(`data/${part.file}`)) parts.set(part.file, part);
    const at = clock.nowIso();
    if (parts.size > 0)
      await appendJournal(
        root,
        { v: 2, op: 'add', writer, seq: 0, at, parts: [...parts.values()], spent: [] },
        fs,
      );
    return restored;
  } finally {
    await lease.release();
  }
}

async function readIntent(path: string, fs: CommitFs): Promise<z.infer<typeof intentSchema> | null> {
  try {
    const sealed = unsealJson(Buffer.from(await fs.read(path)).toString('utf8'));
    if ('trouble' in sealed) return null;
    return intentSchema.safeParse(sealed.body).data ?? null;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
    throw asStoreFailure(error, path);
  }
}

/** False when it is gone already. */
async function move(root: string, from: string, to: string, fs: CommitFs): Promise<boolean> {
  const target = join(root, to);
  try {
    await fs.makeFolder(join(target, '..'));
    await fs.rename(join(root, from), target);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return false;
    throw asStoreFailure(error, target);
  }
}

async function sizeOf(path: string, fs: CommitFs): Promise<number> {
  try {
    return await fs.sizeBytes(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return 0;
    throw asStoreFailure(error, path);
  }
}

/** A time span as people write it: `24h`, `7d`, `30m`, `0s`. Null when it is none. */
export function spanMs(text: string): number | null {
  const match = /^(\d+)(s|m|h|d)$/.exec(text);
  if (match === null) return null;
  const unit = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] as 's' | 'm' | 'h' | 'd'];
  return Number(match[1]) * unit;
}

/** @throws StillhouseError usage. */
export function spanOption(text: string): number {
  const ms = spanMs(text);
  if (ms !== null) return ms;
  throw new StillhouseError({
    kind: 'usage',
    what: 'an option has a value it cannot take',
    where: '--grace',
    wanted: 'a number and s, m, h or d, such as 24h',
    got: text,
    next: 'see `stillhouse cache gc --help`',
  });
}
