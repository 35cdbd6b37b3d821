import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { Writable } from 'node:stream';
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
      // the shell starts a child that reads to the end of pipe 3, then becomes a program that never waits for it
      const script = 'cat <&3 & echo $!; exec sleep 60 3<&-';
      const shell = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore', 'pipe'] });
      onTestFinished(() => void shell.kill('SIGKILL'));
      const [text] = (await once(shell.stdio[1]!, 'data')) as [Buffer];
      const pid = Number(text);
      const name = () => readFile(`/proc/${shell.pid!}/comm`, 'latin1');
      await expect.poll(name, { timeout: 20_000 }).toBe('sleep\n');
      const pipe = shell.stdio[3];
      if (!(pipe instanceof Writable)) throw new Error('no pipe');
      pipe.end();
      const state = async () => (await readFile(`/proc/${pid}/stat`, 'latin1')).split(') ')[1]?.[0];
      await expect.poll(state, { timeout: 20_000 }).toBe('Z');
      expect(isAlive(pid)).toBe(true);
      expect(mayLive({ pid, host: hostname(), birth: null })).toBe(false);
    },
  );
});
