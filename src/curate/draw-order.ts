/** Seeded choices that belong to the items, not to their places: an added or missing item disturbs no other. */
import { sha256 } from '../core/digest.ts';
import { byText } from './keep-best.ts';

/** A seeded permutation by the sha256 of each name. */
export function drawOrder<T>(items: readonly T[], nameOf: (item: T) => string, seed: number): T[] {
  return items
    .map((item) => ({ item, draw: sha256(`balance ${seed} ${nameOf(item)}`) }))
    .sort((x, y) => byText(x.draw, y.draw))
    .map(({ item }) => item);
}
