import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import * as ort from 'onnxruntime-node';
import { describe, expect, it, vi } from 'vitest';
import { canonicalJson } from '../../src/core/canonical-json.ts';
import { buildOnnx, encodeOnnx } from '../../src/format/onnx-model.ts';
import { identifyTeacher, openTeacher } from '../../src/teachers/open-teacher.ts';
import { loadTeacher } from '../../src/teachers/registry.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { type TinyOptions, enlarged, tinyManifest, tinyOnnx } from '../support/tiny-teacher.ts';

type Manifest = ReturnType<typeof tinyManifest>;

/** A teacher from any graph bytes, its manifest changed as asked. */
async function teacherOf(onnx: Uint8Array, change: (manifest: Manifest) => object = (m) => m) {
  const folder = await tempFolder();
  await writeFile(join(folder, 'tiny.onnx'), onnx);
  await writeFile(join(folder, 'tiny.yaml'), stringify(change(tinyManifest(onnx))));
  return loadTeacher('tiny.yaml', { baseFolder: folder });
}

const open = async (options: TinyOptions, change?: (manifest: Manifest) => object, batch = 2) =>
  openTeacher(
    await teacherOf(tinyOnnx(options), change),
    { sizePx: 16, batch },
    { device: 'cpu', threads: 1 },
  );

describe('a teacher whose model does not fit its manifest', () => {
  it('in the name of the input is told the names there are', async () => {
    const change = (m: Manifest) => ({ ...m, input: { ...m.input, name: 'pixels' } });
    await expect(open({}, change)).rejects.toThrow(
      failing(3, { where: 'tiny at 16 px', wanted: 'an input named pixels', got: 'inputs x' }),
    );
  });

  it('in the size of the input is told the only size that the export has', async () => {
    await expect(open({ fixedPx: 32 })).rejects.toThrow(
      failing(3, {
        what: 'the export of a teacher has another input size, and it is fixed',
        where: 'tiny',
        wanted: '32 x 32 px, the only size of this graph: x float32 [n,3,32,32]',
        got: '16 px',
      }),
    );
  });

  it('in the layout of the input is told so too', async () => {
    const change = (m: Manifest) => ({ ...m, input: { ...m.input, layout: 'NHWC' } });
    await expect(open({}, change)).rejects.toThrow(
      failing(3, { wanted: 'an input of layout NHWC', got: 'x float32 [n,3,s,s]' }),
    );
  });

  it('in the width of a tap is told both widths', async () => {
    for (const kind of ['summary', 'spatial'] as const) {
      const change = (m: Manifest) => ({ ...m, [kind]: { ...m[kind], channels: 9 } });
      await expect(open({}, change)).rejects.toThrow(
        failing(3, { where: 'tiny, tensor map', wanted: '9 channels', got: '8' }),
      );
    }
    const session = await open({}, (m) => ({ ...m, summary: { ...m.summary, channels: 8 } }));
    // what the manifest promises is no part of what identifies a target
    expect(canonicalJson(session.summary!.rule)).not.toContain('channels');
    await session.close();
  });

  it('in the rows it answers is refused, rather than read as zeros', async () => {
    await expect(open({ firstRowOnly: true })).rejects.toThrow(
      failing(3, { wanted: 'tensor map with 2 rows, one per image', got: 'float32 [1,8,4,4]' }),
    );
    const session = await open({ firstRowOnly: true }, (m) => ({
      ...m,
      input: { ...m.input, batch: 'one' },
    }));
    expect(session.batch).toBe(1);
    await session.close();
  });

  it('in the name of a tap is told the nearest tensors and which file', async () => {
    const change = (m: Manifest) => ({ ...m, summary: { ...m.summary, tensor: 'mapp' } });
    await expect(open({}, change)).rejects.toThrow(
      failing(3, {
        got: expect.stringContaining('nearest: map,'),
        where: expect.stringContaining('tiny.onnx'),
      }),
    );
  });

  it('in its stride is told both grids', async () => {
    const change = (m: Manifest) => ({ ...m, spatial: { ...m.spatial, stridePx: 8 } });
    await expect(open({}, change)).rejects.toThrow(
      failing(3, { wanted: '2 x 2 cells of 8 px', got: '4 x 4' }),
    );
  });

  it('because it is no model at all is refused', async () => {
    const teacher = await teacherOf(Buffer.from('version https://git-lfs.github.com/spec/v1'));
    await expect(
      openTeacher(teacher, { sizePx: 16, batch: 1 }, { device: 'cpu', threads: 1 }),
    ).rejects.toThrow(failing(3, { what: 'not an ONNX model' }));
  });

  it('at a size it does not take is refused before anything is loaded', async () => {
    const teacher = await teacherOf(new Uint8Array(0));
    await expect(
      openTeacher(teacher, { sizePx: 17, batch: 1 }, { device: 'cpu', threads: 1 }),
    ).rejects.toThrow(failing(3, { wanted: 'a multiple of 4 from 8 to 64 px' }));
  });
});

