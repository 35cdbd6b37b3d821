/** Where a batch holds the targets of each space: by teacher and size, and by kind. Pure. */
import { type SpaceDescriptor, type TapKind, spaceLabel } from '../cache/space.ts';
import { StillhouseError } from '../core/failure.ts';

export interface BatchPlace {
  /** Teacher and size, `nanodet@224`. */
  readonly teacher: string;
  readonly kind: TapKind;
}

/**
 * The place of each space.
 * @param labels that they were asked for by
 * @throws StillhouseError bad-input for two of one teacher, size and kind: a batch has one place for them.
 */
export function batchPlaces(spaces: readonly SpaceDescriptor[], labels: readonly string[]): BatchPlace[] {
  const taken = new Map<string, string>();
  return spaces.map((space, s) => {
    const place = spaceLabel(space);
    const other = taken.get(place);
    if (other !== undefined) throw takenTwice(place, [other, labels[s]!]);
    taken.set(place, labels[s]!);
    return { teacher: `${space.teacher.name}@${space.sizePx}`, kind: space.tap.kind };
  });
}

function takenTwice(place: string, labels: readonly string[]): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'a batch has one place for what two labels ask for',
    where: 'spaces',
    wanted: `one label for ${place}`,
    got: labels.join(', '),
    next: 'leave one of them out, or open a loader for each',
  });
}
