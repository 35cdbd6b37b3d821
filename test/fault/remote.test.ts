/** A cache in an object store whose every call fails once. */
import { expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { verifyCache } from '../../src/cache/verify.ts';
import { isStillhouseError } from '../../src/core/failure.ts';
import type { ObjectStore } from '../../src/store/object-store.ts';
import { countedStore, machine } from '../cache/remote-rig.ts';
import { contentOf, group, images, openWriter, partFor } from '../cache/rig.ts';

const summary = group().spaces[0]!;

it('a cache whose store fails at any call keeps what was committed, and the same work again ends as if undisturbed', async () => {
  /** @param promised takes the files of every commit that resolved */
  const work = async (store: ObjectStore, name: string, promised: string[] = []): Promise<void> => {
    const { root, fs } = await machine(store);
    const { writer } = await openWriter(root, name, fs);
    for (const from of [0, 2]) {
      const parts = await writer.commit([partFor(summary, images(from + 2).slice(from))]);
      promised.push(...parts.map(({ file }) => file));
    }
    await writer.close();
  };
  const probe = await countedStore();
  await work(probe.store, 'w');
  const truth = await contentOf(probe.folder);
  const promisedAt: number[] = [];
  for (let failAt = 1; failAt <= probe.calls.length; failAt++) {
    const { folder, store, state } = await countedStore();
    state.failAt = failAt;
    const promised: string[] = [];
    await work(store, 'w', promised).catch((error: unknown) => {
      expect(isStillhouseError(error, 'environment'), `call ${failAt}: ${String(error)}`).toBe(true);
    });
    promisedAt.push(promised.length);
    // before the same work could make up for what was lost
    const { spaces, missingParts } = await openCatalogue(folder);
    const there = [...spaces.values()].flatMap(({ parts }) => parts.map(({ entry }) => entry.file));
    expect([there, missingParts], `call ${failAt}`).toEqual([expect.arrayContaining(promised), []]);
    const kept = await contentOf(folder);
    expect(kept.size, `call ${failAt}`).toBeGreaterThanOrEqual(2 * promised.length);
    for (const [target, values] of kept) expect(values, `call ${failAt}`).toEqual(truth.get(target));
    await work(store, 'again');
    expect(await contentOf(folder), `call ${failAt}`).toEqual(truth);
    const { findings } = await verifyCache({ root: folder, level: 'rows', repair: null });
    expect(findings, `call ${failAt}`).toEqual([]);
  }
  // calls failed before, between and after the commits
  expect(new Set(promisedAt)).toEqual(new Set([0, 1, 2]));
});
