/** What a student reads: samples, pixels by the targets' own views, and batches under the names its graph wants. */
import { Rng } from '../core/rng.ts';
import type { ImageRow } from '../images/image-row.ts';
import { FULL_VIEW, type ViewFamily, viewsOf } from '../images/view.ts';
import type { Batch } from '../loader/batch.ts';
import { type LoaderDataset, type Sample, pictureDataset } from '../loader/samples.ts';
import type { TrainBatch } from '../student/feeds.ts';
import { type StudentConfig, targetLabel } from '../student/student-config.ts';
import type { OpenDataset } from './dataset-access.ts';

export function samplesOf(rows: readonly ImageRow[], views: ViewFamily, seed: number): Sample[] {
  return rows.flatMap((image) => viewsOf(views, seed, image.id).map((view) => ({ image, view })));
}

/**
 * Whether an image is kept from training, to fit on it what must not be fitted on trained images: a share drawn by hash, so it
 * does not depend on what else is in the dataset.
 */
export function isHeldOut(image: ImageRow, share: number, seed: number): boolean {
  return new Rng(seed, 'held out', image.id).uniform() < share;
}

export function fullViewSamples(rows: readonly ImageRow[]): Sample[] {
  return rows.map((image) => ({ image, view: FULL_VIEW }));
}

/** Samples of a dataset as a loader wants them. */
export function loaderDataset({ from, places }: OpenDataset, samples: readonly Sample[]): LoaderDataset {
  return pictureDataset({ name: from, samples, places });
}

/**
 * A loader's batches as the student's graph names them. Copied: the loader's buffers are shared memory, which onnxruntime does not
 * take.
 */
export async function* trainBatches(
  config: StudentConfig,
  batches: AsyncIterable<Batch<string, 'f32', 'f32'>>,
): AsyncGenerator<TrainBatch> {
  for await (const { pixels, teachers } of batches) {
    const targets: Record<string, Float32Array> = {};
    const masks: Record<string, Uint8Array> = {};
    for (const target of config.targets) {
      const label = targetLabel(target);
      const { mask, summary, spatial } = teachers[label]!;
      masks[label] = mask;
      if (summary) targets[`${label}.summary`] = summary.data.slice();
      if (spatial) targets[`${label}.spatial`] = spatial.data.slice();
    }
    yield { pixels: pixels.data.slice(), targets, masks };
  }
}
