/** `cache verify --level recompute`: runs teachers again on sampled rows of a cache. Needs the images, which a cache does not hold. */
import { join } from 'node:path';
import type { CachedSpace, Catalogue } from '../cache/catalogue.ts';
import { openSpaceCodec } from '../cache/codecs/open-space-codec.ts';
import type { Finding } from '../cache/finding.ts';
import { TargetReader } from '../cache/read.ts';
import { RECOMPUTE_TOLERANCE, differenceOf, sampleRows } from '../cache/recompute.ts';
import { type RowKey, rowKeyOf } from '../cache/row-key.ts';
import { PIXELS_INPUT } from '../cache/pixel-space.ts';
import { type SpaceDescriptor, type TeacherTap, codedLabel, isPixelSpace } from '../cache/space.ts';
import { type Json, canonicalJson } from '../core/canonical-json.ts';
import { StillhouseError, isStillhouseError, printable } from '../core/failure.ts';
import type { ImageId } from '../core/ids.ts';
import { rowValuesOf } from '../format/tensor-part.ts';
import { placesOf, readDataset } from '../images/dataset-manifest.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { Places } from '../images/locate.ts';
import { loadImage } from '../images/read-image.ts';
import { RENDER_DESCRIPTION } from '../images/render-view.ts';
import type { RgbImage } from '../images/rgb-image.ts';
import { type View, type ViewFamily, viewIdOf, viewsOf } from '../images/view.ts';
import { mosaicSession } from '../teachers/mosaic/mosaic-session.ts';
import { canvasesOf } from '../teachers/mosaic/neighbours.ts';
import { identifyTeacher } from '../teachers/open-teacher.ts';
import { preprocessDescription, viewRenderer } from '../teachers/preprocess.ts';
import { type LoadFrom, type LoadedTeacher, loadTeacher } from '../teachers/registry.ts';
import { rendererOf } from '../teachers/render-pool.ts';
import { resolveDevices } from '../teachers/resolve-devices.ts';
import type { TeacherSession } from '../teachers/teacher.ts';
import { PACKAGE_FOLDER } from './dataset-access.ts';
import { EngineAtHand } from './engine-at-hand.ts';

export interface RecomputeOptions {
  readonly catalogue: Catalogue;
  /** Folders of indexed datasets, which say where the images lie. */
  readonly datasets: readonly string[];
  /** Views that the targets were computed for. */
  readonly views: ViewFamily;
  /** Names or paths of manifests, where the name in the cache is none. */
  readonly teachers: readonly string[];
  readonly loadFrom: LoadFrom;
  readonly device: string;
  /** Of the whole process. */
  readonly memoryLimitBytes: number;
  /** Rows per space. */
  readonly sample: number;
  /** Of the run that filled the cache; the sample is drawn by it too. */
  readonly seed: number;
  readonly signal: AbortSignal;
}

export interface RecomputedSpace {
  readonly space: string;
  readonly id: string;
  /** Rows that were computed again. */
  readonly rows: number;
  /** Of them: the largest difference. Null when none was. */
  readonly worst: number | null;
  readonly tolerance: number;
  /** Why no row was computed again; null when some were. */
  readonly reason: string | null;
}

export interface Recomputed {
  readonly spaces: readonly RecomputedSpace[];
  readonly findings: readonly Finding[];
}

interface KnownRow {
  readonly image: ImageRow;
  readonly view: View;
  readonly places: Places;
}

/**
 * Rows that cannot be compared, because their image or their part is not what it was, are findings.
 * @throws StillhouseError bad-input when a dataset cannot be read, or no row could even be tried.
 */
export async function recomputeTargets(options: RecomputeOptions): Promise<Recomputed> {
  const known = await knownRows(options);
  const given = await Promise.all(options.teachers.map((name) => loadTeacher(name, options.loadFrom)));
  const { devices } = await resolveDevices(options.device);
  const engine = new EngineAtHand({ devices, memoryLimitBytes: options.memoryLimitBytes });
  const spaces: RecomputedSpace[] = [];
  const findings: Finding[] = [];
  const reader = new TargetReader();
  try {
    for (const space of [...options.catalogue.spaces.values()].sort(byTeacherAndSize)) {
      options.signal.throwIfAborted();
      const done = await recomputeSpace(space, { ...options, known, given, engine, reader });
      spaces.push(done.answer);
      findings.push(...done.findings);
    }
  } finally {
    await reader.close();
    await engine.close();
  }
  if (findings.length === 0 && spaces.length > 0 && spaces.every(({ rows }) => rows === 0))
    throw noneComputed(spaces, options);
  return { spaces, findings };
}

