/**
 * How many bytes a cache may take, in all and per space: `quota.json`, for every writer. Past a soft limit writers warn, at a hard
 * one they refuse new parts. What other writers add is seen at each snapshot, so many at once may pass a limit by what they write
 * in a minute.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { StillhouseError } from '../core/failure.ts';
import { sealJson, unsealJson } from '../core/sealed-json.ts';
import { writeAtomic } from '../store/atomic.ts';
import type { CommitFs } from '../store/commit-fs.ts';
import { readTextOrNull } from '../store/read-or-null.ts';
import { readPartList } from './part-list.ts';

const bytes = z.int().min(1).exactOptional();
const limits = z.strictObject({ softBytes: bytes, hardBytes: bytes });
const quotaSchema = z.strictObject({
  total: limits.exactOptional(),
  /** Of each space. */
  space: limits.exactOptional(),
});
export type Quota = z.infer<typeof quotaSchema>;

/** Bytes of the listed parts. */
export interface Usage {
  totalBytes: number;
  /** By folder name below `data/`. */
  readonly bySpace: Map<string, number>;
}

const FILE = 'quota.json';

/** Without a file there is no limit. @throws StillhouseError integrity when the file is damaged. */
export async function readQuota(root: string, fs: CommitFs): Promise<Quota> {
  const path = join(root, FILE);
  const text = await readTextOrNull(path, fs);
  if (text === null) return {};
  const sealed = unsealJson(text);
  const parsed = 'trouble' in sealed ? null : quotaSchema.safeParse(sealed.body);
  if (parsed?.success === true) return parsed.data;
  throw new StillhouseError({
    kind: 'integrity',
    what: 'the quota of the cache is damaged',
    where: path,
    got: 'trouble' in sealed ? sealed.trouble : 'other members',
    next: 'set it anew with `stillhouse cache quota`',
  });
}

export async function writeQuota(root: string, quota: Quota, fs: CommitFs): Promise<void> {
  await writeAtomic(join(root, FILE), sealJson(quotaSchema.parse(quota)), fs);
}

export async function usageOf(root: string, fs: CommitFs): Promise<Usage> {
  const list = await readPartList(root, fs, { folders: 'touched' });
  const usage: Usage = { totalBytes: 0, bySpace: new Map() };
  for (const [folder, segments] of list.others)
    for (const segment of segments) addUsage(usage, folder, segment.bytes);
  for (const [folder, { parts }] of list.folders)
    for (const { part } of parts.values()) addUsage(usage, folder, part.sizeBytes);
  return usage;
}

export function addUsage(usage: Usage, folder: string, sizeBytes: number): void {
  usage.totalBytes += sizeBytes;
  usage.bySpace.set(folder, (usage.bySpace.get(folder) ?? 0) + sizeBytes);
}

export interface QuotaCheck {
  readonly root: string;
  readonly quota: Quota;
  readonly usage: Usage;
  /** Bytes that are about to be written, by folder. */
  readonly coming: ReadonlyMap<string, number>;
}

/** Soft limits that would be passed. @throws StillhouseError environment when a hard one would be. */
export function checkQuota(check: QuotaCheck): { readonly limit: string; readonly text: string }[] {
  const { root, quota, usage, coming } = check;
  const all = [...coming.values()].reduce((sum, size) => sum + size, 0);
  const cases = [
    { name: 'the cache', limits: quota.total, bytes: usage.totalBytes + all },
    ...[...coming].map(([folder, size]) => ({
      name: `space ${folder}`,
      limits: quota.space,
      bytes: (usage.bySpace.get(folder) ?? 0) + size,
    })),
  ];
  const warnings: { limit: string; text: string }[] = [];
  for (const { name, limits, bytes } of cases) {
    if (limits?.hardBytes !== undefined && bytes > limits.hardBytes)
      throw new StillhouseError({
        kind: 'environment',
        what: `${name} would grow beyond its quota`,
        where: root,
        wanted: `at most ${limits.hardBytes} bytes`,
        got: `${bytes} with the next targets`,
        next: 'drop what is not needed (`stillhouse cache drop`, then `gc`), or raise `stillhouse cache quota`; what was committed is kept',
      });
    if (limits?.softBytes !== undefined && bytes > limits.softBytes)
      warnings.push({
        limit: `${name} soft`,
        text: `${name} takes ${bytes} bytes, more than its soft quota of ${limits.softBytes}`,
      });
  }
  return warnings;
}
