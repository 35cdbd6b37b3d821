// What exports of one family differ in: precision, where the weights lie, which sizes the graph takes, what it names.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FULL_VIEW } from '../../src/images/view.ts';
import { graphInputOf } from '../../src/teachers/graph-input.ts';
import { modelWithTaps, readOnnxFile } from '../../src/teachers/onnx-file.ts';
import { identifyTeacher, openTeacher } from '../../src/teachers/open-teacher.ts';
import { viewRenderer } from '../../src/teachers/preprocess.ts';
import { AttributeType, chainModel, encode } from '../format/onnx-parts.ts';
import { failing } from '../support/failing.ts';
import { tempFolder } from '../support/temp-folder.ts';
import {
  IMAGES,
  type ManifestChanges,
  featuresOf,
  goldenImage,
  goldens,
  largestDifference,
  lookAlike,
  teacherOf,
} from './look-alikes.ts';

const CPU = { device: 'cpu', threads: 1 } as const;

const open = (family: string, sizePx: number, changes: ManifestChanges = {}) =>
  openTeacher(teacherOf(lookAlike(family), changes), { sizePx, batch: 2 }, CPU);

const precisionOf = async (family: string, file: string): Promise<string> =>
  (await identifyTeacher(teacherOf(lookAlike(family), { file }), 'cpu')).runtime.precision;

describe('weights of half precision', () => {
  // features reach 4, and halves have 11 bits; measured: 0.010 and 0.011
  it.each([
    { family: 'dinov2', sizePx: 56, ports: 'behind ports of float32' },
    { family: 'siglip', sizePx: 48, ports: 'and ports of it' },
  ])('$ports answer within 0.02 of PyTorch in float32', async ({ family, sizePx }) => {
    const one = lookAlike(family);
    const got = await featuresOf(teacherOf(one, { file: 'model_fp16.onnx' }), sizePx);
    for (const kind of ['summary', 'spatial'] as const) {
      const difference = largestDifference(got[kind]!, goldens(one).get(`${kind}.${sizePx}`)!.values);
      expect(difference, kind).toBeLessThan(0.02);
      expect(difference, 'halves were used at all').toBeGreaterThan(0);
    }
    expect(await precisionOf(family, 'model_fp16.onnx')).toBe('f16');
  });
});

describe('weights of 8 bits, quantised as they run', () => {
  const int8 = teacherOf(lookAlike('dinov2'), { file: 'model_int8.onnx' });

  // measured: 0.15 and 0.020
  it('answer within 0.2 of PyTorch in float32, and 0.03 on the mean', async () => {
    const got = await featuresOf(int8, 56);
    const wanted = goldens(lookAlike('dinov2')).get('spatial.56')!.values;
    expect(largestDifference(got.spatial!, wanted)).toBeLessThan(0.2);
    const mean =
      wanted.reduce((sum, value, i) => sum + Math.abs(value - got.spatial![i]!), 0) / wanted.length;
    expect(mean).toBeLessThan(0.03);
    expect(await precisionOf('dinov2', 'model_int8.onnx')).toBe('int8');
  });

  it('answer for an image alone: the range of a batch would enter each row of it', async () => {
    const together = await featuresOf(int8, 28, 4);
    const alone = await featuresOf(int8, 28, 1);
    expect(together.session.batch).toBe(1);
    expect(largestDifference(together.spatial!, alone.spatial!)).toBe(0);
  });

  it('are known also where they are quantised inside a function that a subgraph calls', async () => {
    const path = join(await tempFolder(), 'model.onnx');
    const model = chainModel();
    const call = { name: 'branch', node: [{ opType: 'Quantised' }], output: [] };
    model.graph.node!.push({
      opType: 'If',
      input: ['w'],
      output: ['q'],
      attribute: [{ name: 'then_branch', type: AttributeType.GRAPH, g: call }],
    });
    model.functions = [
      { name: 'Quantised', node: [{ opType: 'Inner' }] },
      { name: 'Inner', node: [{ opType: 'DynamicQuantizeLinear' }, { opType: 'Quantised' }] },
    ];
    await writeFile(path, encode(model));
    const opsFor = (tap: string) => modelWithTaps(readOnnxFile(path, 'chain'), [tap], 'chain').ops;
    expect(opsFor('q')).toContain('DynamicQuantizeLinear');
    expect(opsFor('z')).not.toContain('DynamicQuantizeLinear');
  });

  it('are refused in an export whose batch is fixed and larger', () => {
    const { manifest } = int8;
    const ops = new Set(['MatMulInteger', 'DynamicQuantizeLinear']);
    const input = (batch: number) => ({ name: 'pixel_values', dtype: 'float32', shape: [batch, 3, 56, 56] });
    expect(graphInputOf(manifest, { inputs: [input(1)], ops }, 56).fixedBatch).toBe(1);
    expect(() => graphInputOf(manifest, { inputs: [input(4)], ops }, 56)).toThrow(
      failing(3, { wanted: 'one image per call, since DynamicQuantizeLinear mixes those of a batch' }),
    );
    expect(graphInputOf(manifest, { inputs: [input(4)], ops: new Set(['Conv']) }, 56).fixedBatch).toBe(4);
  });
});

