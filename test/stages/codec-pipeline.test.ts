import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { failing } from '../support/failing.ts';
import { WHOLE, digestsOf, smallRun, workFolder } from './small-run.ts';

const TRAIN = 8;
const EVAL = 4;
const VIEWS = 2 * TRAIN + EVAL;

/** Index both sides, and cache them with what is given. */
const caching = (params: object) => [
  ...WHOLE.slice(0, 2),
  {
    id: 'targets',
    stage: 'cache',
    with: {
      datasets: [{ from: 'train-images', views: 2 }, { from: 'eval-images' }],
      teachers: [{ name: 'tiny.yaml', sizesPx: [16] }],
      unitRows: 8,
      ...params,
    },
  },
];
const spacesOf = async (folder: string) =>
  (await readdir(join(folder, 'out', 'cache', 'data')))
    .map((name) => name.replace(/\.[a-z2-7]{26}$/, ''))
    .sort();
const factsOf = (run: Awaited<ReturnType<typeof smallRun>>) =>
  (run.result.results.find(({ id }) => id === 'targets')!.outcome.facts as { spaces: object[] }).spaces;

describe('a cache stage with `codec: i8p`', () => {
  it('measures a sample first, then stores every target so, and the same as from an f16 cache', async () => {
    const folder = await workFolder({ train: TRAIN, eval: EVAL });
    const direct = await smallRun(folder, caching({ codec: 'i8p', statisticsViews: 6 }));
    expect(factsOf(direct)).toMatchObject([
      { label: 'tiny@16.summary', codec: 'i8p', dtype: 'uint8', written: VIEWS, derived: 6, reused: 0 },
      { label: 'tiny@16.spatial', codec: 'i8p', dtype: 'uint8', written: VIEWS, derived: 6, reused: 0 },
    ]);
    expect(await spacesOf(folder)).toEqual([
      'tiny@16.spatial.f16',
      'tiny@16.spatial.i8p',
      'tiny@16.summary.f16',
      'tiny@16.summary.i8p',
    ]);
    const again = await smallRun(folder, caching({ codec: 'i8p', statisticsViews: 6 }));
    expect([again.written, again.reused]).toEqual([0, 2 * VIEWS]);

    await rm(join(folder, 'out'), { recursive: true });
    const half = await smallRun(folder, caching({}));
    expect(factsOf(half)).toMatchObject([{ codec: 'f16', derived: 0 }, { codec: 'f16' }]);
    const derived = await smallRun(folder, caching({ codec: 'i8p', statisticsViews: 6 }));
    expect(factsOf(derived)).toMatchObject([{ derived: VIEWS }, { derived: VIEWS }]);
    expect(digestsOf(derived)['targets.tiny@16.spatial']).toBe(digestsOf(direct)['targets.tiny@16.spatial']);
    expect(digestsOf(derived)['targets.tiny@16.summary']).toBe(digestsOf(direct)['targets.tiny@16.summary']);
  });

  it('takes a codec by kind and by teacher, and later images build the same codec', async () => {
    const folder = await workFolder({ train: TRAIN, eval: EVAL });
    const teachers = [{ name: 'tiny.yaml', sizesPx: [16], codec: { spatial: 'i4p-pool2' } }];
    const stages = caching({ teachers, codec: 'f32', statisticsViews: 4 });
    const few = stages.map((stage) =>
      stage.id === 'targets'
        ? { ...stage, with: { ...stage.with, datasets: [{ from: 'eval-images' }] } }
        : stage,
    );
    await smallRun(folder, few);
    const first = await spacesOf(folder);
    expect(first).toEqual(['tiny@16.spatial.f16', 'tiny@16.spatial.i4p-pool2', 'tiny@16.summary.f32']);
    const second = await smallRun(folder, stages);
    expect(factsOf(second)).toMatchObject([
      { codec: 'f32', reused: EVAL, written: VIEWS - EVAL },
      { codec: 'i4p-pool2', shape: [2, 2, 8], reused: EVAL, written: VIEWS - EVAL, derived: 0 },
    ]);
    expect(await spacesOf(folder)).toEqual(first);
  });

  it.each([
    [{ teachers: [{ name: 'tiny.yaml', sizesPx: [16], codec: { spatial: 'f16-pool3' } }] }, '3 x 3 blocks'],
    [{ codec: { summary: { id: 'f16', pool: 2 } } }, 'no grid'],
    [{ codec: 'i8p-c9' }, '9 channels'],
    [{ teachers: [{ name: 'tiny.yaml', sizesPx: [16, 16] }] }, 'two'],
  ])('refuses what does not fit: %j', async (params, got) => {
    const folder = await workFolder({ train: 2, eval: 1 });
    await expect(smallRun(folder, caching(params))).rejects.toThrow(
      failing(3, { got: expect.stringContaining(got) }),
    );
  });
});
