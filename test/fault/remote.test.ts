/** A cache in an object store whose every call fails once. */
import { expect, it } from 'vitest';
import { verifyCache } from '../../src/cache/verify.ts';
import { isStillhouseError } from '../../src/core/failure.ts';
import type { ObjectStore } from '../../src/store/object-store.ts';
import { countedStore, machine } from '../cache/remote-rig.ts';
import { contentOf, group, images, openWriter, partFor } from '../cache/rig.ts';

const summary = group().spaces[0]!;

it('a cache whose store fails at any call keeps what was committed, and the same work again ends as if undisturbed', async () => {
  const work = async (store: ObjectStore, name: string): Promise<void> => {
    const { root, fs } = await machine(store);
    const { writer } = await openWriter(root, name, fs);
    for (const from of [0, 2]) await writer.commit([partFor(summary, images(from + 2).slice(from))]);
    await writer.close();
  };
  const probe = await countedStore();
  await work(probe.store, 'w');
  const truth = await contentOf(probe.folder);
  for (let failAt = 1; failAt <= probe.calls.length; failAt++) {
    const { folder, store, state } = await countedStore();
    state.failAt = failAt;
    await work(store, 'w').catch((error: unknown) => {
      expect(isStillhouseError(error, 'environment'), `call ${failAt}: ${String(error)}`).toBe(true);
    });
    await work(store, 'again');
    expect(await contentOf(folder), `call ${failAt}`).toEqual(truth);
    const { findings } = await verifyCache({ root: folder, level: 'rows', repair: null });
    expect(findings, `call ${failAt}`).toEqual([]);
  }
});
