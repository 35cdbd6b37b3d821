/** `cache`: the targets of some teachers at some sizes over the views of some datasets; computes only what is missing. */
import { relative } from 'node:path';
import { z } from 'zod';
import { type CachedPart, openCatalogue } from '../cache/catalogue.ts';
import { codecChoiceSchema } from '../cache/codecs/codec-choice.ts';
import { codecName } from '../cache/codecs/codec.ts';
import { sourceSpaces } from '../cache/codecs/richness.ts';
import { storedTensorOf, targetShapeOf } from '../cache/codecs/stored-tensor.ts';
import { recordDataset } from '../cache/datasets.ts';
import { estimateMs } from '../cache/estimate.ts';
import { failureReasons } from '../cache/failure-reasons.ts';
import { PIXELS_INPUT, pixelGroupOf } from '../cache/pixel-space.ts';
import { type CachePlan, type SpaceGroup, type WantedImage, planCache, wantedRows } from '../cache/plan.ts';
import { publishSnapshot } from '../cache/publish.ts';
import { codedLabel, spaceIdOf, spaceLabel } from '../cache/space.ts';
import { lacksStatistics } from '../cache/statistics/choose-statistics.ts';
import { writerNameOf } from '../cache/writer-name.ts';
import type { Json } from '../core/canonical-json.ts';
import { merkleRoot } from '../core/digest.ts';
import { isStillhouseError } from '../core/failure.ts';
import type { LedgerRow } from '../images/image-row.ts';
import { RANDOM_VIEWS, type ViewFamily, viewsOf } from '../images/view.ts';
import { type Stage, type StageContext, type StageOutput, asAnyStage } from '../run/stage.ts';
import { machineClass } from '../store/process-identity.ts';
import { identifyTeacher } from '../teachers/open-teacher.ts';
import type { TeacherManifest } from '../teachers/teacher-manifest.ts';
import { loadFor, planGroups } from './cache-groups.ts';
import { type StatisticsPlan, measureCodecs, planStatistics } from './codec-statistics.ts';
import { openDataset } from './dataset-access.ts';
import { type FillPlan, measuredOf } from './fill-targets.ts';
import { fulfil } from './fulfil-plan.ts';
import { countReasons, writeLedger } from './ledger-table.ts';

const viewsSchema = z.union([
  z.int().min(1),
  z.strictObject({
    count: z.int().min(1),
    area: z.tuple([z.number().gt(0), z.number().max(1)]).default([0.4, 1]),
    aspect: z.tuple([z.number().gt(0), z.number().gt(0)]).default([3 / 4, 4 / 3]),
    flip: z.number().min(0).max(1).default(0.5),
  }),
]);

const params = z.strictObject({
  /** Stages that leave a dataset, and how many views of each of its images; the first view is the whole image. */
  datasets: z.array(z.strictObject({ from: z.string(), views: viewsSchema.default(1) })).min(1),
  /** Names of bundled manifests or paths, each with the input sizes in pixels. */
  teachers: z
    .array(
      z.strictObject({
        name: z.string(),
        sizesPx: z.array(z.int().min(1)).min(1),
        /** k: views of these sizes are shown k x k on one canvas, and the map is cut apart. */
        mosaic: z.int().min(1).max(64).exactOptional(),
        codec: codecChoiceSchema.exactOptional(),
      }),
    )
    .min(1),
  /** Sides in pixels of squares to keep every view's pixels at, uint8: who trains on them decodes no image. */
  pixels: z.array(z.int().min(1)).default([]),
  /** How targets are stored, unless a teacher says otherwise: f32, f16, i8c, i8p or i4p, also by kind. Default f16. */
  codec: codecChoiceSchema.exactOptional(),
  /** Views that the statistics of i8c, i8p and i4p are measured on when they are not known yet. */
  statisticsViews: z.int().min(1).exactOptional(),
  /** Images per engine call, at most; `auto` finds the best on the work itself. No target depends on it. */
  batch: z.union([z.int().min(1), z.literal('auto')]).default('auto'),
  /** Views per commit: at most this much work is lost when the process is killed. */
  unitRows: z.int().min(1).default(128),
  /** Tries rows again that failed before; they are recorded and left alone otherwise. */
  retryFailed: z.boolean().default(false),
});
type CacheParams = z.infer<typeof params>;

interface StagePlan extends FillPlan {
  readonly params: CacheParams;
  /** What has to be measured before the rest can be planned for certain; null when nothing has. */
  readonly statistics: StatisticsPlan | null;
  readonly families: readonly { readonly from: string; readonly views: ViewFamily }[];
  readonly wanted: readonly WantedImage[];
  /** Null when nothing like it was computed on such a machine. */
  readonly estimatedMs: number | null;
}

