/** Mosaics through a real run: a teacher that sees its whole canvas gives targets that depend on image, view and space alone. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { TargetReader } from '../../src/cache/read.ts';
import { codedLabel } from '../../src/cache/space.ts';
import { RANDOM_VIEWS } from '../../src/images/view.ts';
import { recomputeTargets } from '../../src/stages/recompute-targets.ts';
import { asFile, noise } from '../images/tiny-images.ts';
import { CELL_PX, attentionManifest, attentionOnnx } from '../support/attention-teacher.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { countsOf, smallRun } from './small-run.ts';

const TILE_PX = 4 * CELL_PX;
const GLOBAL = { sidePx: 2 * TILE_PX, window: 8 };

async function photos(names: readonly number[]): Promise<string> {
  const folder = await tempFolder();
  await mkdir(join(folder, 'photos'));
  await addPhotos(folder, names);
  const onnx = attentionOnnx(GLOBAL);
  await writeFile(join(folder, 'attentive.onnx'), onnx);
  await writeFile(join(folder, 'attentive.yaml'), stringify(attentionManifest(onnx, GLOBAL)));
  return folder;
}

async function addPhotos(folder: string, names: readonly number[]): Promise<void> {
  for (const i of names) {
    const size = { width: 20 + i, height: 24 };
    await writeFile(
      join(folder, 'photos', `${i}.png`),
      await asFile(noise(size.width, size.height, i + 1), size),
    );
  }
}

function stages(views: unknown, more: object = {}) {
  const teachers = [{ name: 'attentive.yaml', sizesPx: [TILE_PX], mosaic: 2 }];
  return [
    { id: 'images', stage: 'index', with: { dataset: 'photos', split: 'train' } },
    { id: 'targets', stage: 'cache', with: { datasets: [{ from: 'images', views }], teachers, ...more } },
  ];
}

/** Stored bytes by row key. */
async function targetsOf(folder: string): Promise<Map<string, string>> {
  const { spaces } = await openCatalogue(join(folder, 'out', 'cache'));
  const [space, ...more] = [...spaces.values()];
  expect(more).toEqual([]);
  expect(codedLabel(space!.descriptor)).toBe(`attentive@${TILE_PX}.spatial.mosaic2.f16`);
  expect(space!.descriptor.shape).toEqual([4, 4, 8]);
  const found = new Map<string, string>();
  const reader = new TargetReader();
  for (const key of space!.rows.keys())
    found.set(key, Buffer.from((await reader.readStored(space!, key))!).toString('hex'));
  await reader.close();
  return found;
}

describe('targets of a mosaic', () => {
  it('are the same whatever is cached already, whatever the batches, units and other images', async () => {
    const folder = await photos([0, 1, 2, 3, 4]);
    const run = await smallRun(folder, stages(5, { batch: 3 }));
    expect(countsOf(run, 'targets')).toEqual({ seen: 25, kept: 25, rejected: {} });
    expect(run.result.results.at(-1)!.outcome.measured).toMatchObject({ decodes: 5 });
    const whole = await targetsOf(folder);
    expect(new Set(whole.values()).size).toBe(25);

    // grown in images and in views, with what came before in the cache; other batches, other order
    const grown = await photos([3, 1]);
    for (const [views, added, more] of [
      [1, [], { batch: 1 }],
      [3, [4], { batch: 2, unitRows: 2 }],
      [5, [0, 2], { batch: 8, unitRows: 7 }],
    ] as const) {
      await addPhotos(grown, added);
      await smallRun(grown, stages(views, more));
    }
    expect(await targetsOf(grown)).toEqual(whole);

    await rm(join(folder, 'photos', '2.png'));
    expect((await smallRun(folder, stages(4))).written).toBe(0);
  });

  it('are computed again to the same bits by cache verify, each among the neighbours that its space names', async () => {
    const folder = await photos([0, 1]);
    await smallRun(folder, stages(5));
    const { spaces, findings } = await recomputeTargets({
      catalogue: await openCatalogue(join(folder, 'out', 'cache')),
      datasets: [join(folder, 'out', 'small', 'images')],
      views: { count: 5, ...RANDOM_VIEWS },
      seed: 3,
      teachers: ['attentive.yaml'],
      loadFrom: { baseFolder: folder },
      device: 'cpu',
      memoryLimitBytes: Infinity,
      sample: 100,
      signal: new AbortController().signal,
    });
    expect(findings).toEqual([]);
    expect(spaces).toMatchObject([{ rows: 10, worst: 0, reason: null }]);
  });

  it('are others under another seed or other views: another space, never another value in the same one', async () => {
    const folder = await photos([0]);
    await smallRun(folder, stages(1));
    const before = [...(await openCatalogue(join(folder, 'out', 'cache'))).spaces.keys()];
    for (const [views, seed] of [
      [1, 9],
      [{ count: 1, area: [0.2, 0.9] }, 3],
    ] as const) {
      expect((await smallRun(folder, stages(views), seed)).written).toBe(1);
    }
    const after = [...(await openCatalogue(join(folder, 'out', 'cache'))).spaces.keys()];
    expect(after).toEqual(expect.arrayContaining(before));
    expect(after).toHaveLength(3);
    // how many views there are changes nothing
    expect((await smallRun(folder, stages(2))).written).toBe(1);
  });

  it('cannot be asked for where the tiles do not fit, or two datasets draw their views in two ways', async () => {
    const folder = await photos([0]);
    const teachers = [{ name: 'attentive.yaml', sizesPx: [TILE_PX], mosaic: 3 }];
    await expect(smallRun(folder, stages(1, { teachers }))).rejects.toThrow(
      failing(3, { wanted: `an input of at least ${3 * TILE_PX} px` }),
    );
    const datasets = [{ from: 'images' }, { from: 'images', views: { count: 2, flip: 0 } }];
    await expect(smallRun(folder, stages(1, { datasets }))).rejects.toThrow(
      failing(3, { what: 'a mosaic needs one way to draw views' }),
    );
  });
});
