/** Entry of a decode thread: reads, checks and decodes an image, renders its views. One job at a time. */
import { workerData } from 'node:worker_threads';
import { serveThread } from '../core/threads/serve-thread.ts';
import { loadImage } from '../images/read-image.ts';
import { type RenderProtocol, type RendererSpec, renderTargets, rendererOf } from './render-pool.ts';

const renderers = (workerData as readonly RendererSpec[]).map(rendererOf);
const scratch: Uint8Array[] = [];
let last: Promise<unknown> = Promise.resolve();

serveThread<RenderProtocol>({
  render: ({ image, places, targets }) => {
    const job = last.then(async () => {
      const started = performance.now();
      const pixels = await loadImage(image, places);
      renderTargets(pixels, targets, { renderers, scratch });
      return { result: performance.now() - started };
    });
    last = job.catch(() => undefined);
    return job;
  },
});
