import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isAlive, mayLive, thisProcess } from '../../src/store/process-identity.ts';
import { deadPid } from '../support/other-process.ts';

describe('a process identity', () => {
  it('is that of a living process when it is ours', () => {
    expect(thisProcess()).toMatchObject({ pid: process.pid, host: hostname() });
    expect(thisProcess()).toEqual(thisProcess());
    expect(mayLive(thisProcess())).toBe(true);
  });

  it('of an ended process is dead, here; on another host nobody knows', () => {
    const pid = deadPid();
    expect(isAlive(pid)).toBe(false);
    expect(mayLive({ pid, host: hostname(), birth: null })).toBe(false);
    expect(mayLive({ pid, host: 'another-machine', birth: null })).toBe(true);
  });

  it('without a birth rests on the pid alone', () => {
    expect(mayLive({ ...thisProcess(), birth: null })).toBe(true);
  });

  it.runIf(process.platform === 'linux')('of an earlier process with the same pid is dead', () => {
    expect(thisProcess().birth).toMatch(/^\d+$/);
    expect(mayLive({ ...thisProcess(), birth: '1' })).toBe(false);
  });

  it.runIf(process.platform === 'linux')(
    'of a process that ended but was not asked for is dead',
    async () => {
      // the shell starts a child that ends at once, then becomes a program that never waits for it
      const shell = spawn('sh', ['-c', 'true & echo $!; exec sleep 60'], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      onTestFinished(() => void shell.kill('SIGKILL'));
      const [text] = (await once(shell.stdout, 'data')) as [Buffer];
      const pid = Number(text);
      const state = async () => (await readFile(`/proc/${pid}/stat`, 'latin1')).split(') ')[1]?.[0];
      await expect.poll(state, { timeout: 5000 }).toBe('Z');
      expect(isAlive(pid)).toBe(true);
      expect(mayLive({ pid, host: hostname(), birth: null })).toBe(false);
    },
  );
});
