/** How long a plan will take, from the time that earlier parts of the same spaces took on a machine of the same class. */
import type { CacheUnit } from './plan.ts';
import type { Rates } from './part-list.ts';
import { spaceFolderName } from './space.ts';

/**
 * Milliseconds, or null when no earlier commit tells. A unit is rated by what was filled in exactly its spaces; failing that, by
 * the fastest commits that filled them and others besides, which is then an upper bound.
 */
export function estimateMs(units: readonly CacheUnit[], rates: Rates, machine: string): number | null {
  const known = Object.entries(rates[machine] ?? {}).map(([spaces, { rows, ms }]) => ({
    spaces: new Set(spaces.split(' + ')),
    msPerRow: ms / rows,
  }));
  const perRow = new Map<string, number | null>();
  let total = 0;
  for (const { missing } of units) {
    const wanted = missing.flatMap(({ group, bySpace }) =>
      group.spaces.flatMap((space, i) => (bySpace[i]!.length > 0 ? [spaceFolderName(space)] : [])),
    );
    const key = wanted.sort().join(' + ');
    let rate = perRow.get(key);
    if (rate === undefined) {
      const fitting = known
        .filter(({ spaces }) => wanted.every((space) => spaces.has(space)))
        .sort((a, b) => a.spaces.size - b.spaces.size || a.msPerRow - b.msPerRow);
      rate = fitting[0]?.msPerRow ?? null;
      perRow.set(key, rate);
    }
    if (rate === null) return null;
    total += rate * Math.max(...missing.map(({ rows }) => rows.length));
  }
  return total;
}
