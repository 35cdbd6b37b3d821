/**
 * Groups of duplicates that do not chain (audit-and-curation.md §5.9).
 *
 * Exact copies are merged first (union-find; equality is transitive). The classes are then visited in a fixed order: a class
 * that is near an earlier leader joins the first such leader, any other becomes a leader itself. Nearness is not transitive, so
 * members are near their leader and nothing is claimed about each other; and no two leaders are near, which makes the leaders a
 * de-duplicated set.
 */
import type { ImageId } from '../core/ids.ts';

export interface GroupingInput {
  readonly ids: readonly ImageId[];
  /** Pairs of equal images. */
  readonly exact: readonly (readonly [ImageId, ImageId])[];
  /** Verified pairs of near-equal images. */
  readonly near: readonly (readonly [ImageId, ImageId])[];
  /** Who leads: the first in this order. A total order; ascending ids when absent. */
  readonly compare?: (a: ImageId, b: ImageId) => number;
}

export interface DuplicateGroup {
  readonly leader: ImageId;
  /** All members in the order of `compare`, the leader first. At least 2. */
  readonly members: readonly ImageId[];
  readonly exactClasses: number;
  /**
   * Most links between two members, exact copies being 0 apart: 0 all exact, 1 all directly near each other, 2 some only
   * through the leader. Never more.
   */
  readonly diameter: 0 | 1 | 2;
}

const byId = (a: ImageId, b: ImageId): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Groups of two or more, in the order of their leaders. Independent of the order of all inputs.
 * @throws Error (a defect) when a pair names an id that is not listed.
 */
export function duplicateGroups({ ids, exact, near, compare = byId }: GroupingInput): DuplicateGroup[] {
  const sorted = [...new Set(ids)].sort(compare);
  const position = new Map(sorted.map((id, i) => [id, i]));
  const positionOf = (id: ImageId): number => {
    const at = position.get(id);
    if (at === undefined) throw new Error(`internal: pair names unknown image ${id}`);
    return at;
  };
  const sets = new UnionFind(sorted.length);
  for (const [a, b] of exact) sets.union(positionOf(a), positionOf(b));
  const adjacent = new Map<number, Set<number>>();
  for (const [a, b] of near) link(adjacent, sets.find(positionOf(a)), sets.find(positionOf(b)));

  const leaderOf = new Map<number, number>();
  const groups = new Map<number, number[]>();
  for (let i = 0; i < sorted.length; i++) {
    if (sets.find(i) !== i) continue;
    const leaders = [...(adjacent.get(i) ?? [])].filter((other) => leaderOf.get(other) === other);
    const leader = leaders.length === 0 ? i : Math.min(...leaders);
    leaderOf.set(i, leader);
    const classes = groups.get(leader);
    if (classes) classes.push(i);
    else groups.set(leader, [i]);
  }
  const membersOf = new Map<number, ImageId[]>();
  sorted.forEach((id, i) => {
    const leader = leaderOf.get(sets.find(i))!;
    const members = membersOf.get(leader);
    if (members) members.push(id);
    else membersOf.set(leader, [id]);
  });
  return [...groups].flatMap(([leader, classes]) => {
    const members = membersOf.get(leader)!;
    if (members.length < 2) return [];
    const first = sorted[leader]!;
    return [
      {
        leader: first,
        members: [first, ...members.filter((id) => id !== first)],
        exactClasses: classes.length,
        diameter: diameterOf(classes, adjacent),
      },
    ];
  });
}

function link(adjacent: Map<number, Set<number>>, a: number, b: number): void {
  if (a === b) return;
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const others = adjacent.get(from);
    if (others) others.add(to);
    else adjacent.set(from, new Set([to]));
  }
}

function diameterOf(classes: readonly number[], adjacent: Map<number, Set<number>>): 0 | 1 | 2 {
  if (classes.length === 1) return 0;
  const group = new Set(classes);
  const complete = classes.every((c) => {
    let linked = 0;
    for (const other of adjacent.get(c) ?? []) if (group.has(other)) linked++;
    return linked === classes.length - 1;
  });
  return complete ? 1 : 2;
}

/** Disjoint sets whose root is always the smallest member. */
class UnionFind {
  readonly #parent: Int32Array;

  constructor(size: number) {
    this.#parent = Int32Array.from({ length: size }, (_, i) => i);
  }

  find(i: number): number {
    let root = i;
    while (this.#parent[root] !== root) root = this.#parent[root]!;
    for (let at = i; at !== root;) {
      const next = this.#parent[at]!;
      this.#parent[at] = root;
      at = next;
    }
    return root;
  }

  union(a: number, b: number): void {
    const x = this.find(a);
    const y = this.find(b);
    this.#parent[Math.max(x, y)] = Math.min(x, y);
  }
}
