/** Entry of a loader's worker thread: executes row jobs. */
import { workerData } from 'node:worker_threads';
import { serveThread } from '../core/threads/serve-thread.ts';
import { type JobProtocol, type SpaceCoding, openRowReader } from './jobs.ts';

const reader = openRowReader(workerData as readonly SpaceCoding[]);

serveThread<JobProtocol>({ rows: (job) => Promise.resolve({ result: reader.run(job) }) });
