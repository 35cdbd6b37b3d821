/**
 * Rendering pictures straight into a batch's buffer: the work that is sent to a worker thread, and its execution. An image is decoded
 * once for all views that a job wants of it; rendered views are kept as bytes in shared memory, so a later epoch only spreads
 * them into the batch.
 */
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { type Places } from '../images/locate.ts';
import { type ImageRef, loadImage } from '../images/read-image.ts';
import { renderView } from '../images/render-view.ts';
import { type TensorWriter, tensorWriter } from '../images/to-planar.ts';
import type { View } from '../images/view.ts';
import type { PixelSize, PixelTransform, PixelsAs } from './pixel-options.ts';

export interface WantedView {
  readonly view: View;
  readonly key: string;
  /** Byte of the batch where it goes; -1: it is only kept. */
  readonly writeAt: number;
  readonly slot: number;
  /** Byte of the kept views where it lies or goes; -1: not kept. */
  readonly keepAt: number;
  /** It lies there already. */
  readonly isKept: boolean;
  /** For the transform. */
  readonly seed: number;
}

/** A view that was read from the cache into the batch's buffer, and goes through the transform to its place. */
export interface StagedView {
  readonly key: string;
  readonly seed: number;
  /** Byte of the buffer where its [3, H, W] bytes lie. */
  readonly from: number;
  readonly writeAt: number;
}

export interface WantedPicture {
  readonly image: ImageRef;
  /** Index of the dataset: says where the image lies. */
  readonly dataset: number;
  readonly views: readonly WantedView[];
}

export interface PixelJob extends PixelSize {
  readonly buffer: SharedArrayBuffer;
  /** Kept views of all batches. */
  readonly kept: SharedArrayBuffer | null;
  readonly epoch: number;
  readonly pictures: readonly WantedPicture[];
  readonly staged: readonly StagedView[];
}

export interface PixelResult {
  /** Index within the job and failure of each picture that cannot be shown; nothing of it was written or kept. */
  readonly bad: readonly (readonly [picture: number, failure: StillhouseError['failure']])[];
  readonly decodes: number;
}

/** What a thread is told before any job. Plain data. */
export interface PixelSetup {
  /** By dataset. */
  readonly places: readonly (Places | null)[];
  readonly as: PixelsAs;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  readonly transform: string | null;
}

export class PixelRenderer {
  readonly #setup: PixelSetup;
  /** Of the size of the last job: a batch has one size, and sizes seldom change. */
  #writer: { readonly size: PixelSize; readonly write: TensorWriter } | null = null;
  #transform: Promise<PixelTransform> | null = null;

  constructor(setup: PixelSetup) {
    this.#setup = setup;
  }

  /** Rejects only with a defect, or what a transform throws. */
  async run(job: PixelJob): Promise<PixelResult> {
    const bad: [number, StillhouseError['failure']][] = [];
    let decodes = 0;
    for (const [i, picture] of job.pictures.entries()) {
      try {
        if (await this.#show(job, picture)) decodes += 1;
      } catch (error) {
        if (!(error instanceof StillhouseError)) throw error;
        bad.push([i, error.failure]);
      }
    }
    for (const staged of job.staged) await this.#showStaged(job, staged);
    return { bad, decodes };
  }

  async #showStaged(job: PixelJob, { key, seed, from, writeAt }: StagedView): Promise<void> {
    const area = job.heightPx * job.widthPx;
    const planes = new Uint8Array(job.buffer, from, 3 * area);
    const pixels = new Uint8Array(3 * area);
    for (let channel = 0; channel < 3; channel++)
      for (let i = 0, to = channel; i < area; i++, to += 3) pixels[to] = planes[channel * area + i]!;
    await this.#transformed(job, pixels, { key, seed });
    this.#write(job, pixels, writeAt);
  }

  async #transformed(
    { heightPx, widthPx, epoch }: PixelJob,
    pixels: Uint8Array,
    { key, seed }: { readonly key: string; readonly seed: number },
  ): Promise<void> {
    const transform = await this.#transformOf();
    await transform(pixels, { heightPx, widthPx, key, epoch, seed });
  }

  /** Whether the image was decoded for it. */
  async #show(job: PixelJob, { image, dataset, views }: WantedPicture): Promise<boolean> {
    const { heightPx, widthPx } = job;
    const bytes = heightPx * widthPx * 3;
    const isNew = views.some(({ isKept }) => !isKept);
    const decoded = isNew ? await loadImage(image, this.#placesOf(dataset)) : null;
    for (const wanted of views) {
      const kept =
        job.kept === null || wanted.keepAt < 0 ? null : new Uint8Array(job.kept, wanted.keepAt, bytes);
      let pixels = wanted.isKept ? kept! : renderView(decoded!, wanted.view, { heightPx, widthPx });
      if (kept !== null && !wanted.isKept) kept.set(pixels);
      if (wanted.writeAt < 0) continue;
      if (this.#setup.transform !== null) {
        // what is kept stays as it was rendered
        if (wanted.isKept) pixels = pixels.slice();
        await this.#transformed(job, pixels, wanted);
      }
      this.#write(job, pixels, wanted.writeAt);
    }
    return isNew;
  }

  #write({ buffer, heightPx, widthPx }: PixelJob, pixels: Uint8Array, at: number): void {
    const area = heightPx * widthPx;
    if (this.#setup.as === 'f32') {
      if (this.#writer?.size.heightPx !== heightPx || this.#writer.size.widthPx !== widthPx) {
        const { mean, std } = this.#setup;
        const form = { layout: 'NCHW', colour: 'RGB', scale: 1 / 255, pad: [0, 0, 0] } as const;
        this.#writer = {
          size: { heightPx, widthPx },
          write: tensorWriter({ ...form, heightPx, widthPx, mean, std }),
        };
      }
      this.#writer.write({ heightPx, widthPx, data: pixels }, new Float32Array(buffer, at, 3 * area), 0);
      return;
    }
    const out = new Uint8Array(buffer, at, 3 * area);
    for (let channel = 0; channel < 3; channel++)
      for (let i = 0, from = channel; i < area; i++, from += 3) out[channel * area + i] = pixels[from]!;
  }

  #placesOf(dataset: number): Places {
    const places = this.#setup.places[dataset];
    if (!places) throw new Error(`internal: dataset ${dataset} has no pictures`);
    return places;
  }

  #transformOf(): Promise<PixelTransform> {
    return (this.#transform ??= importTransform(this.#setup.transform!));
  }
}

/** @throws StillhouseError usage when the module is not there, or exports no function `transform`. */
export async function importTransform(url: string): Promise<PixelTransform> {
  let module: { transform?: unknown };
  try {
    module = (await import(url)) as { transform?: unknown };
  } catch (error) {
    if (systemCodeOf(error) !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw noTransform(url, 'no such module', error);
  }
  if (typeof module.transform !== 'function') throw noTransform(url, typeof module.transform);
  return module.transform as PixelTransform;
}

function noTransform(url: string, got: string, cause?: unknown): StillhouseError {
  return new StillhouseError(
    {
      kind: 'usage',
      what: 'the module of the pixel transform cannot be used',
      where: url,
      wanted: 'a module that exports a function `transform`',
      got,
      next: 'name it by its URL: `new URL("./transform.js", import.meta.url).href`',
    },
    cause,
  );
}
