// TFJS teachers run by tensorflow.js itself: the code of tfjs-gpu on the backend that every machine has.
import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import { identifyTeacher, openTeacher } from '../../src/teachers/open-teacher.ts';
import { loadTeacher } from '../../src/teachers/registry.ts';
import { failing } from '../support/failing.ts';
import { teacherContract } from '../support/teacher-contract.ts';
import { SIZE_PX, VALUES, openNative } from './native-teacher.ts';

tf.enableProdMode();
teacherContract({ name: 'nanodet, run by tensorflow.js', values: VALUES, open: openNative });

it('a teacher run by tensorflow.js answers as its trace does in onnxruntime, within 1e-5 of the largest value', async () => {
  const native = await openNative(2);
  const compiled = await openTeacher(
    await loadTeacher('nanodet', { baseFolder: '.' }),
    { sizePx: SIZE_PX, batch: 2 },
    { device: 'cpu', threads: 1 },
  );
  const pixels = Float32Array.from({ length: 2 * 3 * SIZE_PX * SIZE_PX }, (_, i) => Math.sin(i * i));
  const [a, b] = [await native.run(pixels, 2), await compiled.run(pixels, 2)];
  expect(native.spatial!.shape).toEqual(compiled.spatial!.shape);
  const largest = b.spatial!.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const worst = a.spatial!.reduce((most, x, i) => Math.max(most, Math.abs(x - b.spatial![i]!)), 0);
  expect(largest).toBeGreaterThan(0);
  expect(worst / largest).toBeLessThan(1e-5);
  await Promise.all([native.close(), compiled.close()]);
});

it('the optional package, where it is not installed, is named with how to install it', async ({ skip }) => {
  const teacher = await loadTeacher('nanodet', { baseFolder: '.' });
  const outcome = await identifyTeacher(teacher, 'tfjs-gpu').catch((error: unknown) => error);
  if (!(outcome instanceof Error)) skip('this machine has @tensorflow/tfjs-node-gpu');
  expect(outcome).toEqual(
    failing(5, {
      where: '--device tfjs-gpu',
      wanted: expect.stringContaining('npm install @tensorflow/tfjs-node-gpu'),
      got: expect.stringContaining('@tensorflow/tfjs-node-gpu'),
    }),
  );
});