it('a device that this machine lacks is trouble of the environment, not of the manifest', async ({
  skip,
}) => {
  const teacher = await teacherOf(tinyOnnx());
  const opened = openTeacher(teacher, { sizePx: 16, batch: 1 }, { device: 'cuda', threads: 1 });
  const outcome = await opened.then(
    (session) => session.close().then(() => 'opened'),
    (error: unknown) => error,
  );
  if (outcome === 'opened') skip('this machine has CUDA');
  expect(outcome).toEqual(failing(5, { where: '--device cuda', wanted: expect.stringContaining('CUDA 12') }));
});

it('a graph without a batch axis is fed one image of three dimensions', async () => {
  const onnx = encodeOnnx(
    buildOnnx({
      name: 'bare',
      inputs: [{ name: 'x', dtype: 'float32', shape: [16, 16, 3] }],
      outputs: [{ name: 'map', dtype: 'float32', shape: [1, 16, 16, 3] }],
      initializers: [{ name: 'axis', dtype: 'int64', shape: [1], data: BigInt64Array.of(0n) }],
      nodes: [{ op: 'Unsqueeze', inputs: ['x', 'axis'], outputs: ['map'] }],
    }),
  );
  const teacher = await teacherOf(onnx, (m) => ({
    ...m,
    input: { ...m.input, layout: 'NHWC', batch: 'none' },
    summary: null,
    spatial: { tensor: 'map', layout: 'NHWC', stridePx: 1 },
    lossWeights: { summary: 0, spatial: 1 },
  }));
  const session = await openTeacher(teacher, { sizePx: 16, batch: 8 }, { device: 'cpu', threads: 1 });
  const pixels = Float32Array.from({ length: 768 }, (_, i) => i);
  expect(session.batch).toBe(1);
  expect((await session.run(pixels, 1)).spatial).toEqual(pixels);
  await session.close();
});

it('a teacher larger than the memory it may use is refused with both figures, before it is loaded', async () => {
  const onnx = enlarged(tinyOnnx(), 3_000_000);
  const options = { device: 'cpu', threads: 1, memoryLimitBytes: 2_000_000 };
  await expect(openTeacher(await teacherOf(onnx), { sizePx: 16, batch: 1 }, options)).rejects.toThrow(
    failing(5, {
      where: 'tiny',
      wanted: expect.stringContaining('2.000 MB'),
      got: `${(onnx.length / 1e6).toFixed(3)} MB`,
    }),
  );
});

it('rows of any batch, also one that finds its size, have the bits that they have alone', async () => {
  const teacher = await teacherOf(tinyOnnx());
  const options = { device: 'cpu', threads: 1 };
  const [alone, auto] = await Promise.all(
    ([1, 'auto'] as const).map((batch) => openTeacher(teacher, { sizePx: 16, batch }, options)),
  );
  const rows = auto!.batch;
  expect(rows).toBe(8);
  const pixels = Float32Array.from({ length: rows * 768 }, (_, i) => Math.sin(i * i));
  for (let call = 0; call < 8; call++) {
    const all = await auto!.run(pixels, rows);
    for (let row = 0; row < rows; row++) {
      const one = await alone!.run(pixels.subarray(row * 768, (row + 1) * 768), 1);
      expect(all.summary!.slice(row * 8, (row + 1) * 8)).toEqual(one.summary);
    }
  }
  await Promise.all([alone!.close(), auto!.close()]);
});

