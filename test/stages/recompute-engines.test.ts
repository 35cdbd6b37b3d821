import { join } from 'node:path';
import { stat } from 'node:fs/promises';
import { afterEach, expect, it, vi } from 'vitest';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { RANDOM_VIEWS } from '../../src/images/view.ts';
import { recomputeTargets } from '../../src/stages/recompute-targets.ts';
import { EnginePool } from '../../src/teachers/engine-pool.ts';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';
import { smallRun } from './small-run.ts';

afterEach(() => void vi.restoreAllMocks());

it('computing targets again opens each teacher once per size, holds one at a time, and keeps to the memory limit', async () => {
  const folder = await tempFolder();
  await copyEmoji(join(folder, 'train'), { vendor: 'twitter', names: await emojiNames(2) });
  for (const [seed, name] of ['one', 'two'].entries()) await writeTinyTeacher(folder, { name, seed });
  await smallRun(folder, [
    { id: 'train-images', stage: 'index', with: { dataset: 'train' } },
    {
      id: 'embed',
      stage: 'cache',
      with: {
        datasets: [{ from: 'train-images', views: 1 }],
        teachers: ['one', 'two'].map((name) => ({ name: `${name}.yaml`, sizesPx: [16, 32] })),
      },
    },
  ]);
  const weightsBytes = (await stat(join(folder, 'one.onnx'))).size;
  const recompute = async (memoryLimitBytes: number) =>
    recomputeTargets({
      catalogue: await openCatalogue(join(folder, 'out', 'cache')),
      datasets: [join(folder, 'out', 'small', 'train-images')],
      views: { count: 1, ...RANDOM_VIEWS },
      seed: 3,
      teachers: ['one.yaml', 'two.yaml'],
      loadFrom: { baseFolder: folder },
      device: 'cpu',
      memoryLimitBytes,
      sample: 2,
      signal: new AbortController().signal,
    });
  const open = vi.spyOn(EnginePool.prototype, 'open');
  const { spaces, findings } = await recompute(1.5 * weightsBytes);
  expect(findings).toEqual([]);
  expect(spaces.map(({ rows }) => rows)).toEqual(Array.from({ length: 8 }, () => 2));
  const opened = open.mock.calls.map(([{ teacher, sizePx }]) => `${teacher.manifest.name}@${sizePx}`);
  expect(opened).toEqual(['one@16', 'one@32', 'two@16', 'two@32']);
  await expect(recompute(weightsBytes / 2)).rejects.toThrow(failing(5, { where: 'one' }));
});
