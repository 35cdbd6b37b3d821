/** Entry of a loader's worker thread: reads rows, renders pixels. */
import { workerData } from 'node:worker_threads';
import { serveThread } from '../core/threads/serve-thread.ts';
import { openJobWork } from './job-work.ts';
import type { JobProtocol, JobSetup } from './job-protocol.ts';

// not awaited: the thread answers from its first moment on, and a failure to open is the answer to its calls
const work = openJobWork(workerData as JobSetup);
work.catch(() => undefined);

serveThread<JobProtocol>({
  rows: async (job) => ({ result: await (await work).rows(job) }),
  pixels: async (job) => ({ result: await (await work).pixels(job) }),
});