describe('weights in a file of their own', () => {
  const changes = { file: 'external/model.onnx' };

  it('give the very bits that weights inside the model give, whole or cut to an inner tap', async () => {
    const one = lookAlike('dinov2');
    const inner = {
      'spatial.tensor': '/encoder/layer.0/Add_1_output_0',
      'summary.tensor': '/encoder/layer.0/Add_1_output_0',
    };
    for (const numbers of [{}, inner]) {
      const inside = await featuresOf(teacherOf(one, { numbers }), 28);
      const beside = await featuresOf(teacherOf(one, { ...changes, numbers }), 28);
      expect(beside.summary).toEqual(inside.summary);
      expect(beside.spatial).toEqual(inside.spatial);
    }
  });

  it('are part of what identifies the teacher', async () => {
    const inside = await identifyTeacher(teacherOf(lookAlike('dinov2')), 'cpu');
    const beside = await identifyTeacher(teacherOf(lookAlike('dinov2'), changes), 'cpu');
    expect(beside.weightsSha256).not.toBe(inside.weightsSha256);
    expect(beside.runtime).toEqual(inside.runtime);
  });
});

describe('an export of one size', () => {
  it.each([
    ['siglip', '48 x 48 px, the only size of this graph: pixel_values float32 [batch_size,3,48,48]'],
    ['sam', '64 x 64 px, the only size of this graph: pixel_values float32 [batch_size,3,64,64]'],
  ])('refuses another one that the manifest allows, naming its own: %s', async (family, wanted) => {
    const opened = open(family, 32, { numbers: { 'input.sizesPx': [32, 48, 64] } });
    await expect(opened).rejects.toThrow(failing(3, { got: '32 px', wanted }));
  });

  it('is refused before its file is read when the manifest has the sizes', async () => {
    await expect(open('clip', 28)).rejects.toThrow(failing(3, { wanted: '56 px', got: '28 px' }));
  });

  it('whose input is free in name only is refused too, naming the sizes of the manifest', async () => {
    const opened = open('clip', 28, { numbers: { 'input.sizesPx': [28, 56] } });
    await expect(opened).rejects.toThrow(
      failing(3, {
        what: 'a teacher does not fit its manifest',
        where: 'openai-clip-vit-large-patch14-336 at 28 px',
        wanted: 'a graph that takes float32 [2,3,28,28]',
      }),
    );
  });
});

