/** What a unit needs of each image: every row that some group lacks. Pure. */
import type { ImageId } from '../../core/ids.ts';
import type { ImageRow } from '../../images/image-row.ts';
import { type View, viewIdOf } from '../../images/view.ts';
import { canvasesOf } from '../../teachers/mosaic/neighbours.ts';
import type { CacheUnit, SpaceGroup } from '../plan.ts';

export interface ImageJob {
  readonly image: ImageRow;
  readonly views: readonly ViewJob[];
}

/** One view for one group. */
export interface ViewJob {
  readonly group: SpaceGroup;
  readonly view: View;
  /** Position among the rows that the unit lacks of the group; null for a tile that is only there for its neighbours. */
  readonly position: number | null;
}

/** One job per image, in the order of the unit's rows. By id: two datasets may each have a record of the same image. */
export function imageJobs(unit: CacheUnit): ImageJob[] {
  const wanted: ViewJob[][] = unit.rows.map(() => []);
  for (const { group, rows } of unit.missing)
    rows.forEach((row, position) => wanted[row]!.push({ group, view: unit.rows[row]!.view, position }));
  const jobs = new Map<ImageId, { image: ImageRow; views: ViewJob[] }>();
  unit.rows.forEach(({ image }, row) => {
    if (wanted[row]!.length === 0) return;
    const job = jobs.get(image.id) ?? { image, views: [] };
    job.views.push(...wanted[row]!);
    jobs.set(image.id, job);
  });
  return [...jobs.values()].map(({ image, views }) => ({ image, views: withNeighbours(image.id, views) }));
}

/** Views for a group that is run on mosaics become whole canvases, tile behind tile. */
function withNeighbours(image: ImageId, views: readonly ViewJob[]): readonly ViewJob[] {
  if (views.every(({ group }) => group.mosaic === undefined)) return views;
  const mosaics = new Set(views.map(({ group }) => group).filter(({ mosaic }) => mosaic !== undefined));
  return [
    ...views.filter(({ group }) => group.mosaic === undefined),
    ...[...mosaics].flatMap((group) => {
      const own = views.filter((view) => view.group === group);
      const positions = new Map(own.map(({ view, position }) => [viewIdOf(view), position]));
      const tiles = canvasesOf(
        group.mosaic!,
        image,
        own.map(({ view }) => view),
      ).flatMap(({ views }) => views);
      return tiles.map((view): ViewJob => {
        const position = positions.get(viewIdOf(view)) ?? null;
        // answered once, should a view come twice
        positions.delete(viewIdOf(view));
        return { group, view, position };
      });
    }),
  ];
}

/** Most views of one image that each group computes in a unit: so many slots are taken before any is filled. */
export function mostViews(units: readonly CacheUnit[]): Map<SpaceGroup, number> {
  const most = new Map<SpaceGroup, number>();
  for (const unit of units)
    for (const { views } of imageJobs(unit)) {
      const counts = new Map<SpaceGroup, number>();
      for (const { group } of views) counts.set(group, (counts.get(group) ?? 0) + 1);
      for (const [group, count] of counts) most.set(group, Math.max(count, most.get(group) ?? 0));
    }
  return most;
}
