/** Finds teacher manifests: by name among the bundled ones, or by path. */
import * as fsp from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { StillhouseError } from '../core/failure.ts';
import { nearestNames } from '../core/nearest-names.ts';
import { type TeacherManifest, readTeacherManifest } from './teacher-manifest.ts';

const BUNDLED = join(import.meta.dirname, '..', '..', 'manifests', 'teachers');

export interface LoadedTeacher {
  readonly manifest: TeacherManifest;
  /** Folder that `file:` URIs of the manifest start from. */
  readonly folder: string;
}

/**
 * @param nameOrPath a bundled name, or a path (ends in .yaml) relative to `baseFolder`
 * @throws StillhouseError bad-input for a name that no manifest has, naming the nearest
 */
export async function loadTeacher(nameOrPath: string, baseFolder: string): Promise<LoadedTeacher> {
  if (/\.ya?ml$/i.test(nameOrPath)) {
    const path = resolve(baseFolder, nameOrPath);
    return { manifest: await readTeacherManifest(path), folder: dirname(path) };
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
  return { manifest: await readTeacherManifest(join(BUNDLED, `${nameOrPath}.yaml`)), folder: BUNDLED };
}

async function bundledNames(): Promise<string[]> {
  const files = await fsp.readdir(BUNDLED);
  return files
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => basename(file, '.yaml'))
    .sort();
}

/** One line per bundled teacher. */
export interface TeacherLine {
  readonly name: string;
  readonly engine: string;
  readonly licence: string;
  readonly sizes: string;
  readonly summary: string;
  readonly spatial: string;
  readonly weights: string;
}

export async function listTeachers(): Promise<TeacherLine[]> {
  const lines: TeacherLine[] = [];
  for (const name of await bundledNames()) {
    const { manifest } = await loadTeacher(name, BUNDLED);
    const sizes = manifest.input.sizesPx;
    lines.push({
      name,
      engine: manifest.engine,
      licence: manifest.licence.spdx,
      sizes: 'multipleOf' in sizes ? `${sizes.min}-${sizes.max} by ${sizes.multipleOf}` : sizes.join(', '),
      summary: manifest.summary?.tensor ?? 'none',
      spatial: manifest.spatial?.tensor ?? 'none',
      weights: manifest.weights.uri,
    });
  }
  return lines;
}
