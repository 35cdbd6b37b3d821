import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { duplicateGroups } from '../../src/audit/duplicate-groups.ts';
import type { ImageId } from '../../src/core/ids.ts';
import { idOf } from './sample-images.ts';

const ids = Array.from({ length: 14 }, (_, i) => idOf(i)).sort();
const pair = fc.tuple(fc.constantFrom(...ids), fc.constantFrom(...ids));
const input = fc.record({
  ids: fc.constant(ids),
  exact: fc.array(pair, { maxLength: 5 }),
  near: fc.array(pair, { maxLength: 20 }),
});

describe('duplicateGroups', () => {
  it('does not chain: a row of near neighbours splits where links end', () => {
    const [a, b, c, d] = ids as [ImageId, ImageId, ImageId, ImageId];
    const groups = duplicateGroups({
      ids: [d, c, b, a],
      exact: [],
      near: [
        [a, b],
        [b, c],
        [c, d],
      ],
    });
    expect(groups).toEqual([
      { leader: a, members: [a, b], exactClasses: 2, diameter: 1 },
      { leader: c, members: [c, d], exactClasses: 2, diameter: 1 },
    ]);
  });

  it('merges exact copies however long their chain, at diameter 0', () => {
    const exact = ids.slice(1).map((id, i): [ImageId, ImageId] => [ids[i]!, id]);
    expect(duplicateGroups({ ids, exact, near: [] })).toEqual([
      { leader: ids[0], members: ids, exactClasses: 1, diameter: 0 },
    ]);
  });

  it('reports a star as diameter 2 and a triangle as 1', () => {
    const [a, b, c] = ids as [ImageId, ImageId, ImageId];
    const star: [ImageId, ImageId][] = [
      [a, b],
      [a, c],
    ];
    expect(duplicateGroups({ ids, exact: [], near: star })[0]!.diameter).toBe(2);
    expect(duplicateGroups({ ids, exact: [], near: [...star, [b, c]] })[0]!.diameter).toBe(1);
  });

  it('lets the first in the given order lead', () => {
    const [a, b, c] = ids as [ImageId, ImageId, ImageId];
    const [group] = duplicateGroups({
      ids,
      exact: [[a, c]],
      near: [[a, b]],
      compare: (x, y) => (x < y ? 1 : -1),
    });
    expect(group).toEqual({ leader: c, members: [c, b, a], exactClasses: 2, diameter: 1 });
  });

  it('gives an image that is near two leaders to the first of them', () => {
    const [a, b, c] = ids as [ImageId, ImageId, ImageId];
    const near: [ImageId, ImageId][] = [
      [c, b],
      [c, a],
    ];
    expect(duplicateGroups({ ids, exact: [], near }).map(({ members }) => members)).toEqual([[a, c]]);
  });

  it('puts every image in at most one group, near its leader, and no two leaders near each other', () => {
    fc.assert(
      fc.property(input, ({ ids: all, exact, near }) => {
        const groups = duplicateGroups({ ids: all, exact, near });
        const members = groups.flatMap((group) => group.members);
        expect(new Set(members).size).toBe(members.length);

        const classOf = new Map(all.map((id) => [id, id]));
        for (let round = 0; round < all.length; round++) {
          for (const [x, y] of exact) {
            const low = classOf.get(x)! < classOf.get(y)! ? classOf.get(x)! : classOf.get(y)!;
            classOf.set(x, low);
            classOf.set(y, low);
          }
        }
        const isNear = (x: ImageId, y: ImageId): boolean =>
          near.some(
            ([p, q]) =>
              (classOf.get(p) === classOf.get(x) && classOf.get(q) === classOf.get(y)) ||
              (classOf.get(p) === classOf.get(y) && classOf.get(q) === classOf.get(x)),
          );
        for (const { leader, members: own } of groups) {
          for (const id of own)
            expect(classOf.get(id) === classOf.get(leader) || isNear(id, leader)).toBe(true);
        }
        const grouped = new Set(members);
        const left = all.filter((id) => !grouped.has(id) || groups.some(({ leader }) => leader === id));
        for (const x of left) {
          for (const y of left) {
            if (x !== y) expect(classOf.get(x) === classOf.get(y) || isNear(x, y)).toBe(false);
          }
        }
      }),
    );
  });

  it('does not depend on the order of ids or pairs, or of the ends of a pair', () => {
    fc.assert(
      fc.property(input, ({ ids: all, exact, near }) => {
        const turned = (pairs: readonly [ImageId, ImageId][]): [ImageId, ImageId][] =>
          [...pairs].reverse().map(([x, y]) => [y, x]);
        expect(
          duplicateGroups({ ids: [...all].reverse(), exact: turned(exact), near: turned(near) }),
        ).toEqual(duplicateGroups({ ids: all, exact, near }));
      }),
    );
  });
});
