import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/core/digest.ts';
import { imageId } from '../../../src/core/ids.ts';
import { FULL_VIEW, type View, viewIdOf, viewsOf } from '../../../src/images/view.ts';
import { type Mosaic, canvasesOf } from '../../../src/teachers/mosaic/neighbours.ts';

const image = imageId(sha256('an image'));
const FAMILY = { area: [0.4, 1], aspect: [0.75, 1.3], flip: 0.5 } as const;

const mosaic = (tilesPerSide: number, changes: Partial<Mosaic['neighbours']> = {}): Mosaic => ({
  tilesPerSide,
  tilePx: 8,
  slotPx: 8,
  canvasPx: 8 * tilesPerSide,
  neighbours: { of: 'image', seed: 3, ...FAMILY, ...changes },
});

const views = (count: number): View[] => viewsOf({ ...FAMILY, count }, 3, image);
const k = fc.integer({ min: 1, max: 4 });

describe('the canvas of a view', () => {
  it('does not depend on which other views are wanted, nor on their order', () => {
    fc.assert(
      fc.property(k, fc.uniqueArray(fc.nat({ max: 39 }), { minLength: 1, maxLength: 12 }), (k, indices) => {
        const all = views(40);
        const wanted = indices.map((i) => all[i]!);
        const together = canvasesOf(mosaic(k), image, wanted);
        expect(together.map(({ index }) => index)).toEqual(
          [...new Set(indices.map((i) => Math.floor(i / k ** 2)))].sort((a, b) => a - b),
        );
        for (const [place, view] of wanted.entries()) {
          const [alone, ...more] = canvasesOf(mosaic(k), image, [view]);
          expect(more).toEqual([]);
          expect(together).toContainEqual(alone);
          expect(viewIdOf(alone!.views[indices[place]! % k ** 2]!)).toBe(viewIdOf(view));
        }
      }),
    );
  });

  it('changes with the seed and the family of the neighbours, though the view is the same', () => {
    const idsOf = (one: Mosaic): string[] =>
      canvasesOf(one, image, [FULL_VIEW])[0]!.views.map((view) => viewIdOf(view));
    const base = idsOf(mosaic(2));
    for (const other of [mosaic(2, { seed: 4 }), mosaic(2, { area: [0.1, 0.2] })]) {
      expect(idsOf(other)[0]).toBe(base[0]);
      expect(idsOf(other)[1]).not.toBe(base[1]);
    }
  });

  it('of a view that comes again is the first one, and of one that never comes a defect', () => {
    const still = mosaic(2, { area: [1, 1], aspect: [1, 1], flip: 0 });
    expect(canvasesOf(still, image, [FULL_VIEW]).map(({ index }) => index)).toEqual([0]);
    const stranger: View = { box: [0, 0, 0.123, 0.456], flip: false };
    expect(() => canvasesOf(mosaic(4), image, [stranger])).toThrow('internal: 1 views');
  });
});
