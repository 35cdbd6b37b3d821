/** The teachers of a cache stage at their sizes, as groups of spaces with the codecs that were asked for. */
import { assertCodecFits } from '../cache/codec-fit.ts';
import type { CodecChoice } from '../cache/codecs/codec-choice.ts';
import type { SpaceGroup } from '../cache/plan.ts';
import { spaceLabel } from '../cache/space.ts';
import { withPinnedStatistics } from '../cache/statistics/choose-statistics.ts';
import { onMosaic, spaceGroupOf } from '../cache/teacher-spaces.ts';
import { StillhouseError } from '../core/failure.ts';
import type { ViewFamily } from '../images/view.ts';
import type { StageContext } from '../run/stage.ts';
import { mosaicSession } from '../teachers/mosaic/mosaic-session.ts';
import { identifyTeacher, openTeacher } from '../teachers/open-teacher.ts';
import { type LoadedTeacher, loadTeacher } from '../teachers/registry.ts';
import type { PlannedGroup } from './fill-targets.ts';
import { requestedMosaic } from './mosaic-request.ts';

export interface TargetsRequest {
  readonly teachers: readonly {
    readonly name: string;
    readonly sizesPx: readonly number[];
    /** k: the sizes are those of tiles, k x k on a canvas. */
    readonly mosaic?: number;
    readonly codec?: CodecChoice;
  }[];
  /** Of teachers that say nothing themselves. */
  readonly codec?: CodecChoice;
}

/**
 * Opens each teacher at each size once to learn its shapes. Codecs have the statistics that were chosen earlier; the others lack
 * theirs still.
 * @param families of the datasets of the stage: neighbours on a mosaic are drawn like their views
 * @throws StillhouseError bad-input when a teacher is named twice at one size, a mosaic does not fit it, or a codec what it says.
 */
export async function planGroups(
  { teachers, codec }: TargetsRequest,
  families: readonly ViewFamily[],
  context: StageContext,
): Promise<PlannedGroup[]> {
  const groups: PlannedGroup[] = [];
  for (const { name, sizesPx, mosaic: tilesPerSide, codec: own } of teachers) {
    const teacher = await loadFor(name, context);
    const { manifest } = teacher;
    const identity = await identifyTeacher(teacher, context.device);
    for (const sizePx of sizesPx) {
      const mosaic =
        tilesPerSide === undefined
          ? null
          : requestedMosaic({ manifest, tilesPerSide, tilePx: sizePx, families, seed: context.seed });
      const opened = await openTeacher(
        teacher,
        { sizePx: mosaic?.canvasPx ?? sizePx, batch: 1 },
        { device: context.device, threads: 0, memoryLimitBytes: context.memoryLimitBytes },
      );
      const session = mosaic === null ? opened : mosaicSession(opened, mosaic, manifest);
      try {
        const whole = spaceGroupOf({ manifest, identity, session, codecs: [own, codec] });
        const group = mosaic === null ? whole : onMosaic(whole, mosaic);
        groups.push({ group: await resolved(group, context), manifest, teacher });
      } finally {
        await session.close();
      }
    }
  }
  checkLabels(groups);
  return groups;
}

export const loadFor = (name: string, context: StageContext): Promise<LoadedTeacher> =>
  loadTeacher(name, {
    baseFolder: context.baseFolder,
    weights: context.weights,
    digests: context.digests,
  });

async function resolved(group: SpaceGroup, { cacheRoot, cacheFs }: StageContext): Promise<SpaceGroup> {
  const spaces = [];
  for (const space of group.spaces) {
    assertCodecFits(space);
    spaces.push(await withPinnedStatistics(cacheRoot, space, cacheFs));
  }
  return { ...group, spaces };
}

/** Later stages name a space by teacher, size and kind. */
function checkLabels(groups: readonly PlannedGroup[]): void {
  const seen = new Set<string>();
  for (const label of groups.flatMap(({ group }) => group.spaces.map(spaceLabel))) {
    if (seen.has(label))
      throw new StillhouseError({
        kind: 'bad-input',
        what: 'a cache stage has the same targets twice',
        where: label,
        wanted: 'each teacher once at each size, with one codec',
        got: 'two',
        next: 'put the second codec into a cache stage of its own: it is derived from the first where that is richer',
      });
    seen.add(label);
  }
}
