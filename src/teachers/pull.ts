/**
 * Brings the weights of teachers here: each file once, resumed where it broke off, checked against what the manifest or the lock
 * file pins, pinned when nothing does. Any number of processes may pull the same file: one downloads, the others wait for it.
 */
import * as fsp from 'node:fs/promises';
import type { Digest } from '../core/ids.ts';
import { FilePull, type FilePullEvent, type FilePullOptions, PROBE_IDLE_MS } from './pull-file.ts';
import type { LoadedTeacher } from './registry.ts';
import { probe, remoteFile } from './remote-file.ts';
import { readPins } from './weights-lock.ts';
import { sizeHere } from './weights-presence.ts';
import { isRemote } from './weights-uri.ts';
import { locateWeights, wantedFiles } from './weights.ts';

export type PullEvent = FilePullEvent | { readonly kind: 'finished'; readonly file: PulledFile };

export interface PullOptions extends Omit<FilePullOptions, 'onEvent'> {
  readonly onEvent: (event: PullEvent) => void;
}

export interface PulledFile {
  readonly teacher: string;
  readonly uri: string;
  /** `installed`: nothing to pull. `present`: pulled before, verified again. */
  readonly state: 'installed' | 'present' | 'downloaded';
  readonly sha256: Digest;
  readonly sizeBytes: number;
  readonly path: string;
}

/**
 * @returns the teacher's files, the model first, verified and in their places
 * @throws StillhouseError integrity when a file is not the pinned one, environment for trouble of network and disk, bad-input when
 * there is no such file. What was pulled before stays.
 */
export async function pullTeacher(teacher: LoadedTeacher, options: PullOptions): Promise<PulledFile[]> {
  const { weights } = teacher.manifest;
  const states = new Map<string, PulledFile['state']>();
  for (const { uri, sha256 } of [weights, ...weights.files]) {
    if (!isRemote(uri) || states.has(uri)) continue;
    states.set(uri, await new FilePull(uri, sha256 as Digest | null, { teacher, options }).run());
  }
  const pulled: PulledFile[] = [];
  for (const { uri, path, sha256 } of await locateWeights(teacher)) {
    const { size: sizeBytes } = await fsp.stat(path);
    const state = states.get(uri) ?? 'installed';
    const file = { teacher: teacher.manifest.name, uri, state, sha256, sizeBytes, path };
    pulled.push(file);
    options.onEvent({ kind: 'finished', file });
  }
  return pulled;
}

export interface PlannedFile {
  readonly teacher: string;
  readonly uri: string;
  /** Where it would be downloaded from; null for what is no download. */
  readonly url: string | null;
  readonly state: 'installed' | 'present' | 'to download' | 'missing';
  /** Null where nobody tells. */
  readonly sizeBytes: number | null;
}

/** What a pull would do. Servers are asked for sizes; nothing is written. */
export async function planPull(
  teacher: LoadedTeacher,
  options: Pick<PullOptions, 'hub' | 'update' | 'signal' | 'idleMs'>,
): Promise<PlannedFile[]> {
  const { hub, update, signal, idleMs = PROBE_IDLE_MS } = options;
  const pins = await readPins(teacher.places.lock);
  const planned: PlannedFile[] = [];
  for (const file of await wantedFiles(teacher)) {
    const { uri } = file;
    const of = { teacher: teacher.manifest.name, uri };
    const here = await sizeHere(file, teacher);
    if (!isRemote(uri)) {
      planned.push({ ...of, url: null, state: here === null ? 'missing' : 'installed', sizeBytes: here });
      continue;
    }
    const pin = update ? undefined : pins.get(uri);
    const remote = remoteFile(uri, hub, pin?.commit ?? null);
    if (here !== null && !update) planned.push({ ...of, url: remote.url, state: 'present', sizeBytes: here });
    else {
      const { sizeBytes } = await probe(remote, { signal, idleMs });
      planned.push({
        ...of,
        url: remote.url,
        state: 'to download',
        sizeBytes: sizeBytes ?? pin?.sizeBytes ?? null,
      });
    }
  }
  return planned;
}
