/** Which process made something, told so that a later process can find out whether that one still lives. */
import { readFileSync } from 'node:fs';
import { cpus, hostname } from 'node:os';
import { systemCodeOf } from '../core/failure.ts';

export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** Start time in clock ticks after boot where the system tells it (Linux), else null: pids are used again. */
  readonly birth: string | null;
}

export function thisProcess(): ProcessIdentity {
  return { pid: process.pid, host: hostname(), birth: birthOf(process.pid) };
}

/** What this machine computes with: machines of one class are equally fast. */
export function machineClass(): string {
  const processors = cpus();
  return `${processors.length} x ${processors[0]?.model.trim() ?? 'unknown'}`;
}

/** Whether a process with this pid lives on this host. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCodeOf(error) !== 'ESRCH';
  }
}

/**
 * False only when it is certain: same host, and no such process, or one that was born at another time, or one that has ended
 * and waits for its parent to ask (a zombie: `kill` still finds it).
 */
export function mayLive(identity: ProcessIdentity): boolean {
  if (identity.host !== hostname()) return true;
  if (!isAlive(identity.pid)) return false;
  const [state, birth] = statOf(identity.pid) ?? [];
  if (state === 'Z' || state === 'X') return false;
  return identity.birth === null || birth === undefined || identity.birth === birth;
}

function birthOf(pid: number): string | null {
  return statOf(pid)?.[1] ?? null;
}

/**
 * State and start time: fields 3 and 22 of proc_pid_stat(5); the name in parentheses before them may hold spaces and
 * parentheses. Null where the system does not tell: no such process, no /proc, or one that hides the processes of others.
 */
function statOf(pid: number): readonly [state: string | undefined, birth: string | undefined] | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    if (systemCodeOf(error) !== undefined) return null;
    throw error;
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return [fields[0], fields[19]];
}
