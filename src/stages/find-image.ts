/** Finds the one image that a person means by a path, the end of one, an id or its first digits. */
import { StillhouseError } from '../core/failure.ts';
import { nearestNames } from '../core/nearest-names.ts';

/** @throws StillhouseError bad-input when none fits, naming the nearest, or several do. */
export function findImage<
  T extends { readonly id: string | null; readonly path: string; readonly name: string | null },
>(wanted: string, candidates: readonly T[]): T {
  const clean = wanted.replace(/^(\.\/)+/, '');
  const isId = /^[0-9a-f]{4,64}$/.test(wanted);
  const exact = candidates.filter(
    ({ id, path, name }) => path === clean || name === wanted || (isId && id === wanted),
  );
  const near =
    exact.length > 0
      ? exact
      : candidates.filter(
          ({ id, path }) =>
            path.endsWith(`/${clean}`) ||
            `/${clean}`.endsWith(`/${path}`) ||
            (isId && id?.startsWith(wanted) === true),
        );
  const [only] = near;
  if (only !== undefined && near.length === 1) return only;
  const paths = near.length > 0 ? near : nearest(clean, candidates);
  throw new StillhouseError({
    kind: 'bad-input',
    what: near.length > 0 ? 'several images fit' : 'no image of that name was curated',
    where: wanted,
    wanted: 'a path, the end of one, an image id, or its first digits',
    got: `${near.length > 0 ? `${near.length} of them: ` : 'none; the nearest: '}${paths
      .slice(0, 3)
      .map(({ path }) => path)
      .join(', ')}`,
    next: 'name one of them',
  });
}

function nearest<T extends { readonly path: string }>(wanted: string, candidates: readonly T[]): T[] {
  const byPath = new Map(candidates.map((one) => [one.path, one]));
  return nearestNames(wanted, byPath.keys()).map((path) => byPath.get(path)!);
}
