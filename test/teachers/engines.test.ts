import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type EngineHost, inlineHost, threadHost } from '../../src/teachers/engine-host.ts';
import { EnginePool } from '../../src/teachers/engine-pool.ts';
import { openTeacher } from '../../src/teachers/open-teacher.ts';
import { loadTeacher } from '../../src/teachers/registry.ts';
import type { TeacherSession } from '../../src/teachers/teacher.ts';
import { failing } from '../support/failing.ts';
import { teacherContract } from '../support/teacher-contract.ts';
import { writeTinyTeacher } from '../support/tiny-teacher.ts';

const VALUES = 3 * 16 * 16;
const folder = mkdtempSync(join(tmpdir(), 'stillhouse-engines-'));
const tiny = join(folder, 'tiny.yaml');
/** Calls take some 20 ms. */
const busy = join(folder, 'busy.yaml');
beforeAll(async () => {
  await writeTinyTeacher(folder);
  await writeTinyTeacher(folder, { name: 'busy', idleProducts: 10 });
});
afterAll(() => rmSync(folder, { recursive: true }));

const spec = { device: 'cpu', threads: 1, memoryLimitBytes: Infinity };
const load = (path: string) => loadTeacher(path, { baseFolder: dirname(path) });

/** A session whose `close` ends the whole pool. */
async function openOn(hosts: readonly EngineHost[], path: string, batch: number): Promise<TeacherSession> {
  const pool = new EnginePool(hosts);
  const session = await pool.open({ teacher: await load(path), sizePx: 16, batch });
  return { ...session, close: () => pool.close() };
}

for (const [name, hosts] of [
  ['two engines in threads', () => [threadHost(spec), threadHost({ ...spec, threads: 2 })]],
  ['two engines in the thread of the caller', () => [inlineHost(spec), inlineHost(spec)]],
] as const)
  teacherContract({ name, values: VALUES, open: (batch) => openOn(hosts(), tiny, batch) });

/** Pixels that differ from batch to batch, in memory that threads share. */
function batchOf(seed: number, rows: number): Float32Array {
  const pixels = new Float32Array(new SharedArrayBuffer(rows * VALUES * Float32Array.BYTES_PER_ELEMENT));
  return pixels.map((_, i) => Math.sin(seed + i * (seed + 1)));
}

describe('engines', () => {
  it('in several lanes answer with the bits of one in the thread of the caller, each call with its own', async () => {
    const [alone, lanes] = await Promise.all([
      openTeacher(await load(tiny), { sizePx: 16, batch: 3 }, { device: 'cpu', threads: 0 }),
      openOn([threadHost(spec), threadHost(spec)], tiny, 3),
    ]);
    onTestFinished(async () => {
      await lanes.close();
      await alone.close();
    });
    expect(lanes.lanes).toBe(2);
    const asked = Array.from({ length: 12 }, (_, seed) => batchOf(seed, 1 + (seed % 3)));
    const answers = await Promise.all(asked.map((pixels) => lanes.run(pixels, pixels.length / VALUES)));
    for (const [i, pixels] of asked.entries()) {
      const { summary, spatial } = await alone.run(pixels, pixels.length / VALUES);
      expect(answers[i]!.summary).toEqual(summary);
      expect(answers[i]!.spatial).toEqual(spatial);
    }
  });

  it.each([
    ['in a thread', () => threadHost(spec)],
    ['inline', () => inlineHost(spec)],
  ])('%s that are closed at work end the call in work, refuse the others, and are gone', async (_, host) => {
    const session = await openOn([host()], busy, 2);
    const calls = Array.from({ length: 40 }, (__, seed) => session.run(batchOf(seed, 2), 2));
    const settled = Promise.allSettled(calls);
    await calls[0];
    // in the same turn as the first answer: whatever the time, only what was given to the host by then can have begun
    await session.close();
    const states = (await settled).map(({ status }) => status);
    expect(states[0]).toBe('fulfilled');
    const begun = states.lastIndexOf('fulfilled') + 1;
    expect(begun).toBeLessThanOrEqual(3);
    // in order: nothing is left out in between
    expect(states.indexOf('rejected')).toBe(begun);
    await expect(session.run(batchOf(1, 2), 2)).rejects.toThrow('stopped');
    await session.close();
  });

  it.each([
    ['in a thread', () => threadHost(spec)],
    ['inline', () => inlineHost(spec)],
  ])('%s that are stopped begin none of the calls that are in their line', async (_, make) => {
    const host = make();
    onTestFinished(() => host.close());
    const { id } = await host.open({ teacher: await load(busy), sizePx: 16, batch: 1 });
    const batches = Array.from({ length: 40 }, (__, seed) => batchOf(seed, 1));
    const queuedMs = performance.now();
    const settled = Promise.allSettled(batches.map((pixels) => host.run(id, pixels, 1)));
    host.stop();
    const stoppedMs = performance.now();
    const results = await settled;
    const answered = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value.engineMs] : []));
    // the last may have been in work at the stop; those before it had their time until then, however slow this machine is
    const beforeMs = answered.slice(0, -1).reduce((sum, engineMs) => sum + engineMs, 0);
    expect(beforeMs).toBeLessThanOrEqual(stoppedMs - queuedMs);
    for (const one of results.slice(answered.length))
      expect(one).toMatchObject({ reason: { message: expect.stringContaining('stopped') as string } });
  });

  it('in a thread fail with the typed errors of the caller, and refuse all once they are closed', async () => {
    const host = threadHost(spec);
    await expect(host.open({ teacher: await load(tiny), sizePx: 15, batch: 1 })).rejects.toThrow(
      failing(3, { wanted: 'a multiple of 4 from 8 to 64 px' }),
    );
    await host.close();
    await expect(host.open({ teacher: await load(tiny), sizePx: 16, batch: 1 })).rejects.toThrow(
      failing(5, { what: 'a thread ended before its work was done', where: 'engine thread (cpu)' }),
    );
  });
});
