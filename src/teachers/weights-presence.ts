/** Whether a teacher's weights are on this machine, and how large they are, told without reading them. */
import * as fsp from 'node:fs/promises';
import { isStillhouseError, systemCodeOf } from '../core/failure.ts';
import { ContentStore } from '../store/content-store.ts';
import type { LoadedTeacher } from './registry.ts';
import { readPins } from './weights-lock.ts';
import { type WantedFile, localPath, wantedFiles } from './weights.ts';
import { isRemote } from './weights-uri.ts';

export interface WeightsPresence {
  /** `installed`: files of a package or of one's own. `pulled`: in the store. */
  readonly state: 'installed' | 'pulled' | 'missing';
  /** Of all files; null where nobody knows yet. */
  readonly sizeBytes: number | null;
}

/** By presence alone: digests are checked when the weights are used. */
export async function presenceOf(teacher: LoadedTeacher): Promise<WeightsPresence> {
  const wanted = await wantedFiles(teacher);
  const pins = await readPins(teacher.places.lock);
  let sizeBytes: number | null = 0;
  let isWhole = true;
  for (const file of wanted) {
    const here = await sizeHere(file, teacher);
    isWhole &&= here !== null;
    const known = here ?? pins.get(file.uri)?.sizeBytes ?? null;
    sizeBytes = sizeBytes === null || known === null ? null : sizeBytes + known;
  }
  const state = wanted.some(({ uri }) => isRemote(uri)) ? 'pulled' : 'installed';
  return { state: isWhole ? state : 'missing', sizeBytes };
}

/** Size of a file that is here; null for one that is not. */
export async function sizeHere(
  { uri, sha256 }: WantedFile,
  { places, folder }: LoadedTeacher,
): Promise<number | null> {
  if (isRemote(uri)) return sha256 === null ? null : new ContentStore(places.store).sizeBytes(sha256);
  try {
    return (await fsp.stat(await localPath(uri, folder))).size;
  } catch (error) {
    if (systemCodeOf(error) !== undefined || isStillhouseError(error, 'environment')) return null;
    throw error;
  }
}
