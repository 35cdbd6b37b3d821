import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeStatistics } from '../../../src/cache/statistics/feature-statistics.ts';
import { keptStatistics } from '../../../src/cache/statistics/kept-statistics.ts';
import { measureSpace } from '../../../src/cache/statistics/measure-space.ts';
import { pinnedStatistics } from '../../../src/cache/statistics/statistics-files.ts';
import { sha256 } from '../../../src/core/digest.ts';
import { quickFs } from '../../support/quick-fs.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { fixedClock, group, images, openWriter, partFor, spaceIn } from '../rig.ts';

const summary = group().spaces[0]!;

async function cacheOf(count: number) {
  const root = await tempFolder();
  const { writer } = await openWriter(root);
  await writer.commit([partFor(summary, images(count))]);
  const kept = async (rows?: number) =>
    (await keptStatistics({ space: await spaceIn(root, summary), clock: fixedClock, rows }))!;
  return { root, writer, kept };
}

describe('statistics that are kept', () => {
  it('are measured once, found again with the same bytes, and decide nothing for codecs', async () => {
    const { root, kept } = await cacheOf(6);
    const first = await kept();
    const again = await kept();
    expect([first.isReused, again.isReused]).toEqual([false, true]);
    expect(again.statsSha256).toBe(first.statsSha256);
    const direct = (await measureSpace({ space: await spaceIn(root, summary) }))!;
    expect(again.statsSha256).toBe(sha256(encodeStatistics(direct)));
    expect(again.statistics).toEqual(direct);
    expect(await pinnedStatistics(root, { space: summary, pool: 1 }, quickFs)).toBeNull();
  });

  it('are measured again when rows came, or when other rows are asked for', async () => {
    const { writer, kept } = await cacheOf(6);
    await kept();
    await writer.commit([partFor(summary, images(9).slice(6))]);
    expect(await kept()).toMatchObject({ isReused: false, statistics: { facts: { rows: 9 } } });
    expect(await kept(4)).toMatchObject({ isReused: false, statistics: { facts: { rows: 4 } } });
    expect([(await kept(4)).isReused, (await kept()).isReused]).toEqual([true, true]);
  });

  it('are measured again when the file is gone, or the note about it is damaged', async () => {
    const { root, kept } = await cacheOf(6);
    const { statsSha256 } = await kept();
    await rm(join(root, 'statistics', `${statsSha256}.safetensors`));
    expect(await kept()).toMatchObject({ isReused: false, statsSha256 });
    const [note] = await readdir(join(root, 'statistics', 'measured'));
    for (const text of ['', '{"v":1}', 'null']) {
      await writeFile(join(root, 'statistics', 'measured', note!), text);
      expect(await kept()).toMatchObject({ isReused: false, statsSha256 });
    }
  });

  it('of no usable row are none', async () => {
    const { root } = await cacheOf(2);
    const space = await spaceIn(root, summary);
    expect(await keptStatistics({ space, clock: fixedClock, rows: 0 })).toBeNull();
  });
});
