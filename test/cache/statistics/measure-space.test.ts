import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeStatistics, encodeStatistics } from '../../../src/cache/statistics/feature-statistics.ts';
import { measureSpace } from '../../../src/cache/statistics/measure-space.ts';
import {
  listStatistics,
  pinStatistics,
  pinnedStatistics,
  readStatistics,
  statisticsFile,
  writeStatistics,
} from '../../../src/cache/statistics/statistics-files.ts';
import { exactSpaceIdOf, spaceIdOf } from '../../../src/cache/space.ts';
import { failing } from '../../support/failing.ts';
import { quickFs } from '../../support/quick-fs.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { answer, group, images, keyOf, openWriter, partFor, rendered, space, spaceIn } from '../rig.ts';
import { wantedRows } from '../../../src/cache/plan.ts';

const summary = group().spaces[0]!;
const spatial = space({ sizePx: 4, tap: { kind: 'spatial', rule: { tensor: 'y' } }, shape: [2, 2, 3] });

/** A cache whose rows lie in parts of the given sizes. */
async function cacheOf(of: typeof summary, parts: readonly (readonly number[])[]) {
  const root = await tempFolder();
  const { writer } = await openWriter(root);
  const all = images(12);
  for (const part of parts)
    await writer.commit([
      partFor(
        of,
        part.map((i) => all[i]!),
      ),
    ]);
  return { root, cached: await spaceIn(root, of) };
}

describe('measuring a space', () => {
  it('gives the same statistics, bit for bit, whatever parts the rows lie in', async () => {
    const one = await cacheOf(spatial, [[0, 1, 2, 3, 4, 5, 6, 7]]);
    const many = await cacheOf(spatial, [[7, 2], [5, 0, 1], [3], [6, 4]]);
    const [a, b] = [await measureSpace({ space: one.cached }), await measureSpace({ space: many.cached })];
    expect(encodeStatistics(a!)).toEqual(encodeStatistics(b!));
  });

  it('counts rows and tokens, and says of which space and rows', async () => {
    const { cached } = await cacheOf(spatial, [[0, 1, 2, 3, 4]]);
    const { facts, positionMean } = (await measureSpace({ space: cached }))!;
    expect(facts).toMatchObject({
      rows: 5,
      tokens: 20,
      pool: 1,
      exactSpaceId: exactSpaceIdOf(spatial),
      sourceSpaceId: spaceIdOf(spatial),
      label: 'sums@4.spatial',
      angularDispersion: null,
      position: { maps: 5 },
    });
    expect(positionMean!.shape).toEqual([2, 2, 3]);
    const values = wantedRows(images(5)).flatMap((row) => [
      ...answer(spatial, rendered(row.image, row.view)),
    ]);
    expect(facts.maxAbs).toBeCloseTo(Math.max(...values.map(Math.abs)), 1);
  });

  it('measures the rows it is told, and their digest tells them from others', async () => {
    const { cached } = await cacheOf(summary, [[0, 1, 2, 3, 4, 5]]);
    const all = images(12).map(({ image }) => keyOf(image));
    const some = (await measureSpace({ space: cached, keys: [all[3]!, all[1]!, all[9]!] }))!;
    expect(some.facts.rows).toBe(2);
    const same = (await measureSpace({ space: cached, keys: [all[1]!, all[3]!] }))!;
    expect(encodeStatistics(same)).toEqual(encodeStatistics(some));
    const other = (await measureSpace({ space: cached, keys: [all[1]!, all[2]!] }))!;
    expect(other.facts.rowsDigest).not.toBe(some.facts.rowsDigest);
    expect(some.facts.angularDispersion).toBeGreaterThan(0);
    expect(some.facts.position).toBeNull();
  });

  it('of nothing usable is nothing', async () => {
    const { cached } = await cacheOf(summary, [[0]]);
    expect(await measureSpace({ space: cached, keys: [] })).toBeNull();
    expect(await measureSpace({ space: cached, keys: [keyOf(images(12)[5]!.image)] })).toBeNull();
  });

  it('of blocks of cells has fewer tokens and less variance', async () => {
    const { cached } = await cacheOf(spatial, [[0, 1, 2, 3, 4, 5, 6, 7]]);
    const whole = (await measureSpace({ space: cached }))!;
    const pooled = (await measureSpace({ space: cached, pool: 2 }))!;
    expect([pooled.facts.tokens, pooled.facts.pool]).toEqual([8, 2]);
    pooled.std.forEach((std, c) => expect(std).toBeLessThan(whole.std[c]!));
    pooled.mean.forEach((mean, c) => expect(mean).toBeCloseTo(whole.mean[c]!, 3));
  });

  it('stops when it is told to', async () => {
    const { cached } = await cacheOf(summary, [[0, 1, 2]]);
    await expect(
      measureSpace({ space: cached, signal: AbortSignal.abort(new Error('stop')) }),
    ).rejects.toThrow('stop');
  });
});

describe('statistics on disk', () => {
  async function stored() {
    const { root, cached } = await cacheOf(spatial, [[0, 1, 2, 3]]);
    const statistics = (await measureSpace({ space: cached }))!;
    return { root, statistics, digest: await writeStatistics(root, statistics, quickFs) };
  }

  it('are found by their digest and read back whole', async () => {
    const { root, statistics, digest } = await stored();
    expect(await readStatistics(root, digest, quickFs)).toEqual(statistics);
    expect(await listStatistics(root, quickFs)).toEqual([digest]);
    expect(decodeStatistics(encodeStatistics(statistics), 'x')).toEqual(statistics);
  });

  it('are refused when they are gone or changed', async () => {
    const { root, digest } = await stored();
    const path = join(root, statisticsFile(digest));
    const bytes = await readFile(path);
    await appendFile(path, 'x');
    await expect(readStatistics(root, digest, quickFs)).rejects.toMatchObject(
      failing(4, { what: 'the statistics that a codec is built from are gone or changed', where: path }),
    );
    await rm(path);
    await expect(readStatistics(root, digest, quickFs)).rejects.toMatchObject(
      failing(4, { got: 'no such file' }),
    );
    expect(() => decodeStatistics(bytes.subarray(0, 100), 'x')).toThrow('damaged');
  });

  it('are chosen once for an exact space, whatever its codec, and apart for pooled tokens', async () => {
    const root = await tempFolder();
    const [a, b] = ['a'.repeat(64), 'b'.repeat(64)];
    const subject = { space: spatial, pool: 1 };
    expect(await pinnedStatistics(root, subject, quickFs)).toBeNull();
    expect(await pinStatistics(root, subject, { statsSha256: a, fs: quickFs })).toBe(a);
    expect(await pinStatistics(root, subject, { statsSha256: b, fs: quickFs })).toBe(a);
    const other = { space: { ...spatial, codec: { id: 'f32' as const } }, pool: 1 };
    expect(await pinnedStatistics(root, other, quickFs)).toBe(a);
    expect(await pinnedStatistics(root, { space: spatial, pool: 2 }, quickFs)).toBeNull();
    expect(await pinnedStatistics(root, { space: summary, pool: 1 }, quickFs)).toBeNull();
  });

  it('whose choice is damaged stop with what to do', async () => {
    const root = await tempFolder();
    const subject = { space: spatial, pool: 1 };
    await pinStatistics(root, subject, { statsSha256: 'a'.repeat(64), fs: quickFs });
    const path = join(root, 'statistics', `${exactSpaceIdOf(spatial)}.json`);
    await writeFile(path, '{"v":1}');
    await expect(pinnedStatistics(root, subject, quickFs)).rejects.toMatchObject(failing(4, { where: path }));
  });
});
