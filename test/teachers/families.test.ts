import { beforeAll, describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/digest.ts';
import type { RgbImage } from '../../src/images/rgb-image.ts';
import { FULL_VIEW } from '../../src/images/view.ts';
import { viewRenderer } from '../../src/teachers/preprocess.ts';
import { loadTeacher } from '../../src/teachers/registry.ts';
import {
  IMAGES,
  LOOK_ALIKES,
  featuresOf,
  goldenBytes,
  goldenImage,
  goldens,
  largestDifference,
  teacherOf,
} from './look-alikes.ts';

/** float32 rounds once here, and after each step of (byte * scale - mean) / std in the processors. */
const PIXEL_TOLERANCE = 1e-6;
const FEATURE_TOLERANCE = 1e-3;

const images = new Map<string, RgbImage>();
beforeAll(async () => {
  for (const name of IMAGES) images.set(name, await goldenImage(name));
});

function bytesOf({ widthPx, heightPx, data }: RgbImage): object {
  return { widthPx, heightPx, sha256: sha256(data) };
}

describe.each(LOOK_ALIKES)('the look-alike of $family, by the manifest of $manifest', (one) => {
  it.each(one.sizesPx)('is fed the bytes that its processor makes on Pillow, at %i px', (sizePx) => {
    const wanted = goldenBytes()[`${one.family}@${sizePx}`]!;
    const renderer = viewRenderer(teacherOf(one).manifest, sizePx);
    const got = IMAGES.map((name) => [name, bytesOf(renderer.render(images.get(name)!, FULL_VIEW))]);
    expect(Object.fromEntries(got)).toEqual(wanted);
  });

  const pixels = [...goldens(one)].filter(([name]) => name.startsWith('pixels.'));
  it.each(pixels)('is fed its processor’s %s within 1e-6, padding included', (name, { shape, values }) => {
    const sizePx = shape[3]!;
    const renderer = viewRenderer(teacherOf(one).manifest, sizePx);
    const got = new Float32Array(values.length);
    for (const [i, image] of IMAGES.slice(0, shape[0]).entries())
      renderer.normaliseInto(renderer.render(images.get(image)!, FULL_VIEW), got, i * renderer.values);
    expect(largestDifference(got, values), name).toBeLessThan(PIXEL_TOLERANCE);
  });

  it.each(one.sizesPx)('answers as the PyTorch model does, within 1e-3, at %i px', async (sizePx) => {
    const teacher = teacherOf(one);
    const got = await featuresOf(teacher, sizePx);
    const [summary, spatial] = (['summary', 'spatial'] as const).map((kind) =>
      goldens(one).get(`${kind}.${sizePx}`),
    );
    const side = one.gridOf(sizePx);
    expect(spatial!.shape).toEqual([IMAGES.length, side, side, teacher.manifest.spatial!.channels]);
    expect(got.session.spatial!.shape).toEqual(spatial!.shape.slice(1));
    expect(largestDifference(got.spatial!, spatial!.values)).toBeLessThan(FEATURE_TOLERANCE);
    expect(got.summary === null).toBe(summary === undefined);
    if (summary !== undefined)
      expect(largestDifference(got.summary!, summary.values)).toBeLessThan(FEATURE_TOLERANCE);
    // the tolerance means something: images differ by far more
    for (const golden of [summary, spatial]) {
      if (golden === undefined) continue;
      const row = golden.values.length / IMAGES.length;
      const [first, second] = [golden.values.slice(0, row), golden.values.slice(row, 2 * row)];
      expect(largestDifference(first, second)).toBeGreaterThan(300 * FEATURE_TOLERANCE);
    }
  });
});

// the shipped manifests as they are, at the sizes of their checkpoints
describe.each([
  ['dinov2@224', 'dinov2-base'],
  ['dinov2@518', 'dinov2-with-registers-large'],
  ['clip@336', 'openai-clip-vit-large-patch14-336'],
  ['siglip@384', 'siglip2-so400m-patch14-384'],
  ['sam@1024', 'sam-vit-huge'],
  ['sam@1024', 'mobile-sam'],
])('%s', (key, manifest) => {
  it(`is rendered by ${manifest} to the bytes of the reference processor`, async () => {
    const teacher = await loadTeacher(manifest, { baseFolder: '.' });
    const renderer = viewRenderer(teacher.manifest, Number(key.split('@')[1]));
    const got = IMAGES.map((name) => [name, bytesOf(renderer.render(images.get(name)!, FULL_VIEW))]);
    expect(Object.fromEntries(got)).toEqual(goldenBytes()[key]);
  });
});