describe('an inner activation by name', () => {
  it('is what the model computes there, and the layers behind it are not run', async () => {
    const one = lookAlike('clip');
    // CLIP's own spatial tap is an inner one; here the block before it as well
    const before = await featuresOf(
      teacherOf(one, { numbers: { 'spatial.tensor': '/vision_model/encoder/layers.0/Add_1_output_0' } }),
      56,
    );
    const after = await featuresOf(teacherOf(one), 56);
    expect(before.session.spatial!.shape).toEqual(after.session.spatial!.shape);
    expect(largestDifference(before.spatial!, after.spatial!)).toBeGreaterThan(0.1);
    expect(before.summary).toEqual(after.summary);
  });

  it('of SAM before its neck is the map that RADIO distils, channels last as the blocks have it', async () => {
    const one = lookAlike('sam');
    const numbers = {
      'spatial.tensor': '/vision_encoder/layers.1/Add_1_output_0',
      'spatial.layout': 'NHWC',
      'spatial.channels': 16,
    };
    const got = await featuresOf(teacherOf(one, { numbers }), 64);
    const wanted = goldens(one).get('blocks.64')!;
    expect(got.session.spatial!.shape).toEqual(wanted.shape.slice(1));
    expect(largestDifference(got.spatial!, wanted.values)).toBeLessThan(1e-3);
  });

  it('of another name is refused with the nearest ones, and with the outputs that the export has', async () => {
    const tensor = '/vision_model/encoder/layers.1/Add_2_output_0';
    await expect(open('clip', 56, { numbers: { 'spatial.tensor': tensor } })).rejects.toThrow(
      failing(3, {
        what: `the model has no tensor named ${tensor}`,
        got: expect.stringMatching(
          /nearest: \/vision_model\/encoder\/layers\.1\/Add_1_output_0,.*outputs: image_embeds/,
        ),
      }),
    );
  });
});

describe('prefix tokens', () => {
  it('that are registers reach no map: the map of a model with them starts at the first patch', async () => {
    const one = lookAlike('dinov2-with-registers');
    const right = await featuresOf(teacherOf(one), 56);
    expect(right.session.spatial!.shape).toEqual([4, 4, 16]);
    // CLS, four registers and the first eleven patches would make a square as well
    const opened = open('dinov2-with-registers', 56, { numbers: { 'spatial.prefixTokens': 1 } });
    await expect(opened).rejects.toThrow(
      failing(3, {
        wanted: 'a square number of tokens after 1 prefix tokens',
        got: 'float32 [2,21,16]',
        next: 'correct prefixTokens in the teacher manifest: 5 would leave 4 x 4 tokens',
      }),
    );
  });

  it('that happen to leave a square are caught by the grid', async () => {
    // 1 + 4 + 2 x 2 tokens: without dropping any there are 3 x 3
    const opened = open('dinov2-with-registers', 28, { numbers: { 'spatial.prefixTokens': 0 } });
    await expect(opened).rejects.toThrow(failing(3, { wanted: '2 x 2 cells of 14 px', got: '3 x 3' }));
  });
});

describe('a patch that does not divide the input', () => {
  it('leaves the last pixels out, and the grid is that of whole patches', async () => {
    const one = lookAlike('siglip');
    const renderer = viewRenderer(teacherOf(one).manifest, 48);
    const session = await open('siglip', 48);
    const pixels = new Float32Array(2 * renderer.values);
    const rendered = renderer.render(await goldenImage(IMAGES[0]), FULL_VIEW);
    renderer.normaliseInto(rendered, pixels, 0);
    renderer.normaliseInto(rendered, pixels, renderer.values);
    // the second image differs from pixel 42 = 3 * 14 on alone
    for (let channel = 0; channel < 3; channel++)
      for (let y = 0; y < 48; y++)
        for (let x = 0; x < 48; x++)
          if (x >= 42 || y >= 42) pixels[renderer.values + (channel * 48 + y) * 48 + x] = 9;
    const { spatial } = await session.run(pixels, 2);
    await session.close();
    const half = spatial!.length / 2;
    expect(session.spatial!.shape).toEqual([3, 3, 16]);
    expect(spatial!.slice(half)).toEqual(spatial!.slice(0, half));
  });
});