it('an engine that runs out of memory goes on with half the rows, and every row is as it is alone', async () => {
  // what it sets aside is the 23rd power of the rows: 4 rows would take 2^48 bytes, more than a process can address, 2 take 32 MiB
  const teacher = await teacherOf(tinyOnnx({ hungerPower: 23 }));
  const options = { device: 'cpu', threads: 1 };
  const [alone, hungry] = await Promise.all(
    [1, 4].map((batch) => openTeacher(teacher, { sizePx: 16, batch }, options)),
  );
  const pixels = Float32Array.from({ length: 4 * 768 }, (_, i) => Math.sin(i * i));
  const all = await hungry!.run(pixels, 4);
  expect(all.callRows).toBe(2);
  for (let row = 0; row < 4; row++) {
    const one = await alone!.run(pixels.subarray(row * 768, (row + 1) * 768), 1);
    expect(all.summary!.slice(row * 8, (row + 1) * 8)).toEqual(one.summary);
    expect(all.spatial!.slice(row * 128, (row + 1) * 128)).toEqual(one.spatial);
  }
  await Promise.all([alone!.close(), hungry!.close()]);
});

it('NaN from a model reaches only the row it came from', async () => {
  const session = await open({ nanBelow: 0.5 }, undefined, 3);
  const pixels = new Float32Array(3 * 768).fill(0.9);
  pixels.fill(0.1, 768, 2 * 768);
  const { summary } = await session.run(pixels, 3);
  expect([0, 1, 2].map((row) => summary!.subarray(row * 8, (row + 1) * 8).some(Number.isNaN))).toEqual([
    false,
    true,
    false,
  ]);
  await session.close();
});

it('the identity of a teacher changes with its weights, and names what computes', async () => {
  const [one, two] = await Promise.all([teacherOf(tinyOnnx({ seed: 1 })), teacherOf(tinyOnnx({ seed: 2 }))]);
  const identity = await identifyTeacher(one, 'cpu');
  expect(await identifyTeacher(await teacherOf(tinyOnnx({ seed: 1 })), 'cpu')).toEqual(identity);
  expect((await identifyTeacher(two, 'cpu')).weightsSha256).not.toBe(identity.weightsSha256);
  expect(identity.runtime).toMatchObject({ device: 'cpu', provider: 'cpu', precision: 'f32' });
});

describe('opening a teacher', () => {
  const fixed = encodeOnnx(
    buildOnnx({
      name: 'fixed',
      inputs: [{ name: 'x', dtype: 'float32', shape: [2, 3, 16, 16] }],
      outputs: [{ name: 'map', dtype: 'float32', shape: [2, 8, 4, 4] }],
      initializers: [
        { name: 'kernel', dtype: 'float32', shape: [8, 3, 4, 4], data: new Float32Array(384).fill(0.1) },
      ],
      nodes: [
        {
          op: 'Conv',
          inputs: ['x', 'kernel'],
          outputs: ['map'],
          attributes: { strides: { kind: 'ints', value: [4, 4] } },
        },
      ],
    }),
  );

  it.each([
    { graph: 'of fixed sizes', onnx: fixed, calls: 0 },
    { graph: 'of free sizes', onnx: tinyOnnx(), calls: 1 },
  ])('$graph: calls of the engine for its shapes: $calls', async ({ onnx, calls }) => {
    const { prototype } = ort.InferenceSession as unknown as { readonly prototype: ort.InferenceSession };
    const run = vi.spyOn(prototype, 'run');
    try {
      const session = await openTeacher(
        await teacherOf(onnx),
        { sizePx: 16, batch: 2 },
        { device: 'cpu', threads: 1 },
      );
      expect(run).toHaveBeenCalledTimes(calls);
      expect([session.summary!.shape, session.spatial!.shape]).toEqual([[8], [4, 4, 8]]);
      const { spatial } = await session.run(new Float32Array(2 * session.inputValues).fill(1), 2);
      expect(spatial!.length).toBe(2 * 4 * 4 * 8);
      expect(spatial!.some((value) => value > 0)).toBe(true);
      await session.close();
    } finally {
      run.mockRestore();
    }
  });
});
