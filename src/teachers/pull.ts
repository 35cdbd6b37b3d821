/**
 * Brings the weights of teachers here: each file once, resumed where it broke off, checked against what the manifest or the lock
 * file pins, pinned when nothing does. Any number of processes may pull the same file: one downloads, the others wait for it.
 */
import * as fsp from 'node:fs/promises';
import type { Digest } from '../core/ids.ts';
import { withFileSource } from '../format/byte-source.ts';
import { outlineOnnx } from '../format/onnx-outline.ts';
import { ContentStore } from '../store/content-store.ts';
import { hubFileOf } from './hub.ts';
import { externalNames } from './onnx-file.ts';
import {
  FilePull,
  type FilePullEvent,
  type FilePullOptions,
  type FileToPull,
  PROBE_IDLE_MS,
} from './pull-file.ts';
import type { LoadedTeacher } from './registry.ts';
import { probe, remoteFile } from './remote-file.ts';
import { readPins } from './weights-lock.ts';
import { sizeHere } from './weights-presence.ts';
import { isRemote, uriBeside } from './weights-uri.ts';
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
  const { places, manifest } = teacher;
  const states = new Map<string, PulledFile['state']>();
  const pull = async (file: FileToPull): Promise<FilePull> => {
    const one = new FilePull(file, places, options);
    states.set(file.uri, await one.run());
    return one;
  };
  const { uri, files } = manifest.weights;
  if (isRemote(uri)) {
    const model = await pull(manifest.weights as FileToPull);
    if (manifest.engine === 'onnx') await model.pinBeside(await unlistedData(teacher));
  }
  const commit = (await readPins(places.lock)).get(uri)?.commit;
  for (const file of await wantedFiles(teacher)) {
    if (!isRemote(file.uri) || states.has(file.uri)) continue;
    const listed = files.find((one) => one.uri === file.uri);
    const sha256 = (listed?.sha256 ?? null) as Digest | null;
    await pull({ uri: file.uri, sha256, ...(isSameRevision(uri, file.uri) ? { commit } : {}) });
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

/** External data that a pulled model names and its manifest does not list, relative to the model. */
async function unlistedData(teacher: LoadedTeacher): Promise<string[]> {
  const { weights, name } = teacher.manifest;
  const [model] = await wantedFiles(teacher);
  if (model?.sha256 == null) throw new Error(`internal: ${weights.uri} is not pinned`);
  const path = new ContentStore(teacher.places.store).pathOf(model.sha256);
  const where = `${name} (${weights.uri})`;
  const names = externalNames(
    withFileSource(path, (source) => outlineOnnx(source, where)),
    where,
  );
  const listed = new Set(weights.files.map(({ uri }) => uri));
  return names.filter((file) => !listed.has(uriBeside(weights.uri, file)));
}

function isSameRevision(uri: string, other: string): boolean {
  const [a, b] = [hubFileOf(uri), hubFileOf(other)];
  return a !== null && a.repo === b?.repo && a.revision === b.revision;
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
