import { describe, expect, it } from 'vitest';
import { collectGarbage } from '../../src/cache/collect.ts';
import { publishSnapshot } from '../../src/cache/publish.ts';
import { readTags, setTag } from '../../src/cache/tags.ts';
import type { CommitFs } from '../../src/store/commit-fs.ts';
import { failing } from '../support/failing.ts';
import { quickFs } from '../support/quick-fs.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { fixedClock, group, images, openWriter, partFor } from './rig.ts';

const summary = group().spaces[0]!;

/** A cache with `count` snapshots, each of one image more. */
async function cache(count: number) {
  const root = await tempFolder();
  const at = { root, writer: 'upkeep', clock: fixedClock, fs: quickFs };
  for (let n = 0; n < count; n++) {
    const { writer } = await openWriter(root, `w${n}`);
    await writer.commit([partFor(summary, images(n + 1).slice(n))]);
    await writer.abandon();
    await publishSnapshot(at);
  }
  return { root, at, gc: () => collectGarbage({ ...at, keepSnapshots: 1, graceMs: 1000, dryRun: false }) };
}

describe('a tag', () => {
  it('moves only from where the caller believes it is, and one of two at once is refused', async () => {
    const { root, at } = await cache(2);
    await setTag({ ...at, name: 'best', n: 1, expected: null, note: 'first' });
    await expect(setTag({ ...at, name: 'best', n: 2, expected: null, note: '' })).rejects.toThrow(
      failing(3, { got: 'snapshot 1' }),
    );
    const moves = await Promise.allSettled(
      [1, 2].map((n) => setTag({ ...at, name: 'best', n, expected: 1, note: `moved to ${n}` })),
    );
    expect(moves.some(({ status }) => status === 'fulfilled')).toBe(true);
    await expect(setTag({ ...at, name: 'lost', n: 9, expected: null, note: '' })).rejects.toThrow(
      failing(3, {}),
    );
    expect((await readTags(root, quickFs)).map(({ name }) => name)).toEqual(['best']);
  });

  it('set to a snapshot that is collected meanwhile is refused, and stays where it was', async () => {
    const { root, at, gc } = await cache(3);
    await setTag({ ...at, name: 'best', n: 2, expected: null, note: '' });
    const racing = (race: () => Promise<unknown>): CommitFs => ({
      ...quickFs,
      writeNew: async (path, bytes) => {
        const text = Buffer.from(bytes as Uint8Array).toString();
        if (path.includes('/tags/') && text.includes('"n":1')) await race();
        return quickFs.writeNew(path, bytes);
      },
    });
    for (const [name, expected] of [
      ['best', 2],
      ['other', null],
    ] as const)
      await expect(setTag({ ...at, name, n: 1, expected, note: '', fs: racing(gc) })).rejects.toThrow(
        failing(3, {}),
      );
    expect((await readTags(root, quickFs)).map(({ name, n }) => [name, n])).toEqual([['best', 2]]);
  });
});
