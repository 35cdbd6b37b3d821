import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/digest.ts';
import { imageId } from '../../src/core/ids.ts';
import { sourceBoxOf } from '../../src/images/render-view.ts';
import { FULL_VIEW, type ViewFamily, viewIdOf, viewsOf } from '../../src/images/view.ts';

const id = fc.string().map((text) => imageId(sha256(text)));
const range = (min: number, max: number) =>
  fc
    .tuple(fc.double({ min, max, noNaN: true }), fc.double({ min, max, noNaN: true }))
    .map(([a, b]): readonly [number, number] => [Math.min(a, b), Math.max(a, b)]);
const family: fc.Arbitrary<ViewFamily> = fc.record({
  count: fc.integer({ min: 1, max: 8 }),
  area: range(0.001, 1),
  aspect: range(0.2, 5),
  flip: fc.double({ min: 0, max: 1, noNaN: true }),
});
const seed = fc.nat();

describe('the views of an image', () => {
  it('start with the full one and are as many as asked', () => {
    fc.assert(
      fc.property(family, seed, id, (family, seed, id) => {
        const views = viewsOf(family, seed, id);
        expect(views).toHaveLength(family.count);
        expect(views[0]).toEqual(FULL_VIEW);
      }),
    );
  });

  it('lie inside the image, in whole millionths', () => {
    fc.assert(
      fc.property(family, seed, id, (family, seed, id) => {
        for (const { box } of viewsOf(family, seed, id)) {
          const [left, top, width, height] = box.map((x) => x * 1e6) as [number, number, number, number];
          for (const edge of [left, top, width, height])
            expect(Math.abs(edge - Math.round(edge))).toBeLessThan(1e-6);
          expect(Math.min(left, top)).toBeGreaterThanOrEqual(0);
          expect(Math.min(width, height)).toBeGreaterThan(0);
          expect(Math.round(left) + Math.round(width)).toBeLessThanOrEqual(1e6);
          expect(Math.round(top) + Math.round(height)).toBeLessThanOrEqual(1e6);
        }
      }),
    );
  });

  it('depend on seed and image alone: equal ones give equal views, more views keep the first ones', () => {
    fc.assert(
      fc.property(family, seed, id, (family, seed, id) => {
        const views = viewsOf(family, seed, id);
        expect(viewsOf({ ...family }, seed, id)).toEqual(views);
        expect(viewsOf({ ...family, count: family.count + 3 }, seed, id).slice(0, family.count)).toEqual(
          views,
        );
      }),
    );
  });

  it('differ between seeds and between images', () => {
    const wide: ViewFamily = { count: 2, area: [0.2, 0.6], aspect: [0.75, 4 / 3], flip: 0.5 };
    fc.assert(
      fc.property(seed, id, id, (seed, a, b) => {
        fc.pre(a !== b);
        const viewIdsOf = (s: number, image: typeof a) => viewsOf(wide, s, image).map(viewIdOf);
        expect(viewIdsOf(seed, a)[1]).not.toBe(viewIdsOf(seed, b)[1]);
        expect(viewIdsOf(seed, a)[1]).not.toBe(viewIdsOf(seed + 1, a)[1]);
      }),
    );
  });

  it('cover the asked share of the area and mirror at the asked rate', () => {
    const views = Array.from({ length: 300 }, (_, i) =>
      viewsOf(
        { count: 5, area: [0.25, 0.5], aspect: [0.9, 1.1], flip: 0.25 },
        7,
        imageId(sha256(`${i}`)),
      ).slice(1),
    ).flat();
    for (const { box } of views) {
      expect(box[2] * box[3]).toBeGreaterThan(0.25 - 1e-5);
      expect(box[2] * box[3]).toBeLessThan(0.5 + 1e-5);
    }
    const mirrored = views.filter(({ flip }) => flip).length / views.length;
    expect(mirrored).toBeGreaterThan(0.2);
    expect(mirrored).toBeLessThan(0.3);
  });

  it('have a box in pixels that is their share of the image and never leaves it', () => {
    const side = fc.integer({ min: 1, max: 5000 });
    fc.assert(
      fc.property(family, seed, id, side, side, (family, seed, id, widthPx, heightPx) => {
        for (const view of viewsOf(family, seed, id)) {
          const box = sourceBoxOf(view, { widthPx, heightPx });
          const [left, top, width, height] = view.box;
          for (const [from, to, start, share, sidePx] of [
            [box.left, box.right, left, width, widthPx],
            [box.top, box.bottom, top, height, heightPx],
          ] as const) {
            expect(from).toBeGreaterThanOrEqual(0);
            expect(to).toBeGreaterThan(from);
            expect(to).toBeLessThanOrEqual(sidePx);
            expect(from).toBeCloseTo(start * sidePx, 6);
            expect(to).toBeCloseTo((start + share) * sidePx, 6);
          }
        }
      }),
    );
  });
});
