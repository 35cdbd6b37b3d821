/** A hub that serves a teacher's weights, and a project that pulls them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { sha256 } from '../../src/core/digest.ts';
import { type PullEvent, type PullOptions, type PulledFile, pullTeacher } from '../../src/teachers/pull.ts';
import { type LoadedTeacher, loadTeacher } from '../../src/teachers/registry.ts';
import { type FileServer, type ServedFile, fileServer } from '../support/file-server.ts';
import { manualTimer } from '../support/manual-timer.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { tinyManifest, tinyOnnx } from '../support/tiny-teacher.ts';

export const MODEL = tinyOnnx({ seed: 1 });
export const OTHER = tinyOnnx({ seed: 2 });
export const URI = 'hf:owner/repo@main/onnx/model.onnx';
export const COMMIT = 'c'.repeat(40);
export const OTHER_COMMIT = 'd'.repeat(40);
export const at = (revision: string, name = 'model.onnx'): string =>
  `/owner/repo/resolve/${revision}/onnx/${name}`;

/** As a hub serves a file: its commit, and for large ones their sha256. */
export const hubFile = (bytes: Uint8Array, commit = COMMIT): ServedFile => ({
  bytes,
  etag: `"${sha256(bytes)}"`,
  headers: {
    'x-repo-commit': commit,
    'x-linked-etag': `"${sha256(bytes)}"`,
    'x-linked-size': String(bytes.length),
  },
});

export interface Rig {
  readonly hub: FileServer;
  readonly folder: string;
  readonly events: PullEvent[];
  /** The teacher as the manifest has it now. */
  teacher(): Promise<LoadedTeacher>;
  write(weights: object): Promise<void>;
  pull(change?: Partial<PullOptions>): Promise<PulledFile[]>;
}

export async function rig(weights: object = { uri: URI, sha256: null }): Promise<Rig> {
  const hub = await fileServer({ [at('main')]: hubFile(MODEL), [at(COMMIT)]: hubFile(MODEL) });
  const folder = await tempFolder();
  const events: PullEvent[] = [];
  const write: Rig['write'] = (weights) =>
    writeFile(join(folder, 'tiny.yaml'), stringify({ ...tinyManifest(MODEL), weights }));
  await write(weights);
  const teacher = (): Promise<LoadedTeacher> =>
    loadTeacher('tiny.yaml', {
      baseFolder: folder,
      weights: { store: join(folder, 'store'), lock: join(folder, 'teachers.lock') },
    });
  const pull: Rig['pull'] = async (change = {}) =>
    pullTeacher(await teacher(), {
      hub: { endpoint: hub.origin, token: null },
      update: false,
      timer: manualTimer(),
      signal: new AbortController().signal,
      onEvent: (event) => events.push(event),
      ...change,
    });
  return { hub, folder, events, teacher, write, pull };
}

export const gets = ({ hub }: Rig): string[] =>
  hub.requests.filter(({ method }) => method === 'GET').map(({ path }) => path);
