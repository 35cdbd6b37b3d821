import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { targetShapeOf } from '../../src/cache/codecs/stored-tensor.ts';
import { TargetReader } from '../../src/cache/read.ts';
import { RECOMPUTE_TOLERANCE } from '../../src/cache/recompute.ts';
import { partOf } from '../../src/cache/target-part.ts';
import { rowValuesOf } from '../../src/format/tensor-part.ts';
import { RANDOM_VIEWS } from '../../src/images/view.ts';
import { type RecomputeOptions, recomputeTargets } from '../../src/stages/recompute-targets.ts';
import { openWriter } from '../cache/rig.ts';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';
import { smallRun } from './small-run.ts';

const IMAGES = 5;
const SEED = 3;
const STAGES = [
  { id: 'train-images', stage: 'index', with: { dataset: 'train' } },
  {
    id: 'embed',
    stage: 'cache',
    with: {
      datasets: [{ from: 'train-images', views: 2 }],
      teachers: [{ name: 'tiny.yaml', sizesPx: [16] }],
    },
  },
];

/** Filled once: two views of five images, a summary and a map of each. */
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stillhouse-recompute-'));
  await copyEmoji(join(folder, 'train'), { vendor: 'twitter', names: await emojiNames(IMAGES) });
  await writeTinyTeacher(folder);
  await smallRun(folder, STAGES, SEED);
});
afterAll(() => rm(folder, { recursive: true }));

const optionsOf = async (changes: Partial<RecomputeOptions> = {}): Promise<RecomputeOptions> => ({
  catalogue: await openCatalogue(join(folder, 'out', 'cache')),
  datasets: [join(folder, 'out', 'small', 'train-images')],
  views: { count: 2, ...RANDOM_VIEWS },
  seed: SEED,
  teachers: ['tiny.yaml'],
  loadFrom: { baseFolder: folder },
  device: 'cpu',
  memoryLimitBytes: Infinity,
  sample: 100,
  signal: new AbortController().signal,
  ...changes,
});

/** Another cache with every target of the first, multiplied. */
async function scaledCache(factor: number): Promise<string> {
  const root = await tempFolder();
  const reader = new TargetReader();
  const { writer } = await openWriter(root);
  for (const space of (await openCatalogue(join(folder, 'out', 'cache'))).spaces.values()) {
    const keys = [...space.rows.keys()];
    const width = rowValuesOf(targetShapeOf(space.descriptor));
    const values = new Float32Array(keys.length * width);
    for (const [i, key] of keys.entries())
      await reader.readInto(space, key, values.subarray(i * width, (i + 1) * width));
    const rows = keys.map((key) => ({ key }));
    await writer.commit([
      partOf(
        space.descriptor,
        rows,
        values.map((value) => value * factor),
      ),
    ]);
  }
  await writer.close();
  await reader.close();
  return root;
}

describe('computing cached targets again', () => {
  it('gives the same targets, of every view, on the machine that filled the cache', async () => {
    const { spaces, findings } = await recomputeTargets(await optionsOf());
    expect(findings).toEqual([]);
    expect(spaces.map(({ rows, worst, reason }) => [rows, worst, reason])).toEqual([
      [2 * IMAGES, 0, null],
      [2 * IMAGES, 0, null],
    ]);
  });

  it('finds targets that differ by more than the tolerance of their codec, and lets pass those within it', async () => {
    const within = await openCatalogue(await scaledCache(1 + RECOMPUTE_TOLERANCE.f16 / 2));
    expect((await recomputeTargets(await optionsOf({ catalogue: within }))).findings).toEqual([]);
    const beyond = await openCatalogue(await scaledCache(1.01));
    const { spaces, findings } = await recomputeTargets(await optionsOf({ catalogue: beyond, sample: 4 }));
    expect(findings.map(({ problem }) => problem)).toEqual(Array.from({ length: 8 }, () => 'recompute'));
    expect(findings[0]!.detail).toMatch(
      /^row \d+: the teacher now says otherwise, by 0\.00\d+; at most 0\.001 may be$/,
    );
    for (const { worst } of spaces) expect(worst).toBeCloseTo(0.01, 3);
  });

  it('finds images that were changed or removed, and compares the others', async () => {
    const train = join(folder, 'train');
    const kept = join(await tempFolder(), 'train');
    await cp(train, kept, { recursive: true });
    onTestFinished(() => cp(kept, train, { recursive: true }));
    const [changed, gone] = (await readdir(train)).sort().map((name) => join(train, name));
    await writeFile(changed!, 'no image');
    await rm(gone!);
    const { spaces, findings } = await recomputeTargets(await optionsOf());
    expect(spaces.map(({ rows, worst, reason }) => [rows, worst, reason])).toEqual([
      [2 * (IMAGES - 2), 0, null],
      [2 * (IMAGES - 2), 0, null],
    ]);
    expect(findings.map(({ problem }) => problem)).toEqual(Array.from({ length: 8 }, () => 'image'));
    const details = findings.map(({ detail }) => detail.replace(/^row \d+: /, ''));
    for (const got of ['sha256', 'ENOENT'])
      expect(
        details.filter((detail) => detail.includes(`since it was indexed`) && detail.includes(got)),
      ).toHaveLength(4);
  });

  it('draws as many rows as asked for, the same ones for the same seed', async () => {
    const root = await scaledCache(2);
    const rowsFor = async () =>
      (await recomputeTargets(await optionsOf({ catalogue: await openCatalogue(root), sample: 3 }))).findings;
    const first = await rowsFor();
    expect(first).toHaveLength(6);
    expect(await rowsFor()).toEqual(first);
  });

  it('checks only views that the family makes, and says when nothing can be checked', async () => {
    const { spaces } = await recomputeTargets(await optionsOf({ views: { count: 1, ...RANDOM_VIEWS } }));
    expect(spaces.map(({ rows }) => rows)).toEqual([IMAGES, IMAGES]);
    await expect(recomputeTargets(await optionsOf({ teachers: [] }))).rejects.toThrow(
      failing(3, { what: 'not a single target could be computed again' }),
    );
  });

  it('does not blame the cache for a teacher with other weights', async () => {
    const other = await mkdtemp(join(tmpdir(), 'stillhouse-other-'));
    onTestFinished(() => rm(other, { recursive: true }));
    await writeTinyTeacher(other, { seed: 2 });
    await expect(recomputeTargets(await optionsOf({ loadFrom: { baseFolder: other } }))).rejects.toThrow(
      failing(3, { got: expect.stringContaining('the weights of tiny are others now') as string }),
    );
  });
});
