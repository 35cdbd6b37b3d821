/** nanodet run by tensorflow.js itself, on its plain JavaScript backend. */
import { BatchTuner } from '../../src/teachers/batch-tuner.ts';
import { openBatchedSession } from '../../src/teachers/batched-session.ts';
import { tapsOf } from '../../src/teachers/open-teacher.ts';
import { loadTeacher } from '../../src/teachers/registry.ts';
import { openTfjsNetwork } from '../../src/teachers/tfjs-network.ts';
import type { TeacherSession } from '../../src/teachers/teacher.ts';
import { locateWeights } from '../../src/teachers/weights.ts';

export const SIZE_PX = 32;
export const VALUES = 3 * SIZE_PX * SIZE_PX;

export async function openNative(batch: number): Promise<TeacherSession> {
  const teacher = await loadTeacher('nanodet', { baseFolder: '.' });
  const [weights] = await locateWeights(teacher);
  return openBatchedSession({
    where: 'nanodet at 32 px',
    sizePx: SIZE_PX,
    inputValues: VALUES,
    batch,
    tuner: new BatchTuner({ first: batch, most: batch, memoryLimitBytes: Infinity }),
    open: (rows) =>
      openTfjsNetwork(
        {
          modelPath: weights!.path,
          backend: 'cpu',
          teacher: 'nanodet',
          inputName: teacher.manifest.input.name,
          imageShape: [3, SIZE_PX, SIZE_PX],
          batchAxis: true,
          sizePx: SIZE_PX,
          taps: tapsOf(teacher),
        },
        rows,
      ),
    proven: false,
    clock: { elapsedMs: () => 0, nowIso: () => '' },
    residentBytes: () => 0,
    stopped: () => false,
  });
}
