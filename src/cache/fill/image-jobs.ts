/** What a unit needs of each image: every row that some group lacks. Pure. */
import type { ImageId } from '../../core/ids.ts';
import type { ImageRow } from '../../images/image-row.ts';
import type { View } from '../../images/view.ts';
import type { CacheUnit, SpaceGroup } from '../plan.ts';

export interface ImageJob {
  readonly image: ImageRow;
  readonly views: readonly ViewJob[];
}

/** One view for one group. */
export interface ViewJob {
  readonly group: SpaceGroup;
  readonly view: View;
  /** Position among the rows that the unit lacks of the group. */
  readonly position: number;
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
  return [...jobs.values()];
}

/** Most views of one image that one group computes in a unit: so many slots are taken before any is filled. */
export function mostViews(units: readonly CacheUnit[], group: SpaceGroup): number {
  let most = 0;
  for (const unit of units)
    for (const { views } of imageJobs(unit))
      most = Math.max(most, views.filter((view) => view.group === group).length);
  return most;
}
