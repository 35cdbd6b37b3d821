/**
 * Which space of a snapshot a label means. Codecs of one exact space stand in for each other, so a label without a codec means the one
 * that has most of the samples, and of equals the richest: a space that only holds the sample of a first pass is not what is meant.
 * `sam@256.spatial` means the pictures themselves where those are there, else the only mosaic.
 */
import type { CachedSpace, Catalogue } from '../cache/catalogue.ts';
import { BY_RICHNESS } from '../cache/codecs/richness.ts';
import { storedRowBytes } from '../cache/codecs/stored-tensor.ts';
import type { RowKey } from '../cache/row-key.ts';
import {
  type SpaceDescriptor,
  codedLabel,
  exactLabel,
  exactSpaceIdOf,
  isPixelSpace,
  spaceLabel,
} from '../cache/space.ts';
import { StillhouseError } from '../core/failure.ts';

/** @throws StillhouseError bad-input when no space has the label, or several teachers' do (other weights, or another runtime). */
export function spaceMeant(snapshot: Catalogue, label: string, keys: readonly RowKey[]): CachedSpace {
  const targets = [...snapshot.spaces.values()].filter(({ descriptor }) => !isPixelSpace(descriptor));
  const named = (...nameOf: ((space: SpaceDescriptor) => string)[]): CachedSpace[] =>
    targets.filter(({ descriptor }) => nameOf.some((name) => name(descriptor) === label));
  const precise = named(exactLabel, codedLabel);
  const found = precise.length > 0 ? precise : named(spaceLabel);
  const exact = new Set(found.map(({ descriptor }) => exactSpaceIdOf(descriptor)));
  if (exact.size === 1) return best(found, keys);
  throw new StillhouseError({
    kind: 'bad-input',
    what: found.length === 0 ? 'there is no such space' : 'a label means the spaces of several teachers',
    where: `${snapshot.root}, ${label}`,
    wanted: 'a label of one teacher at one size',
    got: found.length === 0 ? known(targets) : found.map(({ id }) => id).join(', '),
    next: 'see `stillhouse cache ls`; open the snapshot with only the spaces that are meant',
  });
}

function best(found: readonly CachedSpace[], keys: readonly RowKey[]): CachedSpace {
  const held = new Map(found.map((space) => [space, found.length === 1 ? 0 : usableOf(space, keys)]));
  const poverty = ({ descriptor: { codec } }: CachedSpace): number => BY_RICHNESS.indexOf(codec.id);
  // pooled maps are of another shape
  const pool = ({ descriptor: { codec } }: CachedSpace): number => codec.pool ?? 1;
  return [...found].sort(
    (a, b) =>
      held.get(b)! - held.get(a)! ||
      pool(a) - pool(b) ||
      poverty(a) - poverty(b) ||
      storedRowBytes(b.descriptor) - storedRowBytes(a.descriptor) ||
      (a.id < b.id ? -1 : 1),
  )[0]!;
}

function usableOf({ rows }: CachedSpace, keys: readonly RowKey[]): number {
  let count = 0;
  for (const key of keys) {
    const place = rows.get(key);
    if (place !== undefined && place.part.index.ok[place.row] === 1) count += 1;
  }
  return count;
}

const known = (spaces: readonly CachedSpace[]): string =>
  spaces.map(({ descriptor }) => codedLabel(descriptor)).join(', ') || 'an empty cache';
