// What a TFJS teacher does when tensorflow.js fails or answers otherwise: every answer here is made up, nothing is computed.
import * as tf from '@tensorflow/tfjs';
import { afterEach, expect, it, vi } from 'vitest';
import type { TeacherSession } from '../../src/teachers/teacher.ts';
import { failing } from '../support/failing.ts';
import { VALUES, openNative } from './native-teacher.ts';

tf.enableProdMode();
afterEach(() => void vi.restoreAllMocks());

/** A session over a model that answers with zeros of the given shape, or throws. @returns the rows of every call too */
async function opened(
  batch: number,
  shapeFor: (rows: number) => [number, number, number, number],
): Promise<{ readonly session: TeacherSession; readonly calls: readonly number[] }> {
  const calls: number[] = [];
  vi.spyOn(tf.GraphModel.prototype, 'execute').mockImplementation((inputs) => {
    const [rows] = Object.values(inputs as tf.NamedTensorMap)[0]!.shape;
    calls.push(rows);
    return [tf.zeros(shapeFor(rows))];
  });
  return { session: await openNative(batch), calls };
}

it('a backend that runs out of memory is asked again with half the rows, when it opens and when it runs', async () => {
  let roomFor = 4;
  const { session, calls } = await opened(8, (rows) => {
    if (rows > roomFor) throw new Error(`OOM when allocating tensor with shape[${rows},128,4,4]`);
    return [rows, 128, 4, 4];
  });
  expect(calls).toEqual([8, 4]);
  roomFor = 2;
  const { callRows, spatial } = await session.run(new Float32Array(8 * VALUES), 8);
  expect([callRows, spatial!.length]).toEqual([2, 8 * 4 * 4 * 128]);
  // the call that failed, the one that tells the shapes anew, and those with the rows
  expect(calls.slice(2)).toEqual([4, 2, 2, 2, 2, 2]);
  await session.close();
});

it('a backend that fails for another reason is not asked again', async () => {
  await expect(
    opened(8, () => {
      throw new Error('Error in add: shapes do not broadcast');
    }),
  ).rejects.toThrow(failing(3, { got: expect.stringContaining('do not broadcast') }));
});

it('a model whose answer has other rows, or another shape than at first, is refused rather than read as zeros', async () => {
  await expect(opened(2, () => [1, 128, 4, 4])).rejects.toThrow(
    failing(3, {
      where: 'nanodet at 32 px',
      wanted: expect.stringMatching(/^tensor .* with 2 rows, one per image$/),
      got: 'float32 [1,128,4,4]',
    }),
  );
  let shape: [number, number, number, number] = [2, 128, 4, 4];
  const { session } = await opened(2, () => shape);
  for (const [other, got] of [
    [[2, 128, 2, 2], '[2,128,2,2]'],
    [[3, 128, 4, 4], 'float32 [3,128,4,4]'],
  ] as const) {
    shape = [...other];
    await expect(session.run(new Float32Array(2 * VALUES), 2)).rejects.toThrow(failing(3, { got }));
  }
  await session.close();
});
