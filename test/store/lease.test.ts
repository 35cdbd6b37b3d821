import { readFile, readdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, relative } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Lease, type WaitOptions, awaitLease, takeLease } from '../../src/store/lease.ts';
import { thisProcess } from '../../src/store/process-identity.ts';
import { failing } from '../support/failing.ts';
import { failingFs } from '../support/failing-fs.ts';
import { manualTimer } from '../support/manual-timer.ts';
import { compileRooms, deadPid, startProcess } from '../support/other-process.ts';
import { tempFolder } from '../support/temp-folder.ts';

const host = hostname();
const ownerFile = async (owner: unknown): Promise<{ folder: string; path: string }> => {
  const folder = await tempFolder();
  const path = join(folder, '.lease');
  await writeFile(path, typeof owner === 'string' ? owner : JSON.stringify(owner));
  return { folder, path };
};
const ownerOf = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, 'utf8'));
const busy = (pid: number, path: string, at = host): object =>
  failing(5, {
    kind: 'environment',
    what: 'another stillhouse process works in this folder',
    where: path,
    got: `process ${pid} on ${at}`,
  });

describe('a lease', () => {
  it('names its owner while it is held and leaves nothing when it is released', async () => {
    const folder = await tempFolder();
    const path = join(folder, '.lease');
    const lease = await takeLease(path);
    expect(await ownerOf(path)).toEqual(thisProcess());
    await lease.release();
    expect(await readdir(folder)).toEqual([]);
    await (await takeLease(path)).release();
  });

  it('refuses a second holder in this process, however it writes the path', async () => {
    const path = join(await tempFolder(), '.lease');
    const lease = await takeLease(path);
    await expect(takeLease(path)).rejects.toEqual(busy(process.pid, path));
    const other = relative('.', path);
    await expect(takeLease(other)).rejects.toEqual(busy(process.pid, other));
    await lease.release();
  });

  it('lets one of twenty calls in this process have it', async () => {
    const path = join(await tempFolder(), '.lease');
    const calls = await Promise.allSettled(Array.from({ length: 20 }, () => takeLease(path)));
    const taken = calls.filter((call): call is PromiseFulfilledResult<Lease> => call.status === 'fulfilled');
    expect(taken).toHaveLength(1);
    await taken[0]!.value.release();
  });

  it('released twice does not take it from the next holder', async () => {
    const path = join(await tempFolder(), '.lease');
    const first = await takeLease(path);
    await first.release();
    const second = await takeLease(path);
    await first.release();
    await expect(takeLease(path)).rejects.toEqual(busy(process.pid, path));
    expect(await ownerOf(path)).toEqual(thisProcess());
    await second.release();
  });

  it('of a living process is refused, and its file stays', async () => {
    const owner = { pid: process.ppid, host, birth: null };
    const { folder, path } = await ownerFile(owner);
    await expect(takeLease(path)).rejects.toEqual(busy(process.ppid, path));
    expect(await ownerOf(path)).toEqual(owner);
    expect(await readdir(folder)).toEqual(['.lease']);
  });

  it('of another machine is refused: nobody here can know whether that process lives', async () => {
    const { path } = await ownerFile({ pid: deadPid(), host: 'another-machine', birth: null });
    await expect(takeLease(path)).rejects.toMatchObject({ exitCode: 5 });
  });

  it.each([
    ['a dead process', () => ({ pid: deadPid(), host, birth: null })],
    ['an earlier process with our pid', () => ({ pid: process.pid, host, birth: '1' })],
    ['our own pid without a birth', () => ({ pid: process.pid, host, birth: null })],
    ['nobody: an empty file', () => ''],
    ['nobody: half a file', () => '{"pid":'],
    ['nobody: another JSON', () => ({ pid: 'x' })],
  ])('of %s is taken over', async (_, owner) => {
    const { folder, path } = await ownerFile(owner());
    const lease = await takeLease(path);
    expect(await ownerOf(path)).toEqual(thisProcess());
    expect(await readdir(folder)).toEqual(['.lease']);
    await lease.release();
  });

  it.runIf(process.platform === 'linux')(
    'of a pid that was given to a younger process is taken over',
    async () => {
      const { path } = await ownerFile({ pid: process.ppid, host, birth: '1' });
      await (await takeLease(path)).release();
    },
  );

  it('is taken over although a take-over died half way', async () => {
    const { folder, path } = await ownerFile({ pid: deadPid(), host, birth: null });
    await writeFile(`${path}.takeover`, JSON.stringify({ pid: deadPid(), host, birth: null }));
    const lease = await takeLease(path);
    expect(await readdir(folder)).toEqual(['.lease']);
    await lease.release();
  });

  it('is refused while a living process takes it over', async () => {
    const { path } = await ownerFile({ pid: deadPid(), host, birth: null });
    await writeFile(`${path}.takeover`, JSON.stringify({ pid: process.ppid, host, birth: null }));
    await expect(takeLease(path)).rejects.toEqual(busy(process.ppid, path));
  });

  it('can be asked for again after any call failed', async () => {
    for (let failAt = 1; failAt <= 4; failAt++) {
      const path = join(await tempFolder(), '.lease');
      await expect(takeLease(path, { fs: failingFs({ failAt }) })).rejects.toEqual(
        failing(5, { got: 'ENOSPC' }),
      );
      await (await takeLease(path)).release();
    }
  });

  it('says what stands in the way when its file cannot be read or removed', async () => {
    const { path } = await ownerFile({ pid: deadPid(), host, birth: null });
    // makeFolder, writeNew, link, remove of the staging file, read of the owner
    const unreadable = failingFs({ failAt: 5, code: 'EACCES' });
    await expect(takeLease(path, { fs: unreadable })).rejects.toEqual(failing(5, { what: 'no permission' }));
    expect(unreadable.calls.at(-1)).toBe('read');
    const fs = failingFs({ failAt: 6, code: 'EROFS' });
    const lease = await takeLease(join(await tempFolder(), '.lease'), { fs });
    await expect(lease.release()).rejects.toEqual(failing(5, { got: 'EROFS' }));
  });
});

