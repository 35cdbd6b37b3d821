/** What a cache holds, and whether it can be trusted. */
import { join, resolve } from 'node:path';
import { type CachedSpace, openCatalogue } from '../../cache/catalogue.ts';
import { codecName } from '../../cache/codecs/codec.ts';
import type { Finding } from '../../cache/finding.ts';
import type { CachePlace } from '../../cache/place.ts';
import { coverageOf, readDatasets } from '../../cache/datasets.ts';
import { spaceError } from '../../cache/space-error.ts';
import { holdCatalogue } from '../../cache/reader-lease.ts';
import { codedLabel, exactLabel } from '../../cache/space.ts';
import { writerNameOf } from '../../cache/writer-name.ts';
import { type VerifyLevel, verifyCache } from '../../cache/verify.ts';
import type { Json } from '../../core/canonical-json.ts';
import { machineClock } from '../../core/clock.ts';
import { StillhouseError, systemCodeOf } from '../../core/failure.ts';
import { RANDOM_VIEWS } from '../../images/view.ts';
import type { Recomputed } from '../../stages/recompute-targets.ts';
import { nodeFs } from '../../store/commit-fs.ts';
import { errorText } from '../error-text.ts';
import { openCachePlace } from '../cache-place.ts';
import { needed } from '../common-options.ts';
import type { PlaceOptions } from '../place-options.ts';
import { printJson } from '../print-json.ts';
import { textTable } from '../table.ts';
import { teacherNameOption } from '../teacher-option.ts';
import { type WeightsOptions, weightsPlaces } from '../weights-options.ts';

export interface StoreOptions extends PlaceOptions {
  readonly cache: string;
  readonly json: boolean;
}

export interface VerifyOptions extends StoreOptions, WeightsOptions {
  readonly level: VerifyLevel | 'recompute';
  readonly repair: boolean;
  readonly sample: number;
  readonly dataset?: string[];
  readonly seed?: number;
  readonly teacher?: string[];
  readonly views?: number;
  readonly device: string;
  /** Bytes. */
  readonly memoryLimit?: number;
}

/** 96 px before 128 px. */
const byLabel = (a: CachedSpace, b: CachedSpace): number =>
  codedLabel(a.descriptor).localeCompare(codedLabel(b.descriptor), 'en', { numeric: true });

/** @throws StillhouseError bad-input when the folder is no cache. */
export async function listCache(options: StoreOptions): Promise<void> {
  const { root, fs } = await openCache(options);
  const catalogue = await openCatalogue(root, { fs });
  const datasets = await readDatasets(root, fs);
  const spaces = [...catalogue.spaces.values()].sort(byLabel).map((space) => ({
    space: exactLabel(space.descriptor),
    id: space.id,
    shape: space.descriptor.shape,
    codec: codecName(space.descriptor.codec),
    rows: space.rows.size,
    failed: space.parts.reduce((sum, part) => sum + part.index.ok.reduce((bad, ok) => bad + (1 - ok), 0), 0),
    parts: space.parts.length,
    bytes: space.parts.reduce((sum, part) => sum + part.entry.sizeBytes, 0),
    error: spaceError(space),
    coverage: datasets.map((dataset) => {
      const { images, covered, rows } = coverageOf(space, dataset);
      return { dataset: dataset.name, digest: dataset.digest, images, covered, rows };
    }),
  }));
  const missing = catalogue.missingParts.length;
  if (options.json) {
    printJson({ root: options.cache, snapshot: catalogue.snapshot, spaces, missingParts: missing });
    return;
  }
  const rows = spaces.map((s) => [
    s.space,
    s.id,
    s.shape.join('x'),
    s.codec,
    s.rows,
    s.failed,
    s.parts,
    s.bytes,
    ...errorText(s.error),
  ]);
  const sizes = ['space', 'id', 'shape', 'codec', 'rows', 'failed', 'parts', 'bytes'];
  const header = [...sizes, 'cosine', 'worst', 'MSE', 'worst'];
  process.stdout.write(`${textTable(header, rows)}\n`);
  if (datasets.length > 0) {
    const lines = spaces.flatMap(({ space, codec, coverage }) =>
      coverage.map(({ dataset, images, covered, rows }) => [
        `${space}.${codec}`,
        dataset,
        images,
        covered,
        `${((100 * covered) / Math.max(1, images)).toFixed(1)} %`,
        rows,
      ]),
    );
    const columns = ['space', 'dataset', 'images', 'covered', 'share', 'rows'];
    process.stdout.write(`\n${textTable(columns, lines)}\n`);
  }
  if (missing > 0)
    process.stdout.write(`${missing} listed parts are gone; the next run computes them again\n`);
}

