/**
 * Where a cache is kept: a folder, `s3://bucket/prefix`, or `file:/folder`, a folder far away that is read through local copies. Gives
 * what every function of a cache takes: a root for its paths, and the calls that reach the files below it.
 */
import { join, resolve } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { sha256 } from '../core/digest.ts';
import { StillhouseError } from '../core/failure.ts';
import { type CommitFs, nodeFs } from '../store/commit-fs.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { digestInName } from './copied-files.ts';

export interface PlaceOptions {
  /** Of an S3-compatible server; Amazon's when left out. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  /** Folder of staged files and local copies. */
  readonly replica: string;
  /** Most bytes of local copies. */
  readonly replicaMaxBytes: number;
  readonly clock: Clock;
}

export interface CachePlace {
  /** Where paths of the cache start: the folder, or for a store the folder of its staged files and copies. */
  readonly root: string;
  /** As it was named, for messages. */
  readonly name: string;
  readonly fs: CommitFs;
  /** Reads everything from where it is kept, never from a copy: for checks. */
  readonly checkFs: CommitFs;
}

/**
 * Nothing is read or written yet. The client for S3 is loaded only for `s3:`; it finds credentials by its own chain.
 * @throws StillhouseError usage for a URL that names no store.
 */
export async function openPlace(name: string, options: PlaceOptions): Promise<CachePlace> {
  // one letter is a drive
  if (!/^[a-z][a-z0-9]+:/.test(name)) return { root: resolve(name), name, fs: nodeFs, checkFs: nodeFs };
  const { store, folder } = await openStore(name, options);
  const root = join(resolve(options.replica), folder);
  const { objectFs } = await import('../store/object-fs.ts');
  const { Replica } = await import('../store/replica.ts');
  const { replicaMaxBytes: maxBytes, clock } = options;
  const replica = new Replica({ store, root, maxBytes, digestOf: digestInName, clock });
  return {
    root,
    name,
    fs: objectFs({ store, root, replica }),
    checkFs: objectFs({ store, root, replica: null }),
  };
}

async function openStore(
  name: string,
  { endpoint, region }: PlaceOptions,
): Promise<{ readonly store: ObjectStore; readonly folder: string }> {
  const s3 = /^s3:\/\/([a-z0-9][a-z0-9.-]+)(?:\/(.*?))?\/*$/.exec(name);
  if (s3 !== null) {
    const [bucket, prefix] = [s3[1]!, s3[2] ?? ''];
    if (prefix !== '' && prefix.split('/').some((part) => /^\.{0,2}$/.test(part))) throw badPlace(name);
    const { s3Store } = await import('../store/s3-store.ts');
    // stores of one name on two servers are two stores
    const server = `s3-${sha256(endpoint ?? 'aws').slice(0, 8)}`;
    return { store: s3Store({ bucket, prefix, endpoint, region }), folder: join(server, bucket, prefix) };
  }
  const file = /^file:(?:\/\/)?(\/.+)$/.exec(name);
  if (file !== null) {
    const { folderStore } = await import('../store/folder-store.ts');
    const root = resolve(file[1]!);
    return { store: folderStore(root), folder: join('file', sha256(root).slice(0, 16)) };
  }
  throw badPlace(name);
}

const badPlace = (got: string): StillhouseError =>
  new StillhouseError({
    kind: 'usage',
    what: 'the place of the cache is not understood',
    where: '--cache',
    wanted: 'a folder, s3://bucket/prefix or file:/folder',
    got,
    next: 'see `stillhouse cache --help`',
  });
