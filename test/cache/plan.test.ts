import { describe, expect, it } from 'vitest';
import type { Catalogue } from '../../src/cache/catalogue.ts';
import { type SpaceGroup, type WantedImage, planCache, wantedRows } from '../../src/cache/plan.ts';
import type { RowKey } from '../../src/cache/row-key.ts';
import { type SpaceDescriptor, spaceIdOf } from '../../src/cache/space.ts';
import { FULL_VIEW, type View } from '../../src/images/view.ts';
import { quickFs } from '../support/quick-fs.ts';
import { LEFT_HALF, group, image, images, keyOf } from './rig.ts';

/** A catalogue that holds the given rows; where they lie does not matter to a plan. */
function holding(...spaces: readonly (readonly [SpaceDescriptor, readonly RowKey[]])[]): Catalogue {
  const place = { part: null as never, row: 0 };
  return {
    fs: quickFs,
    root: 'nowhere',
    missingParts: [],
    snapshot: null,
    isPublished: false,
    rates: {},
    trouble: [],
    spaces: new Map(
      spaces.map(([descriptor, keys]) => [
        spaceIdOf(descriptor),
        {
          fs: quickFs,
          root: 'nowhere',
          id: spaceIdOf(descriptor),
          descriptor,
          parts: [],
          rows: new Map(keys.map((key) => [key, place])),
        },
      ]),
    ),
  };
}

const plan = (wanted: readonly WantedImage[], groups: readonly SpaceGroup[], catalogue = holding()) =>
  planCache({ wanted, groups, catalogue, unitRows: 4 });

describe('a cache plan', () => {
  it('wants one row per image and view, in the order of the wishes, a repeated one once', () => {
    const [a, b] = [image(1), image(2)];
    const rows = wantedRows([
      { image: a, views: [FULL_VIEW, LEFT_HALF] },
      { image: b, views: [FULL_VIEW] },
      { image: { ...a, uri: 'elsewhere.png' }, views: [LEFT_HALF, FULL_VIEW] },
    ]);
    expect(rows.map(({ key }) => key)).toEqual([keyOf(a), keyOf(a, LEFT_HALF), keyOf(b)]);
  });

  it('keeps the views of an image together, also those that another dataset wants, under its first record', () => {
    const [a, b] = [image(1), image(2)];
    const rows = wantedRows([
      { image: a, views: [FULL_VIEW] },
      { image: b, views: [FULL_VIEW] },
      { image: { ...a, uri: 'elsewhere.png' }, views: [LEFT_HALF] },
    ]);
    expect(rows.map(({ key }) => key)).toEqual([keyOf(a), keyOf(a, LEFT_HALF), keyOf(b)]);
    expect(rows.map(({ image }) => image.uri)).toEqual([a.uri, a.uri, b.uri]);
  });

  it('ends a unit where an image ends, and one image with more views than that is a unit of its own', () => {
    const views = (count: number) =>
      Array.from({ length: count }, (_, i): View => ({ box: [0, 0, 1, (i + 1) / 8], flip: false }));
    const wanted = [3, 2, 2, 6, 1, 1].map((count, i) => ({ image: image(i), views: views(count) }));
    const { units } = plan(wanted, [group()]);
    expect(units.map(({ rows }) => rows.map((row) => row.image.name).join(' '))).toEqual([
      'i0 i0 i0',
      'i1 i1 i2 i2',
      'i3 i3 i3 i3 i3 i3',
      'i4 i5',
    ]);
  });

  it('computes everything of an empty cache, in units of the size asked', () => {
    const sums = group();
    const { units, coverage } = plan(images(10), [sums]);
    expect(units.map(({ rows }) => rows.length)).toEqual([4, 4, 2]);
    expect(units[0]!.missing).toEqual([
      {
        group: sums,
        rows: [0, 1, 2, 3],
        bySpace: [
          [0, 1, 2, 3],
          [0, 1, 2, 3],
        ],
      },
    ]);
    expect(coverage).toMatchObject([
      { label: 'sums@2.summary', wanted: 10, present: 0, missing: 10, bytesToWrite: 60 },
      { label: 'sums@2.spatial', wanted: 10, present: 0, missing: 10, bytesToWrite: 80 },
    ]);
  });

  it('keeps the borders of units in the wanted list, whatever is missing', () => {
    const sums = group();
    const all = images(12);
    const there = [0, 1, 2, 4, 5, 6, 7, 11].map((i) => keyOf(all[i]!.image));
    const { units } = plan(all, [sums], holding([sums.spaces[0]!, there], [sums.spaces[1]!, there]));
    expect(units.map(({ rows }) => rows.map(({ image }) => image.name))).toEqual([
      ['i0', 'i1', 'i2', 'i3'],
      ['i8', 'i9', 'i10', 'i11'],
    ]);
    expect(units.map(({ missing }) => missing.map(({ rows }) => rows))).toEqual([[[3]], [[0, 1, 2]]]);
  });

  it('asks a teacher for the rows that any of its spaces lacks, and writes to each only what it lacks', () => {
    const sums = group();
    const keys = images(4).map(({ image }) => keyOf(image));
    const [summary, spatial] = sums.spaces as [SpaceDescriptor, SpaceDescriptor];
    const { units, coverage } = plan(
      images(4),
      [sums],
      holding([summary, keys.slice(0, 3)], [spatial, [keys[0]!, keys[3]!]]),
    );
    expect(units[0]!.missing).toEqual([{ group: sums, rows: [1, 2, 3], bySpace: [[2], [0, 1]] }]);
    expect(coverage.map(({ present, missing }) => [present, missing])).toEqual([
      [3, 1],
      [2, 2],
    ]);
  });

  it('leaves out teachers that lack nothing, and is empty when nobody lacks anything', () => {
    const [sums, other] = [group(), group('other', 4)];
    const keys = images(4).map(({ image }) => keyOf(image));
    const full = (g: SpaceGroup) => g.spaces.map((space) => [space, keys] as const);
    expect(plan(images(4), [sums, other], holding(...full(sums))).units[0]!.missing).toMatchObject([
      { group: { teacher: 'other' } },
    ]);
    expect(plan(images(4), [sums, other], holding(...full(sums), ...full(other))).units).toEqual([]);
    expect(plan([], [sums]).units).toEqual([]);
  });

  it('is a function of its arguments and changes none of them', () => {
    const sums = group();
    const wanted = images(5);
    const catalogue = holding([sums.spaces[0]!, [keyOf(image(1))]]);
    const before = structuredClone({ wanted, sums });
    expect(plan(wanted, [sums], catalogue)).toEqual(plan(wanted, [sums], catalogue));
    expect({ wanted, sums }).toEqual(before);
  });
});
