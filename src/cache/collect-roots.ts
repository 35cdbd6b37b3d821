/**
 * What the collector must keep: everything that is listed, and what the kept snapshots reach. A snapshot that somebody asked to keep
 * (a tag, a living reader) and that cannot be read stops the collector, for what it needs cannot be told; the failure says how to go
 * on without it. One that nobody asked for is left to `verify --repair`.
 */
import { join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { StillhouseError } from '../core/failure.ts';
import type { CommitFs } from '../store/commit-fs.ts';
import { type FoundLease, readLeases } from '../store/shared-lease.ts';
import { neededDerived } from './derived-files.ts';
import { readPartList } from './part-list.ts';
import { type Snapshot, snapshotFile, snapshotNumbers, tryReadSnapshot } from './snapshot.ts';
import { type Tag, readTags } from './tags.ts';

export interface Roots {
  /** Paths below the cache's root. */
  readonly needed: ReadonlySet<string>;
  readonly parts: number;
  readonly snapshots: readonly number[];
  /** Those of tags and readers. */
  readonly pinned: readonly number[];
  /** Whether somebody writes: then statistics that no part needs yet may be about to be needed. */
  readonly isWritten: boolean;
}

export interface RootsOptions {
  readonly root: string;
  readonly clock: Clock;
  readonly fs: CommitFs;
  readonly keepSnapshots: number;
}

/** @throws StillhouseError integrity when a tagged snapshot, or one that a living reader holds, cannot be read. */
export async function collectRoots({ root, clock, fs, keepSnapshots }: RootsOptions): Promise<Roots> {
  const numbers = await snapshotNumbers(root, fs);
  const leases = (await readLeases(join(root, 'leases'), clock, fs)).filter(({ isLiving }) => isLiving);
  const tags = await readTags(root, fs);
  const pinned = new Map<number, Snapshot>();
  for (const tag of tags) pinned.set(tag.n, await taggedSnapshot(root, tag, fs));
  for (const lease of leases) {
    const n = lease.record?.needs ?? null;
    if (n === null || pinned.has(n)) continue;
    const found = await tryReadSnapshot(root, n, fs);
    // one that is gone was gone before its reader looked
    if (found === null) continue;
    if ('trouble' in found) throw heldByReader(root, { lease, n, trouble: found.trouble });
    pinned.set(n, found);
  }
  const kept = new Map(pinned);
  const needed = new Set<string>();
  for (const n of numbers.slice(0, Math.max(1, keepSnapshots))) {
    needed.add(snapshotFile(n));
    const found = kept.get(n) ?? (await tryReadSnapshot(root, n, fs));
    if (found !== null && 'body' in found) kept.set(n, found);
  }
  const list = await readPartList(root, fs, { folders: new Set() });
  for (const file of list.files) needed.add(`data/${file}`);
  for (const [n, { body }] of kept) {
    needed.add(snapshotFile(n));
    for (const [folder, segments] of Object.entries(body.spaces))
      for (const segment of segments) {
        needed.add(`index/${segment.file}`);
        for (const name of segment.parts) needed.add(`data/${folder}/${name}`);
      }
    for (const { part } of body.loose) needed.add(`data/${part.file}`);
  }
  const parts = [...needed].filter((file) => file.startsWith('data/'));
  for (const file of await neededDerived(root, parts, fs)) needed.add(file);
  return {
    needed,
    parts: parts.length,
    snapshots: [...kept.keys()].sort((a, b) => a - b),
    pinned: [...pinned.keys()].sort((a, b) => a - b),
    isWritten: leases.some(({ record }) => record === null || record.kind === 'writer'),
  };
}

/** Numbers of the snapshots that a tag or a living reader asks to keep, whether they are there or not. */
export async function askedSnapshots({
  root,
  clock,
  fs,
}: Omit<RootsOptions, 'keepSnapshots'>): Promise<number[]> {
  const leases = (await readLeases(join(root, 'leases'), clock, fs)).filter(({ isLiving }) => isLiving);
  const asked = [
    ...leases.map(({ record }) => record?.needs),
    ...(await readTags(root, fs)).map(({ n }) => n),
  ];
  return asked.filter((n) => typeof n === 'number');
}

/** What is wrong with the snapshot that a tag names; null for a sound one. */
export async function tagTrouble(root: string, tag: Tag, fs: CommitFs): Promise<string | null> {
  const found = await tryReadSnapshot(root, tag.n, fs);
  if (found === null) return 'it is gone';
  if ('trouble' in found) return found.trouble;
  return found.sha256 === tag.snapshot ? null : 'it is another snapshot of that number';
}

async function taggedSnapshot(root: string, tag: Tag, fs: CommitFs): Promise<Snapshot> {
  const trouble = await tagTrouble(root, tag, fs);
  const found = trouble === null ? await tryReadSnapshot(root, tag.n, fs) : null;
  if (found !== null && 'body' in found) return found;
  throw new StillhouseError({
    kind: 'integrity',
    what: 'a tagged snapshot cannot be read, so that what it needs cannot be told',
    where: `${join(root, snapshotFile(tag.n))}, tag ${tag.name}`,
    wanted: `snapshot ${tag.n} with the sha256 ${tag.snapshot}`,
    got: trouble ?? 'it is gone',
    next: `restore the file from a copy; or give it up, then gc goes on without it: \`stillhouse cache tag ${tag.name} --delete\``,
  });
}

function heldByReader(
  root: string,
  { lease, n, trouble }: { readonly lease: FoundLease; readonly n: number; readonly trouble: string },
): StillhouseError {
  const reader = lease.record === null ? lease.name : `process ${lease.record.pid} on ${lease.record.host}`;
  return new StillhouseError({
    kind: 'integrity',
    what: 'a snapshot that a reader holds cannot be read, so that what it needs cannot be told',
    where: join(root, snapshotFile(n)),
    got: `${trouble}; held by ${reader}`,
    next: 'wait for that reader to end, or end it; then collect again',
  });
}
