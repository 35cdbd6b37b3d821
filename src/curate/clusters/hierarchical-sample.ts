/**
 * Sampling down a tree of clusters: at every node the budget is shared over the children as evenly as their sizes allow
 * (water-filling), and the finest clusters give images at random or nearest to their centre (Vo et al. 2024, §3.3).
 *
 * Each image's chance to be chosen, over all seeds and given the clusters, is computed exactly: a node's budget is random where a
 * remainder is drawn, and its distribution is carried down the tree.
 */
import { drawOrder } from '../draw-order.ts';
import { byText } from '../keep-best.ts';
import { waterFill, waterLevel } from '../water-fill.ts';

export interface SampleItem {
  readonly id: string;
  /** Clusters from the coarsest to the finest, joined by dots. */
  readonly path: string;
  /** Closeness to the centre of the finest cluster; higher is nearer. */
  readonly closeness: number;
}

export interface SampleInput {
  readonly items: readonly SampleItem[];
  readonly total: number;
  readonly pick: 'random' | 'closest';
  readonly seed: number;
}

export interface SampledItem {
  readonly item: SampleItem;
  readonly chosen: boolean;
  /** In [0, 1]; over the items it sums to the number that is chosen. */
  readonly inclusionProbability: number;
  /** What its finest cluster gives, and how many it has. */
  readonly quota: number;
  readonly size: number;
}

/** One entry per item, ascending by id. */
export function hierarchicalSample({ items, total, pick, seed }: SampleInput): SampledItem[] {
  const out: SampledItem[] = [];
  const visit = (members: readonly SampleItem[], depth: number, prefix: string, budget: Budget): void => {
    const children = childrenOf(members, depth);
    if (children === null) {
      out.push(...chosenOf(members, { budget, pick, seed }));
      return;
    }
    const sizes = new Map([...children].map(([key, list]) => [`${prefix}${key}`, list.length]));
    const counts = waterFill(sizes, budget.count, seed);
    for (const [key, list] of children) {
      const name = `${prefix}${key}`;
      const chances = childChances(budget.chances, [...sizes.values()], list.length);
      visit(list, depth + 1, `${name}.`, { count: counts.get(name)!.count, chances });
    }
  };
  const whole = Math.min(total, items.length);
  visit([...items], 0, '', { count: whole, chances: new Map([[whole, 1]]) });
  return out.sort((x, y) => byText(x.item.id, y.item.id));
}

interface Budget {
  readonly count: number;
  /** Chance of each count, over seeds. */
  readonly chances: ReadonlyMap<number, number>;
}

/** Members by their cluster at this depth; null below the finest. */
function childrenOf(members: readonly SampleItem[], depth: number): Map<string, SampleItem[]> | null {
  const children = new Map<string, SampleItem[]>();
  for (const member of members) {
    const key = member.path.split('.')[depth];
    if (key === undefined) return null;
    const known = children.get(key);
    if (known) known.push(member);
    else children.set(key, [member]);
  }
  return new Map([...children].sort(([a], [b]) => byText(a, b)));
}

/** How a child of this size shares in each count that its parent may have. */
function childChances(
  parent: ReadonlyMap<number, number>,
  sizes: readonly number[],
  size: number,
): Map<number, number> {
  const chances = new Map<number, number>();
  const add = (count: number, chance: number): void => {
    if (chance > 0) chances.set(count, (chances.get(count) ?? 0) + chance);
  };
  for (const [count, chance] of parent) {
    const { level, extra, open } = waterLevel(sizes, count);
    if (size <= level) add(size, chance);
    else {
      add(level + 1, (chance * extra) / open);
      add(level, (chance * (open - extra)) / open);
    }
  }
  return chances;
}

function chosenOf(
  members: readonly SampleItem[],
  { budget, pick, seed }: { readonly budget: Budget } & Pick<SampleInput, 'pick' | 'seed'>,
): SampledItem[] {
  const size = members.length;
  const ordered =
    pick === 'random'
      ? // not the draws of a later balance: what is left here must be in random order there
        drawOrder(members, ({ id }) => `sample ${id}`, seed)
      : [...members].sort((x, y) => y.closeness - x.closeness || byText(x.id, y.id));
  return ordered.map((item, rank) => {
    let inclusionProbability = 0;
    for (const [count, chance] of budget.chances)
      inclusionProbability += pick === 'random' ? (chance * count) / size : rank < count ? chance : 0;
    return {
      item,
      chosen: rank < budget.count,
      inclusionProbability: Math.min(1, inclusionProbability),
      quota: budget.count,
      size,
    };
  });
}
