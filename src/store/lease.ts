/**
 * One process at a time in a folder. Ownership is a file with pid and host; a dead owner's file is taken over, so SIGKILL leaves
 * nothing that blocks the next start.
 */
import { hostname } from 'node:os';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { writeIfAbsent } from './atomic.ts';
import { type CommitFs, nodeFs } from './commit-fs.ts';

export interface Lease {
  release(): Promise<void>;
}

interface Owner {
  readonly pid: number;
  readonly host: string;
}

/** @throws StillhouseError environment when a living process holds it. */
export async function takeLease(path: string, fs: CommitFs = nodeFs): Promise<Lease> {
  const mine: Owner = { pid: process.pid, host: hostname() };
  for (let attempt = 0; attempt < 10; attempt++) {
    if (await writeIfAbsent(path, JSON.stringify(mine), fs)) return { release: () => fs.remove(path) };
    const owner = await readOwner(path, fs);
    if (owner !== null && (owner.host !== mine.host || (owner.pid !== mine.pid && isAlive(owner.pid))))
      throw busy(path, owner);
    await fs.remove(path);
  }
  throw new Error(`internal: could not settle who owns ${path}`);
}

async function readOwner(path: string, fs: CommitFs): Promise<Owner | null> {
  try {
    const value: unknown = JSON.parse(Buffer.from(await fs.read(path)).toString('utf8'));
    const fits = typeof value === 'object' && value !== null && 'pid' in value && 'host' in value;
    return fits && typeof value.pid === 'number' && typeof value.host === 'string'
      ? { pid: value.pid, host: value.host }
      : null;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT' || error instanceof SyntaxError) return null;
    throw error;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCodeOf(error) !== 'ESRCH';
  }
}

function busy(path: string, owner: Owner): StillhouseError {
  return new StillhouseError({
    kind: 'environment',
    what: 'another stillhouse process works in this folder',
    where: path,
    got: `process ${owner.pid} on ${owner.host}`,
    next: 'wait for it, or choose another --out; remove the file only if that process is gone',
  });
}
