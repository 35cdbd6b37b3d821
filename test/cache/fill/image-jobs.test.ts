import { describe, expect, it } from 'vitest';
import { imageJobs, mostViews } from '../../../src/cache/fill/image-jobs.ts';
import type { CacheUnit, SpaceGroup } from '../../../src/cache/plan.ts';
import { planCache } from '../../../src/cache/plan.ts';
import { viewsOf } from '../../../src/images/view.ts';
import type { Mosaic } from '../../../src/teachers/mosaic/neighbours.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { openCatalogue } from '../../../src/cache/catalogue.ts';
import { group, image } from '../rig.ts';

const FAMILY = { area: [0.4, 1], aspect: [0.75, 1.3], flip: 0.5 } as const;
const mosaic: Mosaic = {
  tilesPerSide: 2,
  tilePx: 8,
  slotPx: 8,
  canvasPx: 16,
  neighbours: { of: 'image', seed: 0, ...FAMILY },
};
const onMosaic: SpaceGroup = { ...group('mosaic'), mosaic };
const single = group('single');

async function unitOf(views: number, groups: readonly SpaceGroup[]): Promise<CacheUnit> {
  const wanted = [0, 1].map((i) => ({
    image: image(i),
    views: viewsOf({ ...FAMILY, count: views }, 0, image(i).id),
  }));
  const plan = planCache({
    wanted,
    groups,
    catalogue: await openCatalogue(await tempFolder()),
    unitRows: 100,
  });
  return plan.units[0]!;
}

describe('the work on an image', () => {
  it('for a group on mosaics is whole canvases, in which each wanted row is answered once', async () => {
    const unit = await unitOf(5, [onMosaic, single]);
    const jobs = imageJobs(unit);
    expect(jobs.map(({ image }) => image.name)).toEqual(['i0', 'i1']);
    for (const [i, { image, views }] of jobs.entries()) {
      const tiles = views.filter((view) => view.group === onMosaic);
      // the unit lacks rows 0..4 of the first image and 5..9 of the second; the second canvas has three more tiles
      expect(tiles.map(({ position }) => position)).toEqual(
        [0, 1, 2, 3, 4].map((at) => 5 * i + at).concat([null, null, null] as never),
      );
      expect(tiles.map(({ view }) => view)).toEqual(viewsOf({ ...FAMILY, count: 8 }, 0, image.id));
      expect(views.filter((view) => view.group === single).map(({ position }) => position)).toEqual(
        [0, 1, 2, 3, 4].map((at) => 5 * i + at),
      );
    }
    expect([...mostViews([unit])]).toEqual([
      [single, 5],
      [onMosaic, 8],
    ]);
  });

  it('for one view is still the whole canvas, since its neighbours decide what it looks like', async () => {
    const [first] = imageJobs(await unitOf(1, [onMosaic]));
    expect(first!.views.map(({ position }) => position)).toEqual([0, null, null, null]);
  });
});