describe('a lease with an expiry', () => {
  const now = '2026-01-01T00:01:00.001Z';
  const clock = { elapsedMs: () => 0, nowIso: () => now };
  const foreign = { pid: 7, host: 'another-machine', birth: '1' };
  const renewedAt = (renewed: string) => ({ ...foreign, renewed, ttlMs: 60_000 });

  it('of another machine is taken over once it was not renewed for its time to live', async () => {
    const { folder, path } = await ownerFile(renewedAt('2026-01-01T00:00:00.000Z'));
    await expect(takeLease(path)).rejects.toEqual(busy(7, path, 'another-machine'));
    const lease = await takeLease(path, { expiry: { clock } });
    expect(await ownerOf(path)).toEqual({ ...thisProcess(), renewed: now, ttlMs: 60_000 });
    await lease.release();
    expect(await readdir(folder)).toEqual([]);
  });

  it.each([
    ['renewed a time to live ago', '2026-01-01T00:00:00.001Z'],
    ['renewed in what our clock calls the future', '2027-01-01T00:00:00.000Z'],
  ])('of another machine, %s, is refused', async (_, renewed) => {
    const { path } = await ownerFile(renewedAt(renewed));
    await expect(takeLease(path, { expiry: { clock } })).rejects.toEqual(busy(7, path, 'another-machine'));
  });

  it('of a living process of this machine is refused however old it is', async () => {
    const { path } = await ownerFile({
      ...renewedAt('2020-01-01T00:00:00.000Z'),
      pid: process.ppid,
      host,
      birth: null,
    });
    await expect(takeLease(path, { expiry: { clock } })).rejects.toEqual(busy(process.ppid, path));
  });

  it('is renewed while it is held, and left alone once another has taken it over', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const path = join(await tempFolder(), '.lease');
    let ms = 0;
    const ticking = { elapsedMs: () => 0, nowIso: () => new Date(ms++).toISOString() };
    const lease = await takeLease(path, { expiry: { clock: ticking, ttlMs: 30 } });
    const first = await readFile(path, 'utf8');
    vi.advanceTimersByTime(10);
    while ((await readFile(path, 'utf8')) === first);
    expect(await ownerOf(path)).toEqual({ ...thisProcess(), renewed: new Date(1).toISOString(), ttlMs: 30 });
    await writeFile(path, JSON.stringify(foreign));
    vi.advanceTimersByTime(10);
    await lease.release();
    expect([ms, await ownerOf(path)]).toEqual([2, foreign]);
  });
});

