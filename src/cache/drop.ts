/** Takes spaces off the list: nothing is removed until `gc` finds that no snapshot, tag or reader needs it. */
import type { Clock } from '../core/clock.ts';
import { StillhouseError } from '../core/failure.ts';
import type { CommitFs } from '../store/commit-fs.ts';
import { appendJournal } from './journal.ts';
import { readPartList } from './part-list.ts';
import { codedLabel, namesOf, spaceFolderName } from './space.ts';
import { readDescriptors } from './space-files.ts';

export interface DropOptions {
  readonly root: string;
  readonly writer: string;
  readonly clock: Clock;
  readonly fs: CommitFs;
}

/**
 * Drops every part of the spaces that `name` means: an id, a label (`nanodet@224.spatial`, with or without codec), or a teacher.
 * @returns what was dropped. @throws StillhouseError bad-input when it means none.
 */
export async function dropSpaces(
  options: DropOptions,
  name: string,
): Promise<{ readonly spaces: readonly string[]; readonly parts: number; readonly bytes: number }> {
  const { root, writer, clock, fs } = options;
  const descriptors = await readDescriptors(root, fs);
  const meant = descriptors.filter((space) => namesOf(space).includes(name));
  if (meant.length === 0)
    throw new StillhouseError({
      kind: 'bad-input',
      what: 'the cache has no such space',
      where: root,
      wanted: `one of ${[...new Set(descriptors.map(codedLabel))].sort().join(', ') || 'none'}`,
      got: name,
      next: 'see `stillhouse cache ls`',
    });
  const { folders } = await readPartList(root, fs, { folders: new Set(meant.map(spaceFolderName)) });
  const parts = meant.flatMap((space) => [...(folders.get(spaceFolderName(space))?.parts.values() ?? [])]);
  const listings = parts.flatMap((part) => part.listings);
  if (listings.length > 0)
    await appendJournal(root, { v: 2, op: 'drop', writer, seq: 0, at: clock.nowIso(), listings }, fs);
  return {
    spaces: meant.map(codedLabel),
    parts: parts.length,
    bytes: parts.reduce((sum, { part }) => sum + part.sizeBytes, 0),
  };
}
