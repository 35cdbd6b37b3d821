/**
 * Computes what a plan says is missing: decode each image once, render every view at every size, ask the teachers, commit one
 * unit at a time. While the engine works on one unit the next one is decoded.
 */
import pLimit from 'p-limit';
import type { ImageId } from '../core/ids.ts';
import { rowValuesOf } from '../format/tensor-part.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { RgbImage } from '../images/rgb-image.ts';
import type { TeacherAnswer, TeacherSession } from '../teachers/teacher.ts';
import type { ViewRenderer } from '../teachers/preprocess.ts';
import type { CachePlan, CacheUnit, MissingRows, SpaceGroup, WantedRow } from './plan.ts';
import { spaceLabel } from './space.ts';
import { partOf } from './target-part.ts';
import type { CacheWriter, PartToWrite } from './write.ts';

/** A group with what it takes to fill it. */
export interface GroupEngine {
  readonly group: SpaceGroup;
  readonly session: TeacherSession;
  readonly renderer: ViewRenderer;
}

export interface FillOptions {
  readonly plan: CachePlan;
  readonly engines: readonly GroupEngine[];
  readonly writer: CacheWriter;
  /** Decoded pixels of an image; rejects when the file is gone or no longer has the bytes that its id names. */
  readonly decode: (image: ImageRow) => Promise<RgbImage>;
  /** Images decoded at once. */
  readonly workers: number;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

export interface SpaceFill {
  written: number;
  failed: number;
}

/** A target that could not be made: recorded in its part, not tried again. */
export interface FailedTarget {
  readonly image: ImageRow;
  readonly label: string;
  readonly reason: string;
}

export interface FillResult {
  /** By space label. */
  readonly spaces: ReadonlyMap<string, SpaceFill>;
  readonly failed: readonly FailedTarget[];
  /** Images decoded; one per image and unit, however many teachers and sizes there are. */
  readonly decodes: number;
}

/** Rendered uint8 images of one unit, per group: row index in the unit -> pixels. */
type RenderedUnit = ReadonlyMap<SpaceGroup, ReadonlyMap<number, RgbImage>>;

export async function fillCache(options: FillOptions): Promise<FillResult> {
  const { plan, signal } = options;
  const engines = new Map(options.engines.map((engine) => [engine.group, engine]));
  const spaces = new Map<string, SpaceFill>();
  const failed: FailedTarget[] = [];
  const counter = { decodes: 0 };
  const total = plan.units.reduce((sum, unit) => sum + unitTargets(unit), 0);
  let done = 0;
  let next = plan.units[0] === undefined ? undefined : renderUnit(plan.units[0], engines, options, counter);
  try {
    for (const [i, unit] of plan.units.entries()) {
      signal.throwIfAborted();
      const rendered = await next!;
      const following = plan.units[i + 1];
      next = following === undefined ? undefined : renderUnit(following, engines, options, counter);
      // a failure of the next unit is thrown when its turn comes, not as an unhandled rejection now
      next?.catch(() => undefined);
      const parts: SpacePart[] = [];
      for (const missing of unit.missing) {
        const { group, rows } = missing;
        const answers = await askTeacher(engines.get(group)!, rows, rendered.get(group)!, signal, (count) => {
          done += count;
          options.onProgress(done, total);
        });
        parts.push(...partsOf(unit, missing, answers));
      }
      await options.writer.commit(parts.map(({ part }) => part));
      for (const { rows, part } of parts) {
        const label = spaceLabel(part.space);
        const fill = spaces.get(label) ?? { written: 0, failed: 0 };
        fill.written += rows.length;
        fill.failed += part.failures.length;
        spaces.set(label, fill);
        for (const { row, reason } of part.failures) failed.push({ image: rows[row]!.image, label, reason });
      }
    }
  } finally {
    // nothing is left running: decoding of the next unit ends, well or badly, before the caller closes its teachers
    await next?.catch(() => undefined);
  }
  return { spaces, failed, decodes: counter.decodes };
}

interface SpacePart {
  readonly rows: readonly WantedRow[];
  readonly part: PartToWrite;
}

/** One part per space of the group that lacks rows, holding exactly those. */
function partsOf(unit: CacheUnit, missing: MissingRows, answers: TeacherAnswer): SpacePart[] {
  return missing.group.spaces.flatMap((space, i): SpacePart[] => {
    const positions = missing.bySpace[i]!;
    if (positions.length === 0) return [];
    const values = space.tap.kind === 'summary' ? answers.summary : answers.spatial;
    if (values === null) throw new Error(`internal: ${spaceLabel(space)} has no answer`);
    const rows = positions.map((position) => unit.rows[missing.rows[position]!]!);
    return [{ rows, part: partOf(space, rows, rowsAt(values, positions, rowValuesOf(space.shape))) }];
  });
}

/** Rows of [n, width] at some positions; the array itself when it is all of them. */
function rowsAt(values: Float32Array, positions: readonly number[], width: number): Float32Array {
  if (positions.length * width === values.length) return values;
  const out = new Float32Array(positions.length * width);
  positions.forEach((position, i) =>
    out.set(values.subarray(position * width, (position + 1) * width), i * width),
  );
  return out;
}

const unitTargets = (unit: CacheUnit): number =>
  unit.missing.reduce((sum, entry) => sum + entry.rows.length, 0);

async function renderUnit(
  unit: CacheUnit,
  engines: ReadonlyMap<SpaceGroup, GroupEngine>,
  options: FillOptions,
  counter: { decodes: number },
): Promise<RenderedUnit> {
  const rendered = new Map(unit.missing.map(({ group }) => [group, new Map<number, RgbImage>()]));
  const lacking = unit.missing.map(({ rows }) => new Set(rows));
  // by id: two datasets may each have a record of the same image
  const byImage = new Map<ImageId, number[]>();
  unit.rows.forEach((row, i) => {
    if (lacking.some((rows) => rows.has(i)))
      byImage.set(row.image.id, [...(byImage.get(row.image.id) ?? []), i]);
  });
  const limit = pLimit(options.workers);
  const failed = new AbortController();
  const stop = AbortSignal.any([options.signal, failed.signal]);
  const work = [...byImage.values()].map((rows) =>
    limit(async () => {
      stop.throwIfAborted();
      try {
        const pixels = await options.decode(unit.rows[rows[0]!]!.image);
        counter.decodes += 1;
        for (const [at, { group }] of unit.missing.entries()) {
          const engine = engines.get(group)!;
          for (const row of rows)
            if (lacking[at]!.has(row))
              rendered.get(group)!.set(row, engine.renderer.render(pixels, unit.rows[row]!.view));
        }
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }),
  );
  // after a failure no other image is begun, and those that were are waited for: nothing goes on behind the caller's back
  await Promise.allSettled(work);
  stop.throwIfAborted();
  return rendered;
}

async function askTeacher(
  engine: GroupEngine,
  rows: readonly number[],
  rendered: ReadonlyMap<number, RgbImage>,
  signal: AbortSignal,
  onRows: (count: number) => void,
): Promise<TeacherAnswer> {
  const { session, renderer } = engine;
  const collect = (tap: TeacherSession['summary']): Float32Array | null =>
    tap && new Float32Array(rows.length * rowValuesOf(tap.shape));
  const all = { summary: collect(session.summary), spatial: collect(session.spatial) };
  for (let start = 0; start < rows.length; start += session.batch) {
    signal.throwIfAborted();
    const batch = rows.slice(start, start + session.batch);
    const pixels = new Float32Array(batch.length * renderer.values);
    batch.forEach((row, i) => renderer.normaliseInto(rendered.get(row)!, pixels, i * renderer.values));
    const answer = await session.run(pixels, batch.length);
    for (const kind of ['summary', 'spatial'] as const)
      if (answer[kind]) all[kind]!.set(answer[kind], start * rowValuesOf(session[kind]!.shape));
    onRows(batch.length);
    // the engine call blocks the event loop; let signals, progress and decoding in between
    await new Promise((resolve) => setImmediate(resolve));
  }
  return all;
}
