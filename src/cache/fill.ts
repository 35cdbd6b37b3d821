/**
 * Computes what a plan says is missing: decode each image once, render every view at every size, ask the teachers, commit one
 * unit at a time. While the engine works on one unit the next one is decoded.
 */
import pLimit from 'p-limit';
import { encodeHalf } from '../core/half.ts';
import { KEY_BYTES, VIEW_BYTES, rowValuesOf } from '../format/tensor-part.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { RgbImage } from '../images/rgb-image.ts';
import type { TeacherAnswer, TeacherSession } from '../teachers/teacher.ts';
import type { ViewRenderer } from '../teachers/preprocess.ts';
import type { CachePlan, CacheUnit, SpaceGroup, WantedRow } from './plan.ts';
import { type SpaceDescriptor, spaceLabel } from './space.ts';
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
type RenderedUnit = ReadonlyMap<SpaceGroup, ReadonlyMap<number, Uint8Array>>;

export async function fillCache(options: FillOptions): Promise<FillResult> {
  const { plan, signal } = options;
  const engines = new Map(options.engines.map((engine) => [engine.group, engine]));
  const spaces = new Map<string, SpaceFill>();
  const failed: FailedTarget[] = [];
  const counter = { decodes: 0 };
  const total = plan.units.reduce((sum, unit) => sum + unitTargets(unit), 0);
  let done = 0;
  let next = plan.units[0] === undefined ? undefined : renderUnit(plan.units[0], engines, options, counter);
  for (const [i, unit] of plan.units.entries()) {
    signal.throwIfAborted();
    const rendered = await next!;
    const following = plan.units[i + 1];
    next = following === undefined ? undefined : renderUnit(following, engines, options, counter);
    // a failure of the next unit is thrown when its turn comes, not as an unhandled rejection now
    next?.catch(() => undefined);
    const parts: PartToWrite[] = [];
    for (const { group, rows } of unit.missing) {
      const answers = await askTeacher(engines.get(group)!, rows, rendered.get(group)!, signal, (count) => {
        done += count;
        options.onProgress(done, total);
      });
      for (const space of group.spaces) {
        const values = space.tap.kind === 'summary' ? answers.summary : answers.spatial;
        const part = partOf(
          space,
          rows.map((row) => unit.rows[row]!),
          values!,
        );
        parts.push(part);
        const fill = spaces.get(spaceLabel(space)) ?? { written: 0, failed: 0 };
        fill.written += rows.length;
        fill.failed += part.failures.length;
        spaces.set(spaceLabel(space), fill);
        for (const { row, reason } of part.failures)
          failed.push({ image: unit.rows[rows[row]!]!.image, label: spaceLabel(space), reason });
      }
    }
    await options.writer.commit(parts);
  }
  return { spaces, failed, decodes: counter.decodes };
}

const unitTargets = (unit: CacheUnit): number =>
  unit.missing.reduce((sum, entry) => sum + entry.rows.length, 0);

async function renderUnit(
  unit: CacheUnit,
  engines: ReadonlyMap<SpaceGroup, GroupEngine>,
  options: FillOptions,
  counter: { decodes: number },
): Promise<RenderedUnit> {
  const rendered = new Map(unit.missing.map(({ group }) => [group, new Map<number, Uint8Array>()]));
  const byImage = new Map<ImageRow, number[]>();
  unit.rows.forEach((row, i) => {
    if (unit.missing.some((entry) => entry.rows.includes(i)))
      byImage.set(row.image, [...(byImage.get(row.image) ?? []), i]);
  });
  const limit = pLimit(options.workers);
  await Promise.all(
    [...byImage].map(([image, rows]) =>
      limit(async () => {
        options.signal.throwIfAborted();
        const pixels = await options.decode(image);
        counter.decodes += 1;
        for (const { group, rows: lacking } of unit.missing) {
          const engine = engines.get(group)!;
          for (const row of rows)
            if (lacking.includes(row))
              rendered.get(group)!.set(row, await engine.renderer.render(pixels, unit.rows[row]!.view));
        }
      }),
    ),
  );
  return rendered;
}

async function askTeacher(
  engine: GroupEngine,
  rows: readonly number[],
  rendered: ReadonlyMap<number, Uint8Array>,
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

/** Largest finite binary16 value: anything beyond would silently become infinity. */
const HALF_MAX = 65504;

/** Encodes rows as f16; a row with a value that is not finite, or does not fit, is recorded as failed with a zero payload. */
export function partOf(
  space: SpaceDescriptor,
  rows: readonly WantedRow[],
  values: Float32Array,
): PartToWrite {
  const width = rowValuesOf(space.shape);
  const payload = encodeHalf(values);
  const ok = new Uint8Array(rows.length).fill(1);
  const failures: { row: number; reason: string }[] = [];
  rows.forEach((_, row) => {
    const reason = trouble(values.subarray(row * width, (row + 1) * width));
    if (reason === null) return;
    ok[row] = 0;
    payload.fill(0, row * width, (row + 1) * width);
    failures.push({ row, reason });
  });
  const keys = Buffer.concat(rows.map((row) => Buffer.from(row.key.slice(0, KEY_BYTES * 2), 'hex')));
  const views = Buffer.concat(rows.map((row) => Buffer.from(row.key.slice(KEY_BYTES * 2), 'hex')));
  if (views.length !== rows.length * VIEW_BYTES) throw new Error('internal: a row key has the wrong length');
  const dimNames = space.shape.length === 1 ? ['channel'] : ['row', 'column', 'channel'];
  return {
    space,
    part: {
      shape: space.shape,
      dimNames,
      dtype: 'float16',
      rows: rows.length,
      keys: ownBytes(keys),
      views: ownBytes(views),
      ok,
      payload,
    },
    failures,
  };
}

/** Node pools small buffers in one ArrayBuffer, and arrow must never see two columns over one (formats-and-loaders.md §3.2). */
const ownBytes = (buffer: Buffer): Uint8Array => Uint8Array.from(buffer);

function trouble(row: Float32Array): string | null {
  for (const value of row) {
    if (!Number.isFinite(value)) return 'non-finite';
    if (Math.abs(value) > HALF_MAX) return 'beyond-f16';
  }
  return null;
}