const stage: Stage<CacheParams, StagePlan> = {
  name: 'cache',
  version: 2,
  params,
  inputs: (params) => params.datasets.map(({ from }) => from),
  sources: async (params, context) => {
    const identities = [];
    for (const { name } of params.teachers) {
      const teacher = await loadFor(name, context);
      identities.push({
        manifest: teacher.manifest as unknown as Json,
        identity: (await identifyTeacher(teacher, context.device)) as unknown as Json,
      });
    }
    // relative: moving run and cache together changes nothing, pointing to another cache does
    return {
      teachers: identities,
      cache: relative(context.folder, context.cacheRoot),
      // asked for on purpose, each time: never skipped as done
      ...(params.retryFailed ? { retriedAt: context.clock.nowIso() } : {}),
    };
  },
  plan: async (params, inputs, context) => {
    const datasets = await Promise.all(params.datasets.map(({ from }) => openDataset(inputs, from)));
    const families = params.datasets.map(({ from, views }) => ({ from, views: familyOf(views) }));
    const wanted = datasets.flatMap((dataset, i): WantedImage[] =>
      dataset.rows.map((image) => ({ image, views: viewsOf(families[i]!.views, context.seed, image.id) })),
    );
    const groups = [
      ...(await planGroups(
        params,
        families.map(({ views }) => views),
        context,
      )),
      ...[...new Set(params.pixels)].map((sizePx) => ({
        group: pixelGroupOf(sizePx),
        manifest: PIXELS_INPUT,
        teacher: null,
      })),
    ];
    const { batch, unitRows } = params;
    const statistics = await planStatistics(
      { batch, unitRows, datasets, groups, wanted, views: params.statisticsViews },
      context,
    );
    const { cache, estimatedMs } = await planTargets({ groups, wanted, params }, context);
    return { params, batch, datasets, families, wanted, groups, statistics, cache, estimatedMs };
  },
  describe: ({ cache, statistics, estimatedMs }) => ({
    ...(statistics === null ? {} : { statistics: describedStatistics(statistics) }),
    compute: Object.fromEntries(cache.coverage.map(({ label, missing }) => [label, missing])),
    derive: Object.fromEntries(cache.coverage.map(({ label, derived }) => [label, derived])),
    reuse: Object.fromEntries(cache.coverage.map(({ label, present }) => [label, present])),
    bytesToWrite: cache.coverage.reduce((sum, { bytesToWrite }) => sum + bytesToWrite, 0),
    estimatedSeconds: estimatedMs === null ? 'unknown' : Math.round(estimatedMs / 100) / 10,
  }),
  execute: async (planned, context) => {
    const plan = await measured(planned, context);
    const filled = await fulfil(plan, context);
    const ids = new Map(
      plan.groups.flatMap(({ group }) => group.spaces.map((space) => [spaceLabel(space), space])),
    );
    const catalogue = await openCatalogue(context.cacheRoot, {
      only: new Set([...ids.values()].map(spaceIdOf)),
      fs: context.cacheFs,
    });
    await recordDatasets(plan.datasets, context);
    const snapshot = catalogue.isPublished ? catalogue.snapshot : await published(context);
    const rows = wantedRows(plan.wanted);
    const outputs: StageOutput[] = [];
    const spaces: Json[] = [];
    const ledger: LedgerRow[] = [];
    for (const { label, present, derived, missing, ...coverage } of plan.cache.coverage) {
      const space = catalogue.spaces.get(spaceIdOf(ids.get(label)!))!;
      const contents: string[] = [];
      const parts = new Set<CachedPart>();
      const reasonOf = failureReasons();
      let notOk = 0;
      for (const row of rows) {
        const place = space.rows.get(row.key);
        if (place === undefined) throw new Error(`internal: ${label} lacks a target after the fill`);
        parts.add(place.part);
        if (place.part.index.ok[place.row] === 0) {
          notOk += 1;
          const { id, uri } = row.image;
          ledger.push({ imageId: id, uri, stage: 'cache', reason: reasonOf(place), detail: label });
        }
        contents.push(`${row.key}:${place.part.index.ok[place.row]!}:${place.part.index.crc32[place.row]!}`);
      }
      outputs.push({
        name: label,
        path: relative(context.folder, context.cacheRoot),
        digest: merkleRoot(contents),
        files: [...parts].map((part) => ({
          path: relative(context.folder, part.path),
          sizeBytes: part.entry.sizeBytes,
        })),
      });
      spaces.push({
        label,
        spaceId: space.id,
        teacher: coverage.teacher,
        sizePx: coverage.sizePx,
        kind: coverage.kind,
        shape: [...targetShapeOf(space.descriptor)],
        codec: codecName(space.descriptor.codec),
        dtype: storedTensorOf(space.descriptor).dtype,
        written: missing + derived,
        derived,
        reused: present,
        failed: notOk,
        bytes: [...parts].reduce((sum, part) => sum + part.entry.sizeBytes, 0),
      });
    }
    outputs.push(await writeLedger(context.folder, ledger));
    const seen = rows.length * plan.cache.coverage.length;
    return {
      seen,
      kept: seen - ledger.length,
      rejected: countReasons(ledger),
      outputs,
      facts: {
        snapshot: snapshot?.n ?? null,
        spaces,
        datasets: plan.families as unknown as Json,
        teachers: plan.groups.flatMap(({ teacher, group }) =>
          teacher === null ? [] : [teacherFacts(teacher.manifest, group)],
        ),
      },
      ...(filled === null ? {} : { measured: measuredOf(filled) }),
    };
  },
};

