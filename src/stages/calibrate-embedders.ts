/** Teachers and copy detectors as they look at one image: for calibration, whose images are in no cache. */
import { FULL_VIEW } from '../images/view.ts';
import type { StageContext } from '../run/stage.ts';
import { StillhouseError } from '../core/failure.ts';
import { openTeacher } from '../teachers/open-teacher.ts';
import { viewRenderer } from '../teachers/preprocess.ts';
import { loadTeacher } from '../teachers/registry.ts';
import type { Embedder } from './calibrate-scores.ts';

export interface WantedEmbedder {
  readonly name: string;
  readonly sizePx: number;
  readonly copy: boolean;
}

const BATCH = 8;

/** The caller closes it. @throws StillhouseError bad-input for a teacher without a summary. */
export async function openEmbedder(
  { name, sizePx, copy }: WantedEmbedder,
  context: StageContext,
): Promise<Embedder & { close(): Promise<void> }> {
  const teacher = await loadTeacher(name, { baseFolder: context.baseFolder });
  const session = await openTeacher(
    teacher,
    { sizePx, batch: BATCH },
    { device: context.device, threads: 0, memoryLimitBytes: context.memoryLimitBytes },
  );
  if (session.summary === null) {
    await session.close();
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'a teacher without a summary cannot compare images',
      where: name,
      wanted: 'a teacher with a summary tap',
      next: 'name another teacher',
    });
  }
  const renderer = viewRenderer(teacher.manifest, sizePx);
  const dim = session.summary.shape.reduce((product, n) => product * n, 1);
  // one session answers one call at a time
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const next = turn.then(work, work);
    turn = next;
    return next;
  };
  const label = `${teacher.manifest.name}@${sizePx}`;
  return {
    level: copy ? `copy:${label}` : `teacher:${label}`,
    centred: !copy,
    embed: (images) =>
      inTurn(async () => {
        const vectors: Float32Array[] = [];
        for (let first = 0; first < images.length; first += session.batch) {
          const batch = images.slice(first, first + session.batch);
          const pixels = new Float32Array(batch.length * renderer.values);
          batch.forEach((image, i) =>
            renderer.normaliseInto(renderer.render(image, FULL_VIEW), pixels, i * renderer.values),
          );
          const { summary } = await session.run(pixels, batch.length);
          batch.forEach((_, i) => vectors.push(summary!.slice(i * dim, (i + 1) * dim)));
        }
        return vectors;
      }),
    close: () => session.close(),
  };
}
