/**
 * Decodes images and renders their views for several teachers: one decode feeds every view at every size, and each view goes as
 * floats straight into its place in a batch, which is shared memory. In worker threads, or in the caller's own.
 */
import pLimit from 'p-limit';
import { compiledEntry } from '../core/threads/compiled-entry.ts';
import { Thread } from '../core/threads/thread.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { Places } from '../images/locate.ts';
import type { ImageRef } from '../images/read-image.ts';
import type { RgbImage } from '../images/rgb-image.ts';
import type { View } from '../images/view.ts';
import { type RenderedInput, type ViewRenderer, tileRenderer, viewRenderer } from './preprocess.ts';

/** One view of a job, and where its values go. */
export interface RenderTarget {
  /** Index of the renderer. */
  readonly renderer: number;
  readonly view: View;
  /** float32 values of a batch; this view's are the `values` of its renderer from `offset` on. */
  readonly batch: SharedArrayBuffer;
  /** In values, not bytes. */
  readonly offset: number;
}

export interface RenderJob {
  readonly image: ImageRow;
  readonly targets: readonly RenderTarget[];
}

export interface RenderPool {
  /** Jobs in work at the same time; more wait. */
  readonly threads: number;
  /**
   * Decodes the image once and fills every target.
   * @returns milliseconds that a thread worked on it
   * @throws StillhouseError bad-input when the file is gone or no longer has the bytes that its id names
   */
  render(job: RenderJob): Promise<number>;
  /** Ends the threads; jobs in work reject. */
  close(): Promise<void>;
}

/** A renderer as plain data: what a thread needs to make its own. */
export interface RendererSpec {
  readonly manifest: RenderedInput;
  readonly sizePx: number;
  /** It renders tiles of a mosaic, which may be smaller than any input of the teacher. */
  readonly isTile: boolean;
}

export function rendererOf({ manifest, sizePx, isTile }: RendererSpec): ViewRenderer {
  return isTile ? tileRenderer(manifest, sizePx) : viewRenderer(manifest, sizePx);
}

/** Fills the targets of one decoded image. `scratch` holds the bytes of a view meanwhile, one buffer per renderer. */
export function renderTargets(
  pixels: RgbImage,
  targets: readonly RenderTarget[],
  { renderers, scratch }: { readonly renderers: readonly ViewRenderer[]; readonly scratch: Uint8Array[] },
): void {
  for (const { renderer: index, view, batch, offset } of targets) {
    const renderer = renderers[index]!;
    scratch[index] ??= new Uint8Array(renderer.maxBytes);
    const rendered = renderer.render(pixels, view, scratch[index]);
    renderer.normaliseInto(rendered, new Float32Array(batch), offset);
  }
}

export interface InlineRenderOptions {
  readonly renderers: readonly ViewRenderer[];
  readonly decode: (image: ImageRow) => Promise<RgbImage>;
  /** Images decoded at once. */
  readonly threads: number;
}

/** Works in the caller's thread: for tests, and for programs that run from source. */
export function inlineRenderPool({ renderers, decode, threads }: InlineRenderOptions): RenderPool {
  const scratch: Uint8Array[] = [];
  const limit = pLimit(threads);
  return {
    threads,
    render: ({ image, targets }) =>
      limit(async () => {
        const started = performance.now();
        renderTargets(await decode(image), targets, { renderers, scratch });
        return performance.now() - started;
      }),
    close: () => Promise.resolve(),
  };
}

/** What a render thread answers. */
export interface RenderProtocol {
  readonly render: {
    readonly arg: {
      readonly image: ImageRef;
      readonly places: Places;
      readonly targets: readonly RenderTarget[];
    };
    /** Milliseconds. */
    readonly result: number;
  };
}

export interface ThreadRenderOptions {
  readonly renderers: readonly RendererSpec[];
  readonly placesOf: (image: ImageRow) => Places;
  readonly threads: number;
}

/** Works in `threads` threads of its own. A job goes to the thread with the fewest. */
export function threadRenderPool({ renderers, placesOf, threads }: ThreadRenderOptions): RenderPool {
  const pool = Array.from({ length: threads }, (_, i) => ({
    thread: new Thread<RenderProtocol>({
      entry: compiledEntry('./render-thread.ts', import.meta.url),
      name: `decode thread ${i + 1}`,
      data: renderers,
    }),
    jobs: 0,
  }));
  return {
    threads,
    render: async ({ image, targets }) => {
      const worker = pool.reduce((least, one) => (one.jobs < least.jobs ? one : least));
      worker.jobs += 1;
      try {
        return await worker.thread.call('render', {
          image: { id: image.id, uri: image.uri },
          places: placesOf(image),
          targets,
        });
      } finally {
        worker.jobs -= 1;
      }
    },
    close: async () => {
      await Promise.all(pool.map(({ thread }) => thread.close()));
    },
  };
}