interface PlannedTargets {
  readonly cache: CachePlan;
  readonly estimatedMs: number | null;
}

async function planTargets(
  { groups, wanted, params }: Pick<StagePlan, 'groups' | 'wanted' | 'params'>,
  context: StageContext,
): Promise<PlannedTargets> {
  const spaces = groups.flatMap(({ group }) => group.spaces);
  const catalogue = await openCatalogue(context.cacheRoot, {
    only: new Set(spaces.flatMap((space) => [space, ...sourceSpaces(space)]).map(spaceIdOf)),
    fs: context.cacheFs,
  });
  const cache = planCache({
    wanted,
    groups: groups.map(({ group }) => group),
    catalogue,
    unitRows: params.unitRows,
    retryFailed: params.retryFailed,
  });
  return { cache, estimatedMs: estimateMs(cache.units, catalogue.rates, machineClass()) };
}

/** The plan with every codec's statistics, measured where they were not known, and with what the sample left to do. */
async function measured(plan: StagePlan, context: StageContext): Promise<StagePlan> {
  if (plan.statistics === null) return plan;
  const groups = await measureCodecs(plan.groups, plan.statistics, context);
  if (groups.some(({ group }) => group.spaces.some(lacksStatistics)))
    throw new Error('internal: a codec still lacks its statistics');
  return { ...plan, groups, ...(await planTargets({ ...plan, groups }, context)) };
}

const describedStatistics = ({ groups, keys, cache }: StatisticsPlan): Json => ({
  of: groups.flatMap(({ group }) => group.spaces.map(spaceLabel)),
  views: keys.length,
  computeFirst: Object.fromEntries(
    groups
      .flatMap(({ group }) => group.spaces)
      .map((space, i) => [codedLabel(space), cache.coverage[i]!.missing]),
  ),
});

/** Leaves in the cache whose images these are, for coverage; a cache that cannot be written does without. */
async function recordDatasets(datasets: StagePlan['datasets'], context: StageContext): Promise<void> {
  const { cacheRoot: root, cacheFs: fs, clock } = context;
  try {
    for (const { header, digest, rows } of datasets)
      await recordDataset(
        { root, fs, at: clock.nowIso() },
        { name: header.name, digest, images: rows.map(({ id }) => id) },
      );
  } catch (error) {
    if (!isStillhouseError(error, 'environment')) throw error;
    context.events.note(`the dataset was not recorded in the cache: ${error.failure.what}`);
  }
}

/** A snapshot of what is committed, so that the next run opens no part; a cache that cannot be written does without. */
async function published(context: StageContext): Promise<{ readonly n: number } | null> {
  try {
    const writer = writerNameOf('w', context.clock);
    const { cacheRoot: root, cacheFs: fs, clock } = context;
    return (await publishSnapshot({ root, writer, clock, fs })).body;
  } catch (error) {
    if (!isStillhouseError(error, 'environment')) throw error;
    context.events.note(`no snapshot was written: ${error.failure.what}`);
    return null;
  }
}

function familyOf(views: CacheParams['datasets'][number]['views']): ViewFamily {
  return typeof views === 'number' ? { count: views, ...RANDOM_VIEWS } : views;
}

function teacherFacts(manifest: TeacherManifest, group: SpaceGroup): Json {
  return {
    name: manifest.name,
    engine: manifest.engine,
    licence: manifest.licence.spdx,
    source: manifest.source,
    weights: manifest.weights.uri,
    sha256: group.spaces[0]?.teacher.weightsSha256 ?? '',
    summaryTap: manifest.summary?.tensor ?? null,
    spatialTap: manifest.spatial?.tensor ?? null,
    sizePx: group.sizePx,
    // a canvas has no summary of one picture
    lossWeights: { ...manifest.lossWeights, ...(group.mosaic === undefined ? {} : { summary: 0 }) },
    ...(group.mosaic === undefined ? {} : { mosaic: group.mosaic as unknown as Json }),
  };
}

export const cacheStage = asAnyStage(stage);
