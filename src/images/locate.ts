/**
 * Uris of images, and the files they mean. File names on Linux are bytes, not text, so a uri escapes every byte outside the
 * unreserved set of RFC 3986 §2.3, and a path is a Buffer from here on.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { StillhouseError } from '../core/failure.ts';

/** Where relative and `npm:` uris start. */
export interface Places {
  /** Absolute folder that relative uris start from. */
  readonly root: string;
  /** Absolute folders whose `node_modules`, and their parents', are searched for packages; first hit wins. */
  readonly packagesFrom: readonly string[];
}

const UNRESERVED = /[A-Za-z0-9\-._~/]/;

/** Percent-encodes the bytes of a relative path. Injective; {@link bytesOfUri} is its inverse. */
export function uriOfBytes(path: Uint8Array): string {
  let uri = '';
  for (const byte of path) {
    const char = String.fromCharCode(byte);
    uri += UNRESERVED.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return uri;
}

/** @throws StillhouseError `bad-input` for a broken escape. Characters that need none are taken as their UTF-8 bytes. */
export function bytesOfUri(uri: string): Buffer {
  if (/%(?![0-9A-Fa-f]{2})/.test(uri)) throw badUri(uri, 'a % without two hex digits');
  const parts = uri.split(/(%[0-9A-Fa-f]{2})/);
  return Buffer.concat(
    parts.map((part, i) => (i % 2 === 1 ? Buffer.from(part.slice(1), 'hex') : Buffer.from(part))),
  );
}

/**
 * The absolute path of an image's file, as bytes. Pure text work except that `npm:` looks for the package folder; links are
 * not followed, so a link inside the root may still point out of it.
 * @throws StillhouseError `bad-input` for a uri that is empty, absolute or climbs above its root, `environment` for a package
 * that is not installed.
 */
export function locate(uri: string, places: Places): Buffer {
  const npm = /^npm:((?:@[^/]+\/)?[^/]+)\/(.+)$/s.exec(uri);
  if (npm === null && /^[A-Za-z][A-Za-z0-9+.-]*:/.test(uri)) throw badUri(uri, 'a scheme other than npm:');
  const relative = bytesOfUri(npm === null ? uri : npm[2]!);
  checkInside(uri, relative);
  const root = npm === null ? places.root : packageFolder(npm[1]!, places.packagesFrom);
  return Buffer.concat([Buffer.from(`${root}/`), relative]);
}

function checkInside(uri: string, path: Buffer): void {
  if (path.length === 0) throw badUri(uri, 'an empty path');
  if (path.includes(0)) throw badUri(uri, 'a NUL byte');
  if (path[0] === 0x2f) throw badUri(uri, 'an absolute path');
  if (path.toString('latin1').split('/').includes('..')) throw badUri(uri, 'a path with ".."');
}

function badUri(uri: string, got: string): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'a path that is not inside the dataset',
    where: uri,
    wanted: 'a path below the root, with % escapes of two hex digits',
    got,
    next: 'Set `root` in the dataset header to a folder above all images.',
  });
}

/**
 * Folder of an installed package, found as Node finds it, whatever its `exports` hide.
 * @throws StillhouseError `environment` when it is not installed.
 */
export function packageFolder(name: string, from: readonly string[]): string {
  for (const folder of from) {
    const search = createRequire(join(resolve(folder), 'from.js')).resolve.paths(name) ?? [];
    for (const modules of search) {
      const found = join(modules, name);
      if (existsSync(join(found, 'package.json'))) return found;
    }
  }
  throw new StillhouseError({
    kind: 'environment',
    what: `npm package ${name} is not installed`,
    where: from.join(', '),
    next: `Run: npm install ${name}`,
  });
}