describe('a lease between processes', () => {
  const act = `import { takeLease } from './store/lease.js';
    export const act = async () => {
      try {
        await takeLease(new URL('.lease', import.meta.url).pathname);
        return 'taken';
      } catch (error) {
        return error.exitCode ?? String(error);
      }
    };`;

  it('goes to one of four that find a dead owner at once; killed, it frees it', async () => {
    const folder = await tempFolder();
    await compileRooms(folder, ['core', 'store']);
    const path = join(folder, '.lease');
    await writeFile(path, JSON.stringify({ pid: deadPid(), host, birth: null }));
    const racers = await Promise.all(Array.from({ length: 4 }, () => startProcess(folder, act)));
    const answers = await Promise.all(racers.map((racer) => racer.act()));
    expect(answers.map(String).sort()).toEqual(['5', '5', '5', 'taken']);

    const winner = racers[answers.indexOf('taken')]!;
    await expect(takeLease(path)).rejects.toEqual(busy(winner.child.pid!, path));
    await winner.kill();
    await (await takeLease(path)).release();
  });
});

describe('waiting for a lease', () => {
  const waiting = (change: Partial<WaitOptions> = {}): WaitOptions => ({
    timer: manualTimer(),
    signal: new AbortController().signal,
    everyMs: 500,
    patienceMs: 5000,
    progress: () => Promise.resolve(0),
    onWait: () => undefined,
    ...change,
  });

  it('of nobody takes no time', async () => {
    const path = join(await tempFolder(), '.lease');
    const timer = manualTimer();
    const onWait = vi.fn();
    await (await awaitLease(path, waiting({ timer, onWait }))).release();
    expect([timer.waitsMs, onWait.mock.calls]).toEqual([[], []]);
  });

  it('ends when the holder lets it go, and says once for whom it waits', async () => {
    const path = join(await tempFolder(), '.lease');
    const held = await takeLease(path);
    const onWait = vi.fn();
    let looks = 0;
    const progress = async (): Promise<number> => {
      if (++looks === 3) await held.release();
      return looks;
    };
    await (await awaitLease(path, waiting({ onWait, progress }))).release();
    expect(looks).toBe(3);
    expect(onWait.mock.calls).toEqual([[thisProcess()]]);
  });

  it('goes on as long as the holder gets on, and ends when it does not', async () => {
    const path = join(await tempFolder(), '.lease');
    const held = await takeLease(path);
    const timer = manualTimer();
    let looks = 0;
    const progress = (): Promise<number> => Promise.resolve(Math.min(40, ++looks));
    await expect(awaitLease(path, waiting({ timer, progress }))).rejects.toEqual(busy(process.pid, path));
    expect(timer.elapsedMs()).toBe(39 * 500 + 5000);
    await held.release();
  });

  it('ends when it is asked to stop', async () => {
    const path = join(await tempFolder(), '.lease');
    const held = await takeLease(path);
    const controller = new AbortController();
    const stopped = new Error('stopped');
    const onWait = (): void => controller.abort(stopped);
    await expect(awaitLease(path, waiting({ signal: controller.signal, onWait }))).rejects.toBe(stopped);
    await held.release();
  });
});
