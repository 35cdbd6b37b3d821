/** Finds teacher manifests: by name among the bundled ones, or by path. */
import * as fsp from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FileDigests } from '../core/file-digests.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import { nearestNames } from '../core/nearest-names.ts';
import { type TeacherManifest, readTeacherManifest } from './teacher-manifest.ts';
import { type WeightsPlaces, defaultPlaces } from './weights-places.ts';

const BUNDLED = join(import.meta.dirname, '..', '..', 'manifests', 'teachers');

export interface LoadedTeacher {
  readonly manifest: TeacherManifest;
  /** Folder that `file:` URIs of the manifest start from. */
  readonly folder: string;
  readonly places: WeightsPlaces;
  /** Digests of its files, kept for as long as whoever loaded it likes. */
  readonly digests: FileDigests;
  /** The name or path that it was asked for by. */
  readonly given: string;
}

export interface LoadFrom {
  /** Paths of manifests start here. */
  readonly baseFolder: string;
  /** Default: {@link defaultPlaces}. */
  readonly weights?: WeightsPlaces | undefined;
  /** Shared by the teachers of a run, so that each file is hashed once. Default: a new one. */
  readonly digests?: FileDigests | undefined;
}

/**
 * @param nameOrPath a bundled name, or a path (ends in .yaml) relative to the base folder
 * @throws StillhouseError bad-input for a name that no manifest has, naming the nearest
 */
export async function loadTeacher(nameOrPath: string, from: LoadFrom): Promise<LoadedTeacher> {
  const places = from.weights ?? defaultPlaces();
  const digests = from.digests ?? new FileDigests();
  if (/\.ya?ml$/i.test(nameOrPath)) {
    const path = resolve(from.baseFolder, nameOrPath);
    const manifest = await readTeacherManifest(path);
    return { manifest, folder: dirname(path), places, digests, given: nameOrPath };
  }
  const names = await bundledNames();
  if (!names.includes(nameOrPath))
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'no teacher has this name',
      wanted: 'a name from `stillhouse teachers ls`, or the path of a manifest',
      got: nameOrPath,
      next: `nearest: ${nearestNames(nameOrPath, names).join(', ')}`,
    });
  const manifest = await readTeacherManifest(join(BUNDLED, `${nameOrPath}.yaml`));
  return { manifest, folder: BUNDLED, places, digests, given: nameOrPath };
}

async function bundledNames(): Promise<string[]> {
  const files = await fsp.readdir(BUNDLED);
  return files
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => basename(file, '.yaml'))
    .sort();
}

/**
 * @param given names of bundled manifests, paths of manifests, or folders, each with all the manifests in it; empty: every bundled one
 * @throws StillhouseError bad-input for what leads to no manifest
 */
export async function teachersOf(given: readonly string[], from: LoadFrom): Promise<LoadedTeacher[]> {
  const names = given.length === 0 ? await bundledNames() : [];
  for (const name of given) names.push(...((await manifestsIn(name, from)) ?? [name]));
  const teachers: LoadedTeacher[] = [];
  for (const name of new Set(names)) teachers.push(await loadTeacher(name, from));
  return teachers;
}

/** Paths of the manifests in a folder, sorted; null for what is no folder, and for a bundled name. */
async function manifestsIn(name: string, { baseFolder }: LoadFrom): Promise<string[] | null> {
  if ((await bundledNames()).includes(name)) return null;
  let files: string[];
  try {
    files = await fsp.readdir(resolve(baseFolder, name));
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
    return null;
  }
  const manifests = files.filter((file) => /\.ya?ml$/i.test(file)).sort();
  if (manifests.length > 0) return manifests.map((file) => join(name, file));
  throw new StillhouseError({
    kind: 'bad-input',
    what: 'no teacher manifest lies in this folder',
    where: resolve(baseFolder, name),
    wanted: 'files that end in .yaml',
    got: 'none',
    next: 'name another folder, or a teacher from `stillhouse teachers ls`',
  });
}