/** @throws StillhouseError integrity when something is wrong and was not repaired. */
export async function checkCache(options: VerifyOptions, signal: AbortSignal): Promise<void> {
  const place = await openCache(options);
  const { root, checkFs: fs } = place;
  const { cache, level, repair } = options;
  const datasets = options.dataset ?? [];
  if (level === 'recompute' && datasets.length === 0)
    throw needed('cache verify --level recompute', '--dataset <folder>');
  const writer = writerNameOf('verify', machineClock);
  const result = await verifyCache({
    root,
    fs,
    level: level === 'recompute' ? 'rows' : level,
    repair: repair ? { writer, clock: machineClock } : null,
  });
  const computed =
    level === 'recompute' ? await settled(recompute(place, { ...options, dataset: datasets }, signal)) : null;
  const again = computed !== null && 'value' in computed ? computed.value : null;
  const findings = [...result.findings, ...(again?.findings ?? [])];
  if (options.json)
    printJson({
      ...result,
      level,
      findings,
      ...(again === null ? {} : { recomputed: again.spaces }),
    } as unknown as Json);
  else {
    process.stdout.write(`${result.parts} parts, ${result.rows} rows, checked at level ${level}\n`);
    if (again !== null) process.stdout.write(`${recomputedTable(again)}\n`);
    const rows = findings.map((f) => [f.file, f.problem, f.detail]);
    if (rows.length > 0) process.stdout.write(`${textTable(['file', 'problem', 'detail'], rows)}\n`);
    if (result.repaired + result.dropped > 0)
      process.stdout.write(
        `${result.repaired} files set aside, ${result.dropped} parts taken off the list; the next run computes what they held\n`,
      );
  }
  // what was found is told first: a teacher that cannot be asked takes nothing from it
  if (computed !== null && 'error' in computed) throw computed.error;
  // what was repaired is in order; nothing repairs a teacher that says something else
  const damage = repair ? result.left : result.findings.filter(({ problem }) => problem !== 'unlisted');
  if (damage.length > 0) throw repair ? notMended(damage, cache) : found(damage.length, cache, REPAIR);
  if (again === null || again.findings.length === 0) return;
  const isImages = again.findings.every(({ problem }) => problem === 'image');
  throw found(again.findings.length, cache, isImages ? SEE_IMAGES : SEE_TEACHER);
}

async function settled<T>(work: Promise<T>): Promise<{ readonly value: T } | { readonly error: unknown }> {
  return work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
}

const REPAIR = 'run `stillhouse cache verify --repair`, then the run that fills it';
const SEE_TEACHER =
  'see what changed: the engine, its device or the decoder; `stillhouse cache drop` the space to compute it anew';

const SEE_IMAGES =
  'restore the images that were changed or removed, or run the index stage again; their targets were not compared';

const found = (count: number, where: string, next: string): StillhouseError =>
  new StillhouseError({
    kind: 'integrity',
    what: `the cache has ${count} ${count === 1 ? 'finding' : 'findings'}`,
    where,
    next,
  });

const notMended = (left: readonly Finding[], where: string): StillhouseError =>
  new StillhouseError({
    kind: 'integrity',
    what: 'the cache has damage that no repair mends',
    where,
    got: left.map(({ file, detail }) => `${file}: ${detail}`).join('; '),
    next: 'restore the statistics from a copy of the cache; or `stillhouse cache drop` these spaces, and derive or compute them anew',
  });

async function recompute(
  { root, fs }: CachePlace,
  options: VerifyOptions & { readonly dataset: readonly string[] },
  signal: AbortSignal,
): Promise<Recomputed> {
  const { recomputeTargets } = await import('../../stages/recompute-targets.ts');
  const catalogue = await openCatalogue(root, { fs });
  const lease = await holdCatalogue(catalogue, {
    clock: machineClock,
    fs,
    writer: writerNameOf('verify', machineClock),
  });
  try {
    return await recomputeTargets({
      catalogue,
      datasets: options.dataset.map((folder) => resolve(folder)),
      views: { count: options.views ?? 1, ...RANDOM_VIEWS },
      seed: options.seed ?? 0,
      teachers: (options.teacher ?? []).map(teacherNameOption),
      loadFrom: { baseFolder: resolve('.'), weights: weightsPlaces(options) },
      device: options.device,
      memoryLimitBytes: options.memoryLimit ?? process.availableMemory(),
      sample: options.sample,
      signal,
    });
  } finally {
    await lease.release();
  }
}

const recomputedTable = ({ spaces }: Recomputed): string =>
  textTable(
    ['space', 'rows', 'largest difference', 'tolerance', ''],
    spaces.map((s) => [
      s.space,
      s.rows,
      s.worst === null ? '-' : s.worst.toPrecision(3),
      s.tolerance,
      s.reason ?? '',
    ]),
  );

/** The cache that is meant. A mistyped path must not look like an empty one. @throws StillhouseError bad-input when none is there. */
export async function openCache(options: StoreOptions): Promise<CachePlace> {
  const place = await openCachePlace(options.cache, options);
  const path = join(place.root, 'FORMAT');
  try {
    await place.fs.read(path);
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === undefined) throw error;
    throw new StillhouseError(
      {
        kind: 'bad-input',
        what: 'there is no cache here',
        where: place.fs === nodeFs ? place.root : place.name,
        wanted: 'a file FORMAT in it',
        got: code,
        next: 'name the cache with --cache, or fill one with `stillhouse cache --data ... --teacher ...`',
      },
      error,
    );
  }
  return place;
}
