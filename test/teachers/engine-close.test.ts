import { dirname } from 'node:path';
import * as ort from 'onnxruntime-node';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Thread } from '../../src/core/threads/thread.ts';
import { inlineHost, threadHost } from '../../src/teachers/engine-host.ts';
import { EnginePool } from '../../src/teachers/engine-pool.ts';
import { loadTeacher } from '../../src/teachers/registry.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';

afterEach(() => void vi.restoreAllMocks());
const spec = { device: 'cpu', threads: 1, memoryLimitBytes: Infinity };

describe('an engine that cannot release a teacher', () => {
  it('says so once the other teachers and engines are released', async () => {
    const path = await writeTinyTeacher(await tempFolder());
    const teacher = await loadTeacher(path, { baseFolder: dirname(path) });
    const pool = new EnginePool([inlineHost(spec), inlineHost(spec)]);
    for (const sizePx of [16, 32]) await pool.open({ teacher, sizePx, batch: 1 });
    const { prototype } = ort.InferenceSession as unknown as { readonly prototype: ort.InferenceSession };
    const release = vi.spyOn(prototype, 'release').mockRejectedValueOnce(new Error('cannot be released'));
    await expect(pool.close()).rejects.toThrow('cannot be released');
    expect(release).toHaveBeenCalledTimes(4);
  });

  it('in a thread says so too, and the thread is gone', async () => {
    const host = threadHost(spec);
    const threads: Thread<never>[] = [];
    vi.spyOn(Thread.prototype, 'call').mockImplementation(function (this: Thread<never>) {
      threads.push(this);
      return Promise.reject(new Error('cannot be released'));
    });
    await expect(host.close()).rejects.toThrow('cannot be released');
    expect(threads.map(({ deathOf }) => deathOf !== null)).toEqual([true]);
  });
});

it('a thread that has ended can be closed again: it holds nothing', async () => {
  const host = threadHost(spec);
  await host.close();
  await host.close();
});
