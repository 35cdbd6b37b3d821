/**
 * Names of files that are being written, and what becomes of those whose writer died. The name says host, pid and a random
 * token of the writing thread: containers that share a folder have equal pids, threads of one process too.
 */
import { createHash, randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { systemCodeOf } from '../core/failure.ts';
import { type CommitFs, asStoreFailure } from './commit-fs.ts';
import { isAlive } from './process-identity.ts';

/** This machine in names of files: 8 hex digits. */
export const stagingHost: string = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
const TOKEN = randomBytes(6).toString('hex');
let counter = 0;

/** A name no other process, thread or call uses. Leading dot: listings of committed files skip it. */
export function stagingName(base: string): string {
  counter += 1;
  return `.${base}.${stagingHost}-${process.pid}-${TOKEN}-${counter}.tmp`;
}

const FORM = /^\.[a-z]+\.([0-9a-f]{8})-(\d+)-[0-9a-f]{12}-\d+\.tmp$/;

export const isStagingName = (name: string): boolean => FORM.test(name);

/** Whether the process of this host that writes the file is gone; false of files of other hosts, whose processes nobody here can ask. */
export function isDeadStaging(name: string): boolean {
  const [, host, pid] = FORM.exec(name) ?? [];
  return host === stagingHost && !isAlive(Number(pid));
}

/** Whether this thread writes the file. */
export const isOwnStaging = (name: string): boolean =>
  isStagingName(name) && name.includes(`.${stagingHost}-${process.pid}-${TOKEN}-`);

/** Removes the staging files that dead processes of this host left in a folder; those of living ones stay. Returns how many. */
export async function dropStaging(folder: string, fs: CommitFs): Promise<number> {
  let dropped = 0;
  try {
    for (const name of await fs.list(folder)) {
      if (!isDeadStaging(name)) continue;
      await fs.remove(join(folder, name));
      dropped += 1;
    }
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return dropped;
    throw asStoreFailure(error, folder);
  }
  return dropped;
}
