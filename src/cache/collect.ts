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
import { isStagingName } from '../store/staging.ts';
import { askedSnapshots, collectRoots } from './collect-roots.ts';
import { derivedFiles, isDerived } from './derived-files.ts';
import { type PartEntry, appendJournal, listOrNone, readJournals } from './journal.ts';
import { publishSnapshot } from './publish.ts';
import { snapshotFile, snapshotNumbers } from './snapshot.ts';

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

/** Says what lies beside it, and since when: without it nobody restores or purges that. */
const INTENT = 'intent.json';
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
  const lease = await takeLease(join(root, 'leases', 'gc.lock'), { fs, expiry: { clock } });
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
  if (!marked.isWritten) candidates.push(...(await derivedFiles(root, fs)));
  const swept = candidates.filter((file) => !marked.needed.has(file)).sort();
  const sizes = new Map<string, number>();
  for (const file of swept) sizes.set(file, (await sizeOrNull(join(root, file), fs)) ?? 0);
  const sum = (files: readonly string[]): number => files.reduce((all, file) => all + sizes.get(file)!, 0);
  const { parts, snapshots, pinned } = marked;
  const kept = { parts, snapshots, pinned };
  const result = { kept, swept, sweptBytes: sum(swept), returned: [], purged: [] };
  if (dryRun) return result;
  if (swept.length === 0) return { ...result, returned: await returnNeeded(options, '') };

  const at = clock.nowIso();
  const trash = `${at.replace(/[^0-9]/g, '')}-${process.pid}`;
  const folder = join('trash', trash);
  await writeAtomic(join(root, folder, INTENT), sealJson({ v: 1, at, graceMs, files: swept }), fs);
  const moved = new Set<string>();
  for (const file of swept) if (await move(root, file, join(folder, file), fs)) moved.add(file);
  const returned = await returnNeeded(options, trash);
  for (const file of returned) moved.delete(file);
  return { ...result, swept: [...moved], sweptBytes: sum([...moved]), returned };
}

/**
 * A writer may have listed, or a reader pinned, what was moved meanwhile: whoever looks last sees the other. Looks through all trash,
 * for a collector that was killed has not looked.
 * @param own the trash of this sweep.
 */
async function returnNeeded(options: CollectOptions, own: string): Promise<string[]> {
  const { root, clock, fs } = options;
  const returned: string[] = [];
  const trashes = (await listOrNone(join(root, 'trash'), fs)).sort();
  if (trashes.length === 0) return returned;
  const back = async (isNeeded: (file: string, trash: string) => boolean): Promise<void> => {
    for (const trash of trashes)
      for (const file of (await readIntent(join(root, 'trash', trash, INTENT), fs))?.files ?? [])
        // computed again meanwhile, it is where it belongs
        if (isNeeded(file, trash) && (await sizeOrNull(join(root, file), fs)) === null)
          if (await move(root, join('trash', trash, file), file, fs)) returned.push(file);
  };
  // only a snapshot tells what whoever asks for it needs
  const asked = new Set((await askedSnapshots({ root, clock, fs })).map(snapshotFile));
  await back((file) => asked.has(file));
  const { needed, isWritten } = await collectRoots(options);
  await back((file, trash) => needed.has(file) || (trash === own && isWritten && isDerived(file)));
  return returned.sort();
}

/** Deletes trash whose grace has ended. A clock that was set back keeps it longer. */
async function purge({ root, clock, fs }: CollectOptions): Promise<string[]> {
  const now = Date.parse(clock.nowIso());
  const purged: string[] = [];
  for (const name of await listOrNone(join(root, 'trash'), fs)) {
    const folder = join(root, 'trash', name);
    const intent = await readIntent(join(folder, INTENT), fs);
    // left behind by a purge that was cut off, or by a collector before it moved anything
    const isEmpty = intent === null && (await listOrNone(folder, fs)).every(isStagingName);
    if (!isEmpty && (intent === null || now - Date.parse(intent.at) < intent.graceMs)) continue;
    await removeTrash(folder, fs);
    if (!isEmpty) purged.push(name);
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
  const lease = await takeLease(join(root, 'leases', 'gc.lock'), { fs, expiry: { clock } });
  try {
    const restored: string[] = [];
    for (const name of (await listOrNone(join(root, 'trash'), fs)).sort()) {
      const intent = await readIntent(join(root, 'trash', name, INTENT), fs);
      for (const file of intent?.files ?? [])
        if (await move(root, join('trash', name, file), file, fs)) restored.push(file);
      if (intent !== null) await removeTrash(join(root, 'trash', name), fs);
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

/** The record goes last: cut off, the next purge goes on. */
async function removeTrash(folder: string, fs: CommitFs): Promise<void> {
  for (const name of await listOrNone(folder, fs)) if (name !== INTENT) await fs.remove(join(folder, name));
  await fs.remove(folder);
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

async function sizeOrNull(path: string, fs: CommitFs): Promise<number | null> {
  try {
    return await fs.sizeBytes(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return null;
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
