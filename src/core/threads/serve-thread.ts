/** The thread's side of {@link file://./thread.ts}: answers calls by name until the caller ends it. */
import { type Transferable, parentPort } from 'node:worker_threads';
import { toThreadError } from './thread-error.ts';
import type { Protocol, ThreadCall, ThreadReply } from './thread.ts';

/** A result and the buffers of it that the caller takes over. */
export interface Handled<T> {
  readonly result: T;
  readonly transfer?: readonly Transferable[];
}

export type ThreadHandlers<P extends Protocol<P>> = {
  readonly [K in keyof P]: (arg: P[K]['arg']) => Promise<Handled<P[K]['result']>>;
};

/** Call once, at the end of a worker's entry file. Calls run at the same time where their handlers wait. */
export function serveThread<P extends Protocol<P>>(handlers: ThreadHandlers<P>): void {
  const port = parentPort;
  if (port === null) throw new Error('internal: this file is the entry of a worker thread');
  port.on('message', ({ id, method, arg }: ThreadCall) => {
    void answer(handlers[method as keyof P] as Parameters<typeof answer>[0], arg).then(
      ({ result, transfer = [] }) =>
        port.postMessage({ id, ok: true, result } satisfies ThreadReply, [...transfer]),
      (error: unknown) =>
        port.postMessage({ id, ok: false, error: toThreadError(error) } satisfies ThreadReply),
    );
  });
}

async function answer(
  handler: ((arg: unknown) => Promise<Handled<unknown>>) | undefined,
  arg: unknown,
): Promise<Handled<unknown>> {
  if (handler === undefined) throw new Error('internal: the thread has no such method');
  return handler(arg);
}
