/** A clock that runs backwards: nothing that counts depends on wall time. */
import { expect, it } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { collectGarbage } from '../../src/cache/collect.ts';
import { dropSpaces } from '../../src/cache/drop.ts';
import { holdCatalogue } from '../../src/cache/reader-lease.ts';
import { snapshotNumbers } from '../../src/cache/snapshot.ts';
import { spaceIdOf } from '../../src/cache/space.ts';
import { verifyCache } from '../../src/cache/verify.ts';
import { CacheWriter } from '../../src/cache/write.ts';
import type { Clock } from '../../src/core/clock.ts';
import { readLeases } from '../../src/store/shared-lease.ts';
import { quickFs } from '../support/quick-fs.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { contentOf, group, images, keyOf, partFor, reader } from './rig.ts';
import { join } from 'node:path';

const sums = group();
const summary = sums.spaces[0]!;

/** Each look at it is an hour before the last one. */
function backwards(): Clock {
  let hours = 0;
  return {
    elapsedMs: () => 0,
    nowIso: () => new Date(Date.parse('2026-01-01T00:00:00Z') - 3_600_000 * hours++).toISOString(),
  };
}

it('a cache that is written, published, read and collected under a clock that runs backwards loses nothing', async () => {
  const root = await tempFolder();
  const clock = backwards();
  for (const [i, from] of [0, 3, 6].entries()) {
    const { writer } = await CacheWriter.open({ root, writer: `w${i}`, clock, fs: quickFs });
    await writer.commit(sums.spaces.map((space) => partFor(space, images(from + 3).slice(from))));
    await writer.close();
  }
  expect(await snapshotNumbers(root, quickFs)).toEqual([3, 2, 1]);
  const content = await contentOf(root);
  expect(content.size).toBe(18);
  const at = { root, writer: 'upkeep', clock, fs: quickFs };
  const catalogue = await openCatalogue(root);
  const lease = await holdCatalogue(catalogue, at);
  expect((await readLeases(join(root, 'leases'), clock, quickFs)).map(({ isLiving }) => isLiving)).toEqual([
    true,
  ]);
  await dropSpaces(at, 'sums');
  const gc = () => collectGarbage({ ...at, keepSnapshots: 1, graceMs: 1000, dryRun: false });
  expect(await gc()).toMatchObject({ purged: [] });
  const space = catalogue.spaces.get(spaceIdOf(summary))!;
  for (const { image } of images(9))
    expect(await reader().readInto(space, keyOf(image), new Float32Array(3))).toBe(true);
  await lease.release();
  // trash of a later time is kept until the clock has caught up with it
  expect((await gc()).swept.length).toBeGreaterThan(0);
  expect(await gc()).toMatchObject({ purged: [] });
  expect((await verifyCache({ root, level: 'rows', repair: null })).findings).toEqual([]);
});
