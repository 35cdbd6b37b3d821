/**
 * Where a teacher's weights lie on this machine, and whether they are the ones that its manifest or the lock file names. Nothing
 * is downloaded here: that is {@link file://./pull.ts}.
 */
import { createRequire } from 'node:module';
import * as fsp from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import type { Digest } from '../core/ids.ts';
import { ContentStore, type NamedBlob } from '../store/content-store.ts';
import type { LoadedTeacher } from './registry.ts';
import { type WeightsPins, readPins } from './weights-lock.ts';
import { isRemote, nameBeside, uriBeside } from './weights-uri.ts';

export interface WeightsFile {
  /** As the manifest has it. */
  readonly uri: string;
  readonly path: string;
  readonly sha256: Digest;
}

export interface WantedFile {
  readonly uri: string;
  /** From the manifest, else from the lock file; null where neither pins the file. */
  readonly sha256: Digest | null;
}

/**
 * The files of a teacher, the model first. Pulled ones lie together in one folder under the names that the model knows them by.
 * @throws StillhouseError environment when a file is not here, integrity when its digest differs
 */
export async function locateWeights(teacher: LoadedTeacher): Promise<WeightsFile[]> {
  const wanted = await wantedFiles(teacher);
  const found: WeightsFile[] = [];
  for (const { uri, sha256, path } of await placesOf(teacher, wanted))
    found.push({ uri, path, sha256: await verified({ uri, sha256, path }, teacher) });
  return found;
}

/**
 * The files that a teacher needs, the model first, each with the digest that the manifest or else the lock file pins: those of
 * the manifest, and those that a pulled model was seen to name.
 */
export async function wantedFiles({ manifest, places }: LoadedTeacher): Promise<WantedFile[]> {
  const { weights } = manifest;
  const files = [weights, ...weights.files];
  const pins: WeightsPins = files.some(({ uri }) => isRemote(uri)) ? await readPins(places.lock) : new Map();
  const beside = (pins.get(weights.uri)?.beside ?? []).map((name) => uriBeside(weights.uri, name));
  const wanted = new Map<string, Digest | null>(
    [...beside.map((uri) => ({ uri, sha256: null })), ...files].map(({ uri, sha256 }) => [
      uri,
      (sha256 as Digest | null) ?? pins.get(uri)?.sha256 ?? null,
    ]),
  );
  const order = [...files.map(({ uri }) => uri), ...beside];
  return [...new Set(order)].map((uri) => ({ uri, sha256: wanted.get(uri)! }));
}

interface Placed extends WantedFile {
  readonly path: string;
}

async function placesOf(teacher: LoadedTeacher, wanted: readonly WantedFile[]): Promise<Placed[]> {
  const blobs = await blobsOf(teacher, wanted);
  const folder =
    blobs.size === 0 ? '' : await new ContentStore(teacher.places.store).folderOf([...blobs.values()]);
  const placed: Placed[] = [];
  for (const { uri, sha256 } of wanted) {
    const blob = blobs.get(uri);
    const path = blob === undefined ? await localPath(uri, teacher.folder) : join(folder, blob.name);
    placed.push({ uri, sha256, path });
  }
  return placed;
}

/** By URI, the pulled files and the names under which they must lie together. */
async function blobsOf(
  teacher: LoadedTeacher,
  wanted: readonly WantedFile[],
): Promise<ReadonlyMap<string, NamedBlob>> {
  const store = new ContentStore(teacher.places.store);
  const remote = wanted.filter(({ uri }) => isRemote(uri));
  const blobs = new Map<string, NamedBlob>();
  for (const { uri, sha256 } of remote) {
    if (sha256 === null || (await store.sizeBytes(sha256)) === null) throw notPulled(teacher, uri, sha256);
    const name = nameBeside(remote[0]!.uri, uri);
    const other = [...blobs].find(([, blob]) => blob.name === name);
    if (other !== undefined && other[1].sha256 !== sha256)
      throw new StillhouseError({
        kind: 'bad-input',
        what: 'two files of a teacher would have one name beside its model',
        where: teacher.given,
        got: `${other[0]} and ${uri} as ${name}`,
        next: 'name files in weights.files that differ in their last name',
      });
    if (other === undefined || other[0] === uri) blobs.set(uri, { name, sha256 });
  }
  return blobs;
}

async function verified({ uri, sha256, path }: Placed, teacher: LoadedTeacher): Promise<Digest> {
  let got: Digest;
  try {
    got = await teacher.digests.of(path);
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === undefined) throw error;
    throw new StillhouseError(
      {
        kind: 'environment',
        what: 'the weights of a teacher are not on this machine',
        where: `${uri} (${path})`,
        got: code,
        next: 'install the package, or point the manifest at a file that exists',
      },
      error,
    );
  }
  if (sha256 === null || got === sha256) return got;
  throw new StillhouseError({
    kind: 'integrity',
    what: 'the weights of a teacher are not the ones its manifest or lock file names',
    where: path,
    wanted: `sha256 ${sha256}`,
    got: `sha256 ${got}`,
    next: isRemote(uri)
      ? `the file was changed here; \`stillhouse teachers pull ${teacher.given}\` brings it anew`
      : 'restore the file, or write a manifest of its own for the other weights: their targets are another space',
  });
}

function notPulled(teacher: LoadedTeacher, uri: string, sha256: Digest | null): StillhouseError {
  const { store, lock } = teacher.places;
  return new StillhouseError({
    kind: 'environment',
    what: 'the weights of a teacher have not been pulled yet',
    where: uri,
    wanted: sha256 === null ? `a pin in ${lock}` : `sha256 ${sha256} in ${store}`,
    got: 'none',
    next: `\`stillhouse teachers pull ${teacher.given}\`, or a copy of the manifest whose weights.uri is file:<path>`,
  });
}

/** Where an `npm:` or `file:` URI leads. @throws StillhouseError environment when the package is not installed */
export async function localPath(uri: string, folder: string): Promise<string> {
  if (uri.startsWith('npm:')) return npmPath(uri.slice(4), uri);
  const path = uri.slice('file:'.length);
  return isAbsolute(path) ? path : resolve(folder, path);
}

/** A file of an installed package, found from this module's own place upwards and from the working folder. */
async function npmPath(spec: string, uri: string): Promise<string> {
  const parts = spec.split('/');
  const name = parts.slice(0, spec.startsWith('@') ? 2 : 1).join('/');
  const inside = parts.slice(spec.startsWith('@') ? 2 : 1).join('/');
  for (const from of [import.meta.url, join(process.cwd(), 'package.json')]) {
    for (const folder of createRequire(from).resolve.paths(name) ?? []) {
      const root = join(folder, name);
      const there = await fsp.stat(join(root, 'package.json')).then(
        () => true,
        () => false,
      );
      if (there) return join(root, inside);
    }
  }
  throw new StillhouseError({
    kind: 'environment',
    what: 'the package that holds a teacher is not installed',
    where: uri,
    wanted: name,
    got: 'no such package near stillhouse or the working folder',
    next: `npm install ${name}`,
  });
}
