/** Runs the fill of a planned cache: opens the teachers that are needed and the threads, and closes them again. */
import { type FillResult, type GroupEngine, fillCache } from '../cache/fill.ts';
import { unitTargets } from '../cache/fill/open-unit.ts';
import { sharesOf, usageText } from '../cache/fill/usage.ts';
import { needsStatistics } from '../cache/codecs/codec.ts';
import { openSpaceCodec } from '../cache/codecs/open-space-codec.ts';
import type { TargetCodec } from '../cache/codecs/target-codec.ts';
import { pixelSession } from '../cache/pixel-space.ts';
import type { CachePlan, SpaceGroup } from '../cache/plan.ts';
import { type SpaceDescriptor, isPixelSpace } from '../cache/space.ts';
import { CacheWriter } from '../cache/write.ts';
import { writerNameOf } from '../cache/writer-name.ts';
import type { Json } from '../core/canonical-json.ts';
import { runsFromSource } from '../core/threads/compiled-entry.ts';
import type { StageContext } from '../run/stage.ts';
import { mosaicSession } from '../teachers/mosaic/mosaic-session.ts';
import { cpuEnginesFor, openEngines } from '../teachers/open-engines.ts';
import type { RenderedInput } from '../teachers/preprocess.ts';
import type { LoadedTeacher } from '../teachers/registry.ts';
import { resolveDevices } from '../teachers/resolve-devices.ts';
import { type RenderPool, inlineRenderPool, rendererOf, threadRenderPool } from '../teachers/render-pool.ts';
import { presenceOf } from '../teachers/weights-presence.ts';
import { type OpenDataset, decoderOf, placesIn } from './dataset-access.ts';

export interface PlannedGroup {
  readonly group: SpaceGroup;
  /** How views are rendered for it. */
  readonly manifest: RenderedInput;
  /** Null for pixels, which are kept as they are rendered. */
  readonly teacher: LoadedTeacher | null;
}

export interface FillPlan {
  /** Images per engine call, at most; `auto` finds the best on the work itself. */
  readonly batch: number | 'auto';
  readonly datasets: readonly OpenDataset[];
  readonly groups: readonly PlannedGroup[];
  readonly cache: CachePlan;
}

export async function fillTargets(plan: FillPlan, context: StageContext): Promise<FillResult> {
  const { cache, groups } = plan;
  const { devices, note } = await resolveDevices(context.device);
  if (note !== null) context.events.note(note);
  const needed = groups.filter(({ group }) =>
    cache.units.some((unit) => unit.missing.some((entry) => entry.group === group)),
  );
  const opened = await CacheWriter.open({
    root: context.cacheRoot,
    writer: writerNameOf('w', context.clock),
    fs: context.cacheFs,
    clock: context.clock,
    onWarning: (text) => context.events.note(text),
  });
  if (opened.adopted > 0 || opened.quarantined > 0)
    context.events.note(
      `recovered after an interruption: ${opened.adopted} finished parts adopted, ${opened.quarantined} broken ones set aside`,
    );
  const { memoryLimitBytes } = context;
  const cpuEngines = cpuEnginesFor({
    weightsBytes: await weightsBytesOf(needed),
    memoryLimitBytes,
    targets: cache.units.reduce((sum, unit) => sum + teacherTargets(unit), 0),
  });
  const renderers = renderPool(needed, plan.datasets, context.workers);
  const engines = openEngines({ devices, memoryLimitBytes, cpuEngines });
  try {
    const sessions: GroupEngine[] = [];
    for (const { group, teacher } of needed) {
      const { mosaic, sizePx } = group;
      if (teacher === null) {
        sessions.push({ group, session: pixelSession(sizePx) });
        continue;
      }
      const engine = await engines.open({ teacher, sizePx: mosaic?.canvasPx ?? sizePx, batch: plan.batch });
      const session = mosaic === undefined ? engine : mosaicSession(engine, mosaic, teacher.manifest);
      sessions.push({ group, session });
    }
    const filled = await fillCache({
      plan: cache,
      engines: sessions,
      renderers,
      writer: opened.writer,
      codecs: await openCodecs(needed, context),
      clock: context.clock,
      signal: context.signal,
      onProgress: (done, total, usage) =>
        context.events.progress(done, total, 'views x teachers x sizes', usageText(usage)),
      onFailure: () => engines.stop(),
    });
    await opened.writer.close();
    return filled;
  } finally {
    await engines.close();
    await renderers.close();
    await opened.writer.abandon();
  }
}

/** Of a unit, what engines compute. */
const teacherTargets = (unit: CachePlan['units'][number]): number =>
  unitTargets({ ...unit, missing: unit.missing.filter(({ group }) => !group.spaces.some(isPixelSpace)) });

/** As an engine holds them: once per teacher and size. */
async function weightsBytesOf(groups: readonly PlannedGroup[]): Promise<number> {
  const teachers = groups.flatMap(({ teacher }) => teacher ?? []);
  const presences = await Promise.all(teachers.map((teacher) => presenceOf(teacher)));
  return presences.reduce((sum, { sizeBytes }) => sum + (sizeBytes ?? 0), 0);
}

/** Of the spaces whose codec is built from statistics: opened once, for every unit. */
async function openCodecs(
  groups: readonly PlannedGroup[],
  { cacheRoot, cacheFs }: StageContext,
): Promise<Map<SpaceDescriptor, TargetCodec>> {
  const codecs = new Map<SpaceDescriptor, TargetCodec>();
  for (const space of groups.flatMap(({ group }) => group.spaces))
    if (needsStatistics(space.codec)) codecs.set(space, await openSpaceCodec(cacheRoot, space, cacheFs));
  return codecs;
}

/** Figures of one fill for stage.json and summary.json. */
export function measuredOf({ decodes, usage, callRows }: FillResult): Json {
  return {
    decodes,
    wallMs: Math.round(usage.wallMs),
    decodeThreads: usage.decode.threads,
    engineLanes: usage.engine.lanes,
    rowsPerCall: Object.fromEntries(callRows),
    busy: { ...sharesOf(usage) },
  };
}

function renderPool(
  groups: readonly PlannedGroup[],
  datasets: readonly OpenDataset[],
  threads: number,
): RenderPool {
  const specs = groups.map(({ manifest, group: { sizePx, mosaic } }) => ({
    manifest,
    sizePx,
    isTile: mosaic !== undefined,
  }));
  if (!runsFromSource(import.meta.url))
    return threadRenderPool({ renderers: specs, placesOf: placesIn(datasets), threads });
  return inlineRenderPool({ renderers: specs.map(rendererOf), decode: decoderOf(datasets), threads });
}
