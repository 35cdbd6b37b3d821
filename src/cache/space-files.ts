/** Descriptions of spaces on disk: `spaces/<space id>.json`, written once, content and name bound by the id. */
import { join } from 'node:path';
import { type Json, canonicalJson } from '../core/canonical-json.ts';
import { StillhouseError } from '../core/failure.ts';
import { jsonOrNull } from '../core/json-or-null.ts';
import { writeIfAbsent } from '../store/atomic.ts';
import { type CommitFs, asStoreFailure, nodeFs } from '../store/commit-fs.ts';
import { listOrNone } from './journal.ts';
import { type SpaceDescriptor, spaceIdOf } from './space.ts';

/** Writes the immutable descriptor of a space once. */
export async function registerSpace(
  root: string,
  space: SpaceDescriptor,
  fs: CommitFs = nodeFs,
): Promise<void> {
  const path = join(root, 'spaces', `${spaceIdOf(space)}.json`);
  await writeIfAbsent(path, textOf(space), fs);
}

const textOf = (space: SpaceDescriptor): string => `${canonicalJson(space as unknown as Json)}\n`;

export interface SpaceFile {
  /** `spaces/<name>` below the root. */
  readonly file: string;
  /** Null when the content does not hash to the name. */
  readonly descriptor: SpaceDescriptor | null;
  /** The id the content hashes to, or what is wrong with it. */
  readonly got: string;
}

/** Every description, sorted by name; changed ones are told, not thrown. */
export async function readSpaceFiles(root: string, fs: CommitFs): Promise<SpaceFile[]> {
  const found: SpaceFile[] = [];
  for (const name of (await listOrNone(join(root, 'spaces'), fs)).sort()) {
    const text = await readText(join(root, 'spaces', name), fs);
    const value = jsonOrNull(text);
    const descriptor = typeof value === 'object' && value !== null ? (value as SpaceDescriptor) : null;
    const got = descriptor === null ? 'no JSON object' : spaceIdOf(descriptor);
    found.push({
      file: `spaces/${name}`,
      descriptor: `${got}.json` === name && text === textOf(descriptor!) ? descriptor : null,
      got: `${got}.json` === name ? 'the right content in another form' : got,
    });
  }
  return found;
}

/** @throws StillhouseError integrity when a description was changed. */
export async function readDescriptors(root: string, fs: CommitFs): Promise<SpaceDescriptor[]> {
  return (await readSpaceFiles(root, fs)).map(({ file, descriptor, got }) => {
    if (descriptor !== null) return descriptor;
    throw new StillhouseError({
      kind: 'integrity',
      what: 'the description of a space was changed',
      where: join(root, file),
      wanted: `content that hashes to ${file.replace(/^spaces\/|\.json$/g, '')}`,
      got,
      next: 'restore the file from a copy, or run `stillhouse cache verify --repair`: the next run writes it anew',
    });
  });
}

async function readText(path: string, fs: CommitFs): Promise<string> {
  try {
    return Buffer.from(await fs.read(path)).toString('utf8');
  } catch (error) {
    throw asStoreFailure(error, path);
  }
}
