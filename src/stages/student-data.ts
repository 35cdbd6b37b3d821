/** What a student reads: samples, pixels by the targets' own views, and batches under the names its graph wants. */
import { Rng } from '../core/rng.ts';
import type { ImageRow } from '../images/image-row.ts';
import { renderView } from '../images/render-view.ts';
import type { RgbImage } from '../images/rgb-image.ts';
import { FULL_VIEW, type ViewFamily, viewsOf } from '../images/view.ts';
import type { Batch, Sample } from '../loader/batches.ts';
import { type PreparedPixels, samplePixels } from '../loader/sample-pixels.ts';
import type { TrainBatch } from '../student/feeds.ts';
import { type StudentConfig, targetLabel } from '../student/student-config.ts';

/** Rendered student pixels kept in memory: 512 MiB is 43,000 views of 64 px. */
const PIXEL_MEMORY_BYTES = 512 * 2 ** 20;

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

export function studentPixels(sidePx: number, decode: (row: ImageRow) => Promise<RgbImage>): PreparedPixels {
  return samplePixels({
    sidePx,
    decode,
    render: (image, view, side) =>
      Promise.resolve(renderView(image, view, { heightPx: side, widthPx: side })),
    memoryBytes: PIXEL_MEMORY_BYTES,
  });
}

/** A loader's batches as the student's graph names them; a teacher's mask is 1 where all of its targets are usable. */
export async function* trainBatches(
  config: StudentConfig,
  batches: AsyncIterable<Batch>,
): AsyncGenerator<TrainBatch> {
  for await (const { pixels, targets, masks } of batches) {
    const perTarget: Record<string, Float32Array> = {};
    for (const target of config.targets) {
      const label = targetLabel(target);
      const both = [masks[`${label}.summary`], masks[`${label}.spatial`]].filter(
        (mask) => mask !== undefined,
      );
      perTarget[label] = Float32Array.from(both[0] ?? [], (_, i) =>
        both.every((mask) => mask[i] === 1) ? 1 : 0,
      );
    }
    yield { pixels, targets, masks: perTarget };
  }
}
