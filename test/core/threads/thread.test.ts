import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { compiledEntry } from '../../../src/core/threads/compiled-entry.ts';
import { Thread } from '../../../src/core/threads/thread.ts';
import { failing } from '../../support/failing.ts';
import { tempFolder } from '../../support/temp-folder.ts';

interface TestProtocol {
  readonly double: { readonly arg: Float32Array; readonly result: Float32Array };
  readonly slow: { readonly arg: number; readonly result: number };
  readonly fail: { readonly arg: string; readonly result: never };
  readonly die: { readonly arg: 'exit' | 'throw' | 'never'; readonly result: never };
  readonly missing: { readonly arg: null; readonly result: null };
}

const serve = compiledEntry('../../../src/core/threads/serve-thread.ts', import.meta.url).href;
const failure = compiledEntry('../../../src/core/failure.ts', import.meta.url).href;

const WORKER = `
import { workerData } from 'node:worker_threads';
import { serveThread } from '${serve}';
import { StillhouseError } from '${failure}';
serveThread({
  double: async (values) => {
    for (let i = 0; i < values.length; i++) values[i] *= workerData.factor;
    return { result: values, transfer: [values.buffer] };
  },
  slow: (waitMs) => new Promise((resolve) => setTimeout(() => resolve({ result: waitMs }), waitMs)),
  fail: async (what) => { throw new StillhouseError({ kind: 'bad-input', what, next: 'nothing' }); },
  die: (how) => {
    if (how === 'exit') process.exit(7);
    if (how === 'throw') setTimeout(() => { throw new Error('loose'); });
    return new Promise(() => setInterval(() => undefined, 1000));
  },
});
`;

async function openThread(): Promise<Thread<TestProtocol>> {
  const path = join(await tempFolder(), 'worker.mjs');
  await writeFile(path, WORKER);
  const thread = new Thread<TestProtocol>({
    entry: pathToFileURL(path),
    name: 'test thread',
    data: { factor: 2 },
  });
  onTestFinished(() => thread.close());
  return thread;
}

describe('a worker thread', () => {
  it('takes over what is transferred to it, and gives over what it transfers back', async () => {
    const thread = await openThread();
    const sent = Float32Array.of(1, 2, 3);
    const got = await thread.call('double', sent, [sent.buffer]);
    expect([...got]).toEqual([2, 4, 6]);
    expect(sent.length).toBe(0);
  });

  it('answers each caller with its own answer, whichever is ready first', async () => {
    const thread = await openThread();
    expect(await Promise.all([30, 1, 10].map((waitMs) => thread.call('slow', waitMs)))).toEqual([30, 1, 10]);
  });

  it('throws to the caller the failure that its work threw, and goes on', async () => {
    const thread = await openThread();
    await expect(thread.call('fail', 'no image')).rejects.toThrow(failing(3, { what: 'no image' }));
    expect(await thread.call('slow', 0)).toBe(0);
  });

  it('that ends by itself fails every call that waits, and every later one, with a next step', async () => {
    const thread = await openThread();
    const calls = [thread.call('die', 'exit'), thread.call('slow', 5)];
    const gone = failing(5, {
      where: 'test thread',
      got: 'exit code 7',
      next: expect.stringMatching(/again/),
    });
    for (const call of calls) await expect(call).rejects.toThrow(gone);
    await expect(thread.call('slow', 0)).rejects.toThrow(gone);
  });

  it('that crashes says which thread, where in the code, and keeps the cause', async () => {
    const thread = await openThread();
    const error: unknown = await thread.call('die', 'throw').catch((reason: unknown) => reason);
    expect(error).toEqual(
      failing(5, { where: 'test thread', got: expect.stringMatching(/^Error: loose, at .*worker\.mjs/) }),
    );
    expect((error as Error).cause).toMatchObject({ message: 'loose' });
  });

  it('that cannot be loaded fails its calls', async () => {
    const thread = new Thread({ entry: new URL('file:///none/such.js'), name: 'lost thread', data: null });
    await expect(thread.call('any' as never, null as never)).rejects.toThrow(
      failing(5, { where: 'lost thread', got: expect.stringMatching(/Cannot find module/) }),
    );
  });

  it('does not keep the process waiting for what could not be sent to it', async () => {
    const thread = await openThread();
    await expect(thread.call('missing', (() => null) as never)).rejects.toThrow(/could not be cloned/);
    await thread.close();
  });

  it('refuses a method it does not have as a defect', async () => {
    const thread = await openThread();
    await expect(thread.call('missing', null)).rejects.toThrow('internal: the thread has no such method');
  });

  it('is gone once closed, whatever it was doing; what waited is told so', async () => {
    const thread = await openThread();
    const waiting = thread.call('die', 'never').catch((reason: unknown) => reason);
    await thread.close();
    expect(await waiting).toEqual(failing(5, { got: 'it was closed' }));
    await expect(thread.call('slow', 0)).rejects.toThrow(failing(5, { got: 'it was closed' }));
  });
});
