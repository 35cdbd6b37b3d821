import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { type CheckOptions, checkTeacher, troubleIn } from '../../src/teachers/check.ts';
import { checkPicture } from '../../src/teachers/check-picture.ts';
import { loadTeacher } from '../../src/teachers/registry.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { type TinyOptions, tinyManifest, tinyOnnx } from '../support/tiny-teacher.ts';

// files of one worker share their modules: this one needs its own, with the mock in them, and leaves none behind
vi.hoisted(() => vi.resetModules());
afterAll(() => void vi.resetModules());

// as if the optional package were here: nothing runs on it
vi.mock('../../src/teachers/tfjs-gpu.ts', () => ({
  loadTfjsGpu: () => Promise.resolve({ version: '4.22.0', backend: 'tensorflow' }),
}));

const picture = await checkPicture(undefined);

async function check(
  options: Partial<CheckOptions>,
  tiny: TinyOptions = {},
  change: (manifest: ReturnType<typeof tinyManifest>) => object = (m) => m,
) {
  const folder = await tempFolder();
  const onnx = tinyOnnx(tiny);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'tiny.onnx'), onnx);
  await writeFile(join(folder, 'tiny.yaml'), stringify(change(tinyManifest(onnx))));
  const teacher = await loadTeacher('tiny.yaml', { baseFolder: folder });
  return checkTeacher(teacher, { picture, device: 'cpu', isNamed: true, ...options });
}

describe('the check of a teacher', () => {
  it('tells per size and tap what came out, of which tensor, and how long it took', async () => {
    const found = await check({ sizesPx: [16, 32] });
    expect(found).toMatchObject({
      teacher: 'tiny',
      verdict: 'fits',
      licence: { spdx: 'Apache-2.0', permissive: true },
      weights: { uri: 'file:tiny.onnx', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
      runtime: { engine: 'onnxruntime', device: 'cpu', provider: 'cpu', precision: 'f32' },
      trouble: null,
      sizes: [
        {
          sizePx: 16,
          taps: [
            { kind: 'summary', tensor: 'map', dtype: 'float32', shape: [8], grid: null, nan: 0, values: 8 },
            {
              kind: 'spatial',
              shape: [4, 4, 8],
              grid: { rows: 4, columns: 4, cellPx: 4 },
              nan: 0,
              values: 128,
            },
          ],
        },
        {
          sizePx: 32,
          taps: [{ shape: [8] }, { shape: [8, 8, 8], grid: { rows: 8, columns: 8, cellPx: 4 } }],
        },
      ],
    });
    for (const { engineMs, taps } of found.sizes) {
      expect(engineMs).toBeGreaterThanOrEqual(0);
      // the mean over positions of a map has the mean of the map
      expect(taps[0]!.mean).toBeCloseTo(taps[1]!.mean!, 4);
      expect(taps[1]!.std).toBeGreaterThan(0);
    }
    expect(troubleIn([found])).toBeNull();
  });

  it('sees a picture that is no constant: neighbouring cells differ', () => {
    const { pixels } = picture;
    expect([pixels.widthPx, pixels.heightPx, pixels.data.length]).toEqual([320, 240, 320 * 240 * 3]);
    for (const channel of [0, 1, 2])
      expect(new Set(pixels.data.filter((_, i) => i % 3 === channel)).size).toBeGreaterThan(200);
  });

  it('of values that are not finite says how many of how many, where, and fails as bad input', async () => {
    const found = await check({ sizesPx: [16] }, { nanBelow: 2 });
    expect(found.verdict).toBe('not-finite');
    expect(found.sizes[0]!.taps.map(({ nan, min }) => [nan, min])).toEqual([
      [8, null],
      [128, null],
    ]);
    expect(troubleIn([found])).toEqual(
      failing(3, {
        where: 'tiny at 16 px, summary tap',
        wanted: '8 finite values',
        got: '8 NaN and 0 infinite',
      }),
    );
  });

  it('refuses a manifest that does not fit, and keeps the sizes that were looked at before', async () => {
    const stride = (m: ReturnType<typeof tinyManifest>) => ({ ...m, spatial: { ...m.spatial, stridePx: 8 } });
    const found = await check({ sizesPx: [16] }, {}, stride);
    expect(found).toMatchObject({ verdict: 'does-not-fit', sizes: [] });
    expect(troubleIn([found])).toEqual(failing(3, { wanted: '2 x 2 cells of 8 px', got: '4 x 4' }));
    const second = await check({ sizesPx: [16, 17] });
    expect(second.sizes.map(({ sizePx }) => sizePx)).toEqual([16]);
    // it was loaded: which weights, and by what, is as well known
    expect(second).toMatchObject({
      weights: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
      runtime: { engine: 'onnxruntime', provider: 'cpu' },
    });
    expect(troubleIn([second])).toEqual(failing(3, { got: '17 px' }));
  });

  it('is of that teacher alone when the device is for teachers of another engine: others are checked on', async () => {
    const found = await check({ sizesPx: [16], device: 'tfjs-gpu' });
    expect(found).toMatchObject({ verdict: 'not-run', runtime: null, sizes: [] });
    expect(troubleIn([found])).toEqual(
      failing(2, { what: 'tfjs-gpu runs TFJS teachers only', where: 'tiny' }),
    );
  });

  it('leaves out what nobody named: other sizes, absent weights', async () => {
    const unnamed = { isNamed: false, sizesPx: [16, 17] };
    expect((await check(unnamed)).sizes.map(({ sizePx }) => sizePx)).toEqual([16]);
    expect(await check({ ...unnamed, sizesPx: [17] })).toMatchObject({
      verdict: 'left-out',
      reason: 'takes none of these sizes',
    });
    const gone = (m: ReturnType<typeof tinyManifest>) => ({
      ...m,
      weights: { uri: 'file:gone.onnx', sha256: null },
    });
    const absent = await check({ ...unnamed }, {}, gone);
    expect(absent).toMatchObject({ verdict: 'left-out', reason: 'weights are not here', trouble: null });
    const named = await check({ sizesPx: [16] }, {}, gone);
    expect(named.verdict).toBe('not-run');
    expect(troubleIn([absent, named])).toEqual(failing(5, { got: expect.any(String) as string }));
  });

  it('of several teachers in trouble names all of them', async () => {
    const sick = await check({ sizesPx: [16] }, { nanBelow: 2 });
    const odd = await check({ sizesPx: [17] });
    expect(troubleIn([sick, odd, await check({ sizesPx: [16] })])).toEqual(
      failing(3, { what: '2 of 3 teachers did not pass the check', where: 'tiny, tiny' }),
    );
  });
});

it('a picture that is missing or is none is refused', async () => {
  const folder = await tempFolder();
  await writeFile(join(folder, 'text.png'), 'no picture');
  for (const path of [join(folder, 'none.png'), join(folder, 'text.png')])
    await expect(checkPicture(path)).rejects.toThrow(failing(3, { where: path }));
});
