/** Where pulled weights are looked for. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

export const LOCK_NAME = 'teachers.lock';

export interface WeightsPlaces {
  /** Folder of the content-addressed store, shared by projects. */
  readonly store: string;
  /** The project's lock file; need not exist. */
  readonly lock: string;
}

export function defaultPlaces(): WeightsPlaces {
  return { store: join(homedir(), '.cache', 'stillhouse', 'weights'), lock: resolve(LOCK_NAME) };
}
