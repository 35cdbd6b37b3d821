/** From what a person calls spaces to the spaces of a catalogue. Pure. */
import { StillhouseError } from '../core/failure.ts';
import type { CachedSpace, Catalogue } from './catalogue.ts';
import { codedLabel, namesOf } from './space.ts';

/**
 * Every space that has one of the names, an id, a label with or without codec, or a teacher; all spaces for no name.
 * @throws StillhouseError bad-input for a name that means no space
 */
export function spacesNamed({ root, spaces }: Catalogue, names: readonly string[]): CachedSpace[] {
  const all = [...spaces.values()];
  const isMeant = ({ descriptor }: CachedSpace, name: string): boolean => namesOf(descriptor).includes(name);
  for (const name of names)
    if (!all.some((space) => isMeant(space, name)))
      throw new StillhouseError({
        kind: 'bad-input',
        what: 'the cache has no such space',
        where: root,
        wanted: all.map(({ descriptor }) => codedLabel(descriptor)).join(', ') || 'a space',
        got: name,
        next: 'see `stillhouse cache ls`',
      });
  return all.filter((space) => names.length === 0 || names.some((name) => isMeant(space, name)));
}
