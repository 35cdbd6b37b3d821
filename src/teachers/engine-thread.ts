/** Entry of an engine thread: opens teachers on one device and answers for them, one call after the other. */
import { workerData } from 'node:worker_threads';
import { FileDigests } from '../core/file-digests.ts';
import { serveThread } from '../core/threads/serve-thread.ts';
import { type EngineProtocol, type EngineThreadData, inlineHost } from './engine-host.ts';

const { spec, stop } = workerData as EngineThreadData;
const host = inlineHost(spec, new Int32Array(stop));

serveThread<EngineProtocol>({
  open: async ({ teacher, hashed, ...request }) => ({
    result: await host.open({ ...request, teacher: { ...teacher, digests: new FileDigests(hashed) } }),
  }),
  run: async ({ id, pixels, rows }) => {
    const result = await host.run(id, pixels, rows);
    const transfer = [result.summary, result.spatial].flatMap((values) =>
      values === null ? [] : [values.buffer as ArrayBuffer],
    );
    return { result, transfer };
  },
  close: async () => {
    await host.close();
    return { result: null };
  },
});
