/** Which spaces of a cache hold the pixels that a loader is asked for. */
import type { CachedSpace, Catalogue } from '../cache/catalogue.ts';
import { isPixelSpace, spaceIdOf } from '../cache/space.ts';
import { StillhouseError } from '../core/failure.ts';
import type { PixelSize, PixelSource } from './pixel-options.ts';

/**
 * Spaces of pixels that may be read: under `auto` those that this version of the decoder would fill with the same bytes, under `cache`
 * all that there are.
 */
export async function pixelSpacesIn(snapshot: Catalogue, from: PixelSource): Promise<CachedSpace[]> {
  const all = [...snapshot.spaces.values()].filter(({ descriptor }) => isPixelSpace(descriptor));
  if (from === 'cache' || all.length === 0) return all;
  if (from === 'images') return [];
  // loads the decoder, which a loader without pixels never needs
  const { pixelSpaceOf } = await import('../cache/pixel-space.ts');
  return all.filter(({ id, descriptor }) => id === spaceIdOf(pixelSpaceOf(descriptor.sizePx)));
}

/**
 * Index of the space that holds pixels of a size, -1 where none does.
 * @throws StillhouseError bad-input when several decoders left some: nobody says which is meant.
 */
export function pixelSpaceFor(spaces: readonly CachedSpace[], { heightPx, widthPx }: PixelSize): number {
  const found = spaces.flatMap(({ descriptor, rows }, i) =>
    descriptor.sizePx === heightPx && heightPx === widthPx && rows.size > 0 ? [i] : [],
  );
  if (found.length <= 1) return found[0] ?? -1;
  throw new StillhouseError({
    kind: 'bad-input',
    what: 'the cache has pixels of one size from several versions of the decoder',
    where: `${spaces[found[0]!]!.root}, ${widthPx} px`,
    wanted: 'one',
    got: found.map((i) => spaces[i]!.id).join(', '),
    next: 'take those of this version (`from: auto`), or `stillhouse cache drop` the ids that are not meant',
  });
}

export function pixelsNotThere(where: string, missing: number, samples: number): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'pixels are asked for from the cache, which lacks some',
    where,
    wanted: `pixels of each of ${samples} samples`,
    got: `${missing} without`,
    next: 'fill them with `stillhouse cache --pixels`, for these images and views; or let the rest be decoded, `from: auto`',
  });
}
