/**
 * Splits into parts that share no group of near-duplicates, with every class in each part as far as the groups allow
 * (audit-and-curation.md §5.9): the largest group first, each to the part that lacks its classes most. Where that misses exact sizes
 * that were asked for, a search says how many groups of each size go where (fit-group-sizes.ts), and classes decide which.
 */
import { StillhouseError } from '../core/failure.ts';
import type { ImageId } from '../core/ids.ts';
import type { ImageRow } from '../images/image-row.ts';
import { drawOrder } from './draw-order.ts';
import { fitGroupSizes } from './fit-group-sizes.ts';
import { byText } from './keep-best.ts';
import { largestRemainder } from './largest-remainder.ts';

export type SplitParts =
  /** Proportions on any scale; groups may make the sizes miss them. */
  | { readonly shares: Readonly<Record<string, number>> }
  /** Images of each part, exactly or not at all; `rest` names the part that takes all others. */
  | { readonly sizes: Readonly<Record<string, number>>; readonly rest?: string };

export interface SplitInput {
  readonly rows: readonly ImageRow[];
  readonly parts: SplitParts;
  /** Name of the group that must stay together; images alone have a group of their own. */
  readonly groupOf: (id: ImageId) => string;
  /** Whether each part is to have the classes in the proportions of the whole. */
  readonly byClass: boolean;
  readonly seed: number;
}

export interface SplitPart {
  readonly name: string;
  readonly wanted: number;
  readonly images: number;
}

export interface Split {
  readonly partOf: ReadonlyMap<ImageId, string>;
  readonly parts: readonly SplitPart[];
  /** Groups of two or more. */
  readonly groups: number;
}

/**
 * Independent of the order of the rows.
 * @throws StillhouseError bad-input when sizes ask for more images than there are, or leave some over, or groups do not fit
 * them, or no way to fit them was found among those that were tried; which of the two, it says.
 */
export function splitGroups({ rows, parts, groupOf, byClass, seed }: SplitInput): Split {
  const wanted = wantedSizes(parts, rows.length);
  const classOf = (row: ImageRow): string => (byClass && row.label !== null ? `=${row.label}` : '');
  const classSizes = countBy(rows, classOf);
  const groups = new Map<string, ImageRow[]>();
  for (const row of [...rows].sort((x, y) => byText(x.id, y.id))) {
    const key = groupOf(row.id);
    const known = groups.get(key);
    if (known) known.push(row);
    else groups.set(key, [row]);
  }
  const ordered = drawOrder([...groups.values()], ([first]) => `split ${first!.id}`, seed).sort(
    (x, y) => y.length - x.length,
  );
  const share = { ordered, wanted, classSizes, classOf, total: rows.length };
  let split = assign(share, null);
  const missed = split.parts.find((part) => part.images !== part.wanted);
  if ('sizes' in parts && missed !== undefined) {
    const counts = countBy(ordered, ({ length }) => String(length));
    const sizes = [...counts].map(([size, count]) => ({ size: Number(size), count }));
    const quotas = fitGroupSizes(
      sizes,
      wanted.map(([, size]) => size),
    );
    if (quotas === 'none' || quotas === 'unknown')
      throw refused(
        quotas === 'none'
          ? 'groups that must stay together do not fit the sizes of a split'
          : 'no way was found to fit groups that must stay together into the sizes of a split',
        wanted.map(([name, size]) => `${size} images in "${name}"`).join(', '),
        `groups of ${sizes
          .map(({ size }) => size)
          .sort((x, y) => y - x)
          .slice(0, 5)
          .join(', ')} images, the largest first`,
        'give shares instead of sizes, choose other sizes, or join fewer images (keepTogether)',
      );
    const place = new Map(sizes.sort((x, y) => y.size - x.size).map(({ size }, i) => [size, i]));
    split = assign(share, (size) => quotas[place.get(size)!]!);
  }
  return { ...split, groups: ordered.filter(({ length }) => length > 1).length };
}

interface Share {
  /** Groups, the largest first. */
  readonly ordered: readonly (readonly ImageRow[])[];
  readonly wanted: readonly (readonly [string, number])[];
  readonly classSizes: ReadonlyMap<string, number>;
  readonly classOf: (row: ImageRow) => string;
  readonly total: number;
}

/** @param quotaOf how many groups of a size each part still takes, counted down here; null: wherever there is room */
function assign(
  { ordered, wanted, classSizes, classOf, total }: Share,
  quotaOf: ((size: number) => number[]) | null,
): Omit<Split, 'groups'> {
  const states = wanted.map(([name, size], at) => ({
    at,
    name,
    size,
    left: size,
    // of each class, how many this part still lacks
    lacks: new Map([...classSizes].map(([key, count]) => [key, (size * count) / Math.max(1, total)])),
  }));
  const partOf = new Map<ImageId, string>();
  for (const group of ordered) {
    const inClasses = countBy(group, classOf);
    const quota = quotaOf?.(group.length);
    const fitting = states.filter(({ at, left }) =>
      quota === undefined ? left >= group.length : quota[at]! > 0,
    );
    const lackOf = ({ lacks }: (typeof states)[number]): number =>
      [...inClasses].reduce((sum, [key, count]) => sum + count * lacks.get(key)!, 0);
    // where it fits nowhere, it does the least harm where most is left
    const chosen =
      fitting.length > 0
        ? fitting.reduce((so, state) => (lackOf(state) > lackOf(so) ? state : so))
        : states.reduce((so, state) => (state.left > so.left ? state : so));
    if (quota !== undefined) quota[chosen.at]! -= 1;
    chosen.left -= group.length;
    for (const [key, count] of inClasses) chosen.lacks.set(key, chosen.lacks.get(key)! - count);
    for (const { id } of group) partOf.set(id, chosen.name);
  }
  return {
    partOf,
    parts: states.map(({ name, size, left }) => ({ name, wanted: size, images: size - left })),
  };
}

function wantedSizes(parts: SplitParts, total: number): [string, number][] {
  if ('shares' in parts) {
    const names = Object.keys(parts.shares).sort(byText);
    const weights = names.map((name) => parts.shares[name]!);
    if (!(weights.reduce((a, b) => a + b, 0) > 0))
      throw refused('the shares of a split sum to 0', 'one share above 0', JSON.stringify(parts.shares));
    const sizes = largestRemainder(weights, total);
    return names.map((name, i) => [name, sizes[i]!]);
  }
  const { sizes, rest } = parts;
  const asked = Object.values(sizes).reduce((a, b) => a + b, 0);
  if (asked > total)
    throw refused('a split asks for more images than there are', `at most ${total} images`, String(asked));
  if (rest === undefined && asked < total)
    throw refused(
      'the sizes of a split leave images over',
      `${total} images in all, or \`rest\``,
      String(asked),
      'name the part that takes the others: rest: train',
    );
  const names = [...new Set([...Object.keys(sizes), ...(rest === undefined ? [] : [rest])])].sort(byText);
  return names.map((name) => [name, (sizes[name] ?? 0) + (name === rest ? total - asked : 0)]);
}

function countBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}

function refused(
  what: string,
  wanted: string,
  got: string,
  next = 'correct `split` in the policy',
): StillhouseError {
  return new StillhouseError({ kind: 'bad-input', what, where: 'split', wanted, got, next });
}
