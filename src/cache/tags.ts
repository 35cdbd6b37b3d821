/** Names for snapshots: `tags/<name>.json`. A tagged snapshot, and all that it needs, is never collected. */
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../core/clock.ts';
import { StillhouseError } from '../core/failure.ts';
import { sealJson, unsealJson } from '../core/sealed-json.ts';
import { writeAtomic } from '../store/atomic.ts';
import type { CommitFs } from '../store/commit-fs.ts';
import { readTextOrNull } from '../store/read-or-null.ts';
import { takeLease } from '../store/lease.ts';
import { listOrNone } from './journal.ts';
import { readSnapshot, tryReadSnapshot } from './snapshot.ts';

const tagSchema = z.strictObject({
  v: z.literal(1),
  name: z.string(),
  n: z.int().min(1),
  /** Of the snapshot: a tag cannot come to mean another one of the same number. */
  snapshot: z.string(),
  at: z.string(),
  note: z.string(),
});
export type Tag = z.infer<typeof tagSchema>;

export const TAG_NAME = /^[a-z0-9][a-z0-9._-]*$/;

export const tagFile = (name: string): string => `tags/${name}.json`;

/** Names of the tags, sorted. */
export async function tagNames(root: string, fs: CommitFs): Promise<string[]> {
  return (await listOrNone(join(root, 'tags'), fs))
    .flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -5)] : []))
    .sort();
}

/** Every tag, sorted by name. @throws StillhouseError integrity when one is damaged. */
export async function readTags(root: string, fs: CommitFs): Promise<Tag[]> {
  const tags: Tag[] = [];
  for (const name of await tagNames(root, fs)) {
    const tag = await readTag(root, name, fs);
    if (tag) tags.push(tag);
  }
  return tags;
}

/** Null when there is none. @throws StillhouseError integrity when it is damaged. */
export async function readTag(root: string, name: string, fs: CommitFs): Promise<Tag | null> {
  const path = join(root, tagFile(name));
  const text = await readTextOrNull(path, fs);
  if (text === null) return null;
  const sealed = unsealJson(text);
  const parsed = 'trouble' in sealed ? null : tagSchema.safeParse(sealed.body);
  if (parsed?.success === true && parsed.data.name === name) return parsed.data;
  throw new StillhouseError({
    kind: 'integrity',
    what: 'a tag of the cache is damaged',
    where: path,
    got: 'trouble' in sealed ? sealed.trouble : 'other members',
    next: `give it up with \`stillhouse cache tag ${name} --delete\`, and set it again`,
  });
}

export interface SetTagOptions {
  readonly root: string;
  readonly name: string;
  /** The snapshot it shall mean; null removes the tag. */
  readonly n: number | null;
  /** The snapshot it means now, as the caller believes; null: there is no such tag. `any`: whatever it means, damaged ones too. */
  readonly expected: number | null | 'any';
  readonly note: string;
  readonly clock: Clock;
  readonly fs: CommitFs;
}

/**
 * Compare and set: of two that move one tag at once, one is refused.
 * @throws StillhouseError bad-input when the tag means something else than expected or the snapshot is not there; environment
 * when another process is changing it.
 */
export async function setTag(options: SetTagOptions): Promise<void> {
  const { root, name, n, expected, note, clock, fs } = options;
  const snapshot = n === null ? null : await readSnapshot(root, n, fs);
  const path = join(root, tagFile(name));
  await fs.makeFolder(join(root, 'tags'));
  const lease = await takeLease(join(root, 'tags', `.${name}.lock`), { fs, expiry: { clock } });
  try {
    const before = await readTextOrNull(path, fs);
    const now = expected === 'any' ? expected : ((await readTag(root, name, fs))?.n ?? null);
    if (now !== expected)
      throw new StillhouseError({
        kind: 'bad-input',
        what: 'the tag means something else than expected',
        where: path,
        wanted: expected === null ? 'no such tag yet' : `snapshot ${expected}`,
        got: now === null ? 'no such tag' : `snapshot ${now}`,
        next: 'look at `stillhouse cache tag`, and say with --from what it shall be moved from',
      });
    if (n === null || snapshot === null) {
      await fs.remove(path);
      return;
    }
    const tag = { v: 1, name, n, snapshot: snapshot.sha256, at: clock.nowIso(), note };
    await writeAtomic(path, sealJson(tag), fs);
    // a collector that had not seen the tag has taken the snapshot away by now, or will look again and bring it back
    if ((await tryReadSnapshot(root, n, fs)) !== null) return;
    if (before === null) await fs.remove(path);
    else await writeAtomic(path, before, fs);
    await readSnapshot(root, n, fs);
  } finally {
    await lease.release();
  }
}