async function knownRows({ datasets, views, seed }: RecomputeOptions): Promise<Map<RowKey, KnownRow>> {
  const known = new Map<RowKey, KnownRow>();
  for (const folder of datasets) {
    const { header, rows } = await readDataset(folder);
    const places = placesOf(header, join(folder, 'dataset.yaml'), [PACKAGE_FOLDER]);
    for (const image of rows)
      for (const view of viewsOf(views, seed, image.id))
        known.set(rowKeyOf({ image: image.id, view: viewIdOf(view) }), { image, view, places });
  }
  return known;
}

interface SpaceWork extends RecomputeOptions {
  readonly known: ReadonlyMap<RowKey, KnownRow>;
  readonly given: readonly LoadedTeacher[];
  readonly engine: EngineAtHand;
  readonly reader: TargetReader;
}

async function recomputeSpace(
  space: CachedSpace,
  work: SpaceWork,
): Promise<{ readonly answer: RecomputedSpace; readonly findings: readonly Finding[] }> {
  const { descriptor } = space;
  const tolerance = RECOMPUTE_TOLERANCE[descriptor.codec.id];
  const label = codedLabel(descriptor);
  const skipped = (reason: string) => ({
    answer: { space: label, id: space.id, rows: 0, worst: null, tolerance, reason },
    findings: [],
  });
  const keys = sampleRows(space, work, (key) => work.known.has(key));
  if (keys.length === 0) return skipped('no row belongs to these images and views');
  const answer = isPixelSpace(descriptor) ? pixelAnswer(space) : await teacherAnswer(space, work);
  if (typeof answer === 'string') return skipped(answer);
  const codec = await openSpaceCodec(space.root, descriptor, space.fs);
  const findings: Finding[] = [];
  const differences: number[] = [];
  for (const key of keys) {
    work.signal.throwIfAborted();
    const { part, row } = space.rows.get(key)!;
    const note = (problem: Finding['problem'], detail: string): void =>
      void findings.push({ file: part.entry.file, problem, detail: `row ${row}: ${detail}` });
    const known = work.known.get(key)!;
    const stored = await orFailure(work.reader.readStored(space, key));
    const image = await orFailure(loadImage(known.image, known.places));
    if (stored instanceof StillhouseError) note('recompute', `cannot be read: ${stored.failure.what}`);
    else if (image instanceof StillhouseError) note('image', imageTrouble(known.image, image));
    else {
      const fresh = await answer({ view: known.view, id: known.image.id, image });
      const difference = differenceOf(space, codec, { stored: stored!, fresh });
      differences.push(difference);
      if (difference > tolerance)
        note(
          'recompute',
          `${isPixelSpace(descriptor) ? 'the image now looks otherwise' : 'the teacher now says otherwise'}, by ${difference.toPrecision(3)}; at most ${tolerance} may be`,
        );
    }
  }
  const rows = differences.length;
  const worst = rows === 0 ? null : Math.max(...differences);
  const reason = rows === 0 ? 'none of the rows that were drawn can be compared' : null;
  return { answer: { space: label, id: space.id, rows, worst, tolerance, reason }, findings };
}

/** What was awaited, or the failure where bytes are not what they were: those of an image, or of a part. */
async function orFailure<T>(work: Promise<T>): Promise<T | StillhouseError> {
  try {
    return await work;
  } catch (error) {
    if (isStillhouseError(error, 'bad-input', 'integrity')) return error;
    throw error;
  }
}

const imageTrouble = ({ uri }: ImageRow, { failure: { what, got } }: StillhouseError): string =>
  `${what}: ${printable(uri)}${got === undefined ? '' : ` (${got})`}`;

const inputPxOf = ({ descriptor: { mosaic, sizePx } }: CachedSpace): number => mosaic?.canvasPx ?? sizePx;

/** Spaces of one opened teacher one after the other. */
function byTeacherAndSize(a: CachedSpace, b: CachedSpace): number {
  const [one, other] = [a.descriptor.teacher.name, b.descriptor.teacher.name];
  return one === other ? inputPxOf(a) - inputPxOf(b) : one < other ? -1 : 1;
}

/** The teacher that filled a space, or why it is not to be had. */
async function teacherOf({ descriptor }: CachedSpace, work: SpaceWork): Promise<LoadedTeacher | string> {
  const { name, weightsSha256 } = descriptor.teacher;
  let teacher = work.given.find(({ manifest }) => manifest.name === name);
  try {
    teacher ??= await loadTeacher(name, work.loadFrom);
    const identity = await identifyTeacher(teacher, work.device);
    if (identity.weightsSha256 === weightsSha256) return teacher;
    return `the weights of ${name} are others now: ${identity.weightsSha256}`;
  } catch (error) {
    if (isStillhouseError(error, 'bad-input', 'environment')) return error.failure.what;
    throw error;
  }
}

