/**
 * The first of two passes, for codecs that are built from statistics: where none were chosen yet, they are measured on a seeded
 * sample of the wanted views, taken from a richer space or, as far as none has them, computed first and kept as f16
 * (src/decisions/0015-codecs-by-two-passes.md).
 */
import { type Catalogue, openCatalogue } from '../cache/catalogue.ts';
import { sourceSpaces } from '../cache/codecs/richness.ts';
import { type WantedImage, planCache, wantedRows } from '../cache/plan.ts';
import { type RowKey, rowKeyOf } from '../cache/row-key.ts';
import { type SpaceDescriptor, codedLabel, spaceIdOf, spaceLabel } from '../cache/space.ts';
import { lacksStatistics, measureStatistics } from '../cache/statistics/choose-statistics.ts';
import { sampleKeys, sampleViews } from '../cache/statistics/sample-keys.ts';
import { viewIdOf } from '../images/view.ts';
import type { StageContext } from '../run/stage.ts';
import type { FillPlan, PlannedGroup } from './fill-targets.ts';
import { fulfil } from './fulfil-plan.ts';

export interface StatisticsWish {
  readonly batch: FillPlan['batch'];
  readonly datasets: FillPlan['datasets'];
  readonly groups: readonly PlannedGroup[];
  readonly wanted: readonly WantedImage[];
  readonly unitRows: number;
  /** Views to measure; default: as many as the shapes ask for. */
  readonly views: number | undefined;
}

export interface StatisticsPlan extends FillPlan {
  /** Views that are measured. */
  readonly keys: readonly RowKey[];
}

/** Null when every codec has what it is built from. */
export async function planStatistics(
  wish: StatisticsWish,
  context: StageContext,
): Promise<StatisticsPlan | null> {
  const lacking = wish.groups.flatMap(({ group }) => group.spaces.filter(lacksStatistics));
  if (lacking.length === 0) return null;
  const catalogue = await openCatalogue(context.cacheRoot, {
    only: new Set(lacking.flatMap((space) => sourceSpaces(space).map(spaceIdOf))),
    fs: context.cacheFs,
  });
  const views = wish.views ?? Math.max(...lacking.map(({ shape }) => sampleViews(shape)));
  const keys = sampleOf(wish, { lacking, catalogue, views, seed: context.seed });
  const sampled = new Set(keys);
  const groups = wish.groups.flatMap((planned): PlannedGroup[] => {
    const spaces = planned.group.spaces.filter(lacksStatistics).map(asHalf);
    return spaces.length === 0 ? [] : [{ ...planned, group: { ...planned.group, spaces } }];
  });
  const cache = planCache({
    wanted: wish.wanted.map(({ image, views }) => ({
      image,
      views: views.filter((view) => sampled.has(rowKeyOf({ image: image.id, view: viewIdOf(view) }))),
    })),
    groups: groups.map(({ group }) => group),
    catalogue,
    unitRows: wish.unitRows,
  });
  return { batch: wish.batch, datasets: wish.datasets, groups, keys, cache };
}

const asHalf = (space: SpaceDescriptor): SpaceDescriptor => ({ ...space, codec: { id: 'f16' } });

interface SampleOptions {
  readonly lacking: readonly SpaceDescriptor[];
  readonly catalogue: Catalogue;
  readonly views: number;
  readonly seed: number;
}

/** Among the views that are there already for all of the spaces, when those are enough. */
function sampleOf({ wanted }: StatisticsWish, { lacking, catalogue, views, seed }: SampleOptions): RowKey[] {
  const all = wantedRows(wanted).map(({ key }) => key);
  const isThere = (space: SpaceDescriptor, key: RowKey): boolean =>
    sourceSpaces(space).some((source) => {
      const place = catalogue.spaces.get(spaceIdOf(source))?.rows.get(key);
      return place !== undefined && place.part.index.ok[place.row] === 1;
    });
  const there = all.filter((key) => lacking.every((space) => isThere(space, key)));
  return sampleKeys(there.length >= views ? there : all, views, seed);
}

/** Computes what the sample lacks, and measures; returns the groups with the statistics of every codec. */
export async function measureCodecs(
  groups: readonly PlannedGroup[],
  plan: StatisticsPlan,
  context: StageContext,
): Promise<PlannedGroup[]> {
  await fulfil(plan, context);
  const half = plan.groups.flatMap(({ group }) => group.spaces.map(spaceIdOf));
  const { spaces: cached } = await openCatalogue(context.cacheRoot, {
    only: new Set(half),
    fs: context.cacheFs,
  });
  const measured: PlannedGroup[] = [];
  for (const planned of groups) {
    const spaces: SpaceDescriptor[] = [];
    for (const space of planned.group.spaces) {
      if (!lacksStatistics(space)) {
        spaces.push(space);
        continue;
      }
      context.events.note(
        `${spaceLabel(space)}: statistics for ${space.codec.id} from ${plan.keys.length} views, kept as ${codedLabel(asHalf(space))}`,
      );
      spaces.push(
        await measureStatistics({
          root: context.cacheRoot,
          fs: context.cacheFs,
          clock: context.clock,
          space,
          source: cached.get(spaceIdOf(asHalf(space)))!,
          keys: plan.keys,
          signal: context.signal,
          onProgress: (done, total) => context.events.progress(done, total, 'targets measured'),
        }),
      );
    }
    measured.push({ ...planned, group: { ...planned.group, spaces } });
  }
  return measured;
}
