import { readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { type CachePlan, planCache } from '../../src/cache/plan.ts';
import type { StageContext } from '../../src/run/stage.ts';
import { bytesHere, checkRoom } from '../../src/stages/check-room.ts';
import { fulfil } from '../../src/stages/fulfil-plan.ts';
import type { CommitFs } from '../../src/store/commit-fs.ts';
import { group, images, openWriter, partFor, space } from '../cache/rig.ts';
import { failing } from '../support/failing.ts';
import { quickFs } from '../support/quick-fs.ts';
import { tempFolder } from '../support/temp-folder.ts';

const SPARE = 64 << 20;
/** A summary of 3 x 2 bytes and a map of 4 x 2 bytes. */
const ROW = 14;

const withRoom = (freeBytes: number, isRemote = false): CommitFs => ({
  ...quickFs,
  isRemote,
  freeBytes: () => Promise.resolve(freeBytes),
});

const planOf = async (root: string, groups = [group()]): Promise<CachePlan> =>
  planCache({ wanted: images(10), groups, catalogue: await openCatalogue(root), unitRows: 4 });

describe('the room that a fill needs here', () => {
  it('is that of all its targets in a folder, and that of the largest unit where each is sent away', async () => {
    const plan = await planOf(await tempFolder());
    expect([bytesHere(plan, false), bytesHere(plan, true)]).toEqual([10 * ROW, 4 * ROW]);
  });

  it('is found too little in a folder where it is enough for a bucket', async () => {
    const cacheRoot = await tempFolder();
    const plan = await planOf(cacheRoot);
    const free = SPARE + 6 * ROW;
    await checkRoom(plan, { cacheRoot, cacheFs: withRoom(free, true) });
    await expect(checkRoom(plan, { cacheRoot, cacheFs: withRoom(free) })).rejects.toThrow(
      failing(5, { what: 'there is not enough room for the targets' }),
    );
    await expect(checkRoom(plan, { cacheRoot, cacheFs: withRoom(SPARE, true) })).rejects.toThrow(
      failing(5, { next: expect.stringContaining('--replica') as string }),
    );
  });

  it('is none when nothing is missing', async () => {
    const cacheRoot = await tempFolder();
    await checkRoom({ units: [], derivations: [], coverage: [] }, { cacheRoot, cacheFs: withRoom(0) });
  });

  it('counts what is derived, and is looked at before that is written', async () => {
    const root = await tempFolder();
    const [f16, f32] = [space(), space({ codec: { id: 'f32' } })];
    const { writer } = await openWriter(root);
    await writer.commit([partFor(f32, images(7))]);
    await writer.close();
    const cache = await planOf(root, [{ ...group(), spaces: [f16] }]);
    expect(cache.coverage).toMatchObject([{ derived: 7, missing: 3 }]);
    expect(bytesHere(cache, false)).toBe(10 * 6);
    const before = await readdir(root, { recursive: true });
    // enough for what the teacher computes, not for what is derived besides
    const cacheFs = withRoom(SPARE + 9 * 6);
    const context = { cacheRoot: root, cacheFs } as Partial<StageContext> as StageContext;
    await expect(fulfil({ batch: 1, datasets: [], groups: [], cache }, context)).rejects.toThrow(
      failing(5, { what: 'there is not enough room for the targets' }),
    );
    expect(await readdir(root, { recursive: true })).toEqual(before);
  });
});