function tapOf({ tap: { kind } }: SpaceDescriptor): TeacherTap {
  if (kind === 'pixels') throw new Error('internal: no teacher says pixels');
  return kind;
}

/** Null when the teacher is asked for what the space holds; engine and its version may differ, for that is what is checked. */
function differenceFrom(
  { descriptor }: CachedSpace,
  { manifest }: LoadedTeacher,
  session: TeacherSession,
): string | null {
  const tap = session[tapOf(descriptor)];
  const sides: readonly (readonly [string, Json, Json])[] = [
    ['the preprocessing', descriptor.preprocess, preprocessDescription(manifest)],
    ['the tap', descriptor.tap.rule, tap?.rule ?? null],
    ['the shape', [...descriptor.shape], [...(tap?.shape ?? [])]],
  ];
  const other = sides.find(([, was, is]) => canonicalJson(was) !== canonicalJson(is));
  return other === undefined ? null : `${other[0]} of ${manifest.name} is another now`;
}

interface Question {
  readonly id: ImageId;
  readonly view: View;
  readonly image: RgbImage;
}

/** What a space would hold of a view if it were filled now. */
type Answer = (question: Question) => Promise<Float32Array>;

/** Or why the teacher cannot be asked. */
async function teacherAnswer(space: CachedSpace, work: SpaceWork): Promise<Answer | string> {
  const teacher = await teacherOf(space, work);
  if (typeof teacher === 'string') return teacher;
  const { mosaic } = space.descriptor;
  const opened = await work.engine.open(teacher, inputPxOf(space));
  const session = mosaic === undefined ? opened : mosaicSession(opened, mosaic, teacher.manifest);
  const other = differenceFrom(space, teacher, session);
  return other ?? ((question) => answerOf(space, { teacher, session, ...question }));
}

/** Or why this version of the code does not render them. */
function pixelAnswer({ descriptor }: CachedSpace): Answer | string {
  const { sizePx, preprocess } = descriptor;
  if (canonicalJson(preprocess) !== canonicalJson(RENDER_DESCRIPTION))
    return 'the pixels were decoded by another version of the decoder';
  const renderer = viewRenderer(PIXELS_INPUT, sizePx);
  return ({ image, view }) => {
    const pixels = new Float32Array(renderer.values);
    renderer.normaliseInto(renderer.render(image, view), pixels, 0);
    return Promise.resolve(pixels);
  };
}

interface TeacherQuestion extends Question {
  readonly teacher: LoadedTeacher;
  readonly session: TeacherSession;
}

async function answerOf({ descriptor }: CachedSpace, question: TeacherQuestion): Promise<Float32Array> {
  const { teacher, session, id, view, image } = question;
  const { mosaic, sizePx, shape } = descriptor;
  const kind = tapOf(descriptor);
  // on a mosaic with the same neighbours as then: the space says which
  const views = mosaic === undefined ? [view] : canvasesOf(mosaic, id, [view])[0]!.views;
  const renderer = rendererOf({ manifest: teacher.manifest, sizePx, isTile: mosaic !== undefined });
  const pixels = new Float32Array(new SharedArrayBuffer(views.length * renderer.values * 4));
  views.forEach((one, i) => renderer.normaliseInto(renderer.render(image, one), pixels, i * renderer.values));
  const answer = (await session.run(pixels, views.length))[kind];
  if (answer === null) throw new Error(`internal: ${teacher.manifest.name} has no ${kind}`);
  const at = views.findIndex((one) => viewIdOf(one) === viewIdOf(view));
  const width = rowValuesOf(shape);
  return answer.subarray(at * width, (at + 1) * width);
}

function noneComputed(spaces: readonly RecomputedSpace[], options: RecomputeOptions): StillhouseError {
  return new StillhouseError({
    kind: 'bad-input',
    what: 'not a single target could be computed again',
    where: options.catalogue.root,
    wanted:
      'images of the cached rows in --dataset, their teachers, and --views and --seed as in the run that filled it',
    got: [...new Set(spaces.map(({ space, reason }) => `${space}: ${reason ?? ''}`))].join('; '),
    next: 'name the indexed datasets (out/<run>/images) with --dataset, and manifests of your own with --teacher',
  });
}
