/** A small world for cache tests: images of a few bytes, teachers that are arithmetic, everything counted. */
import { onTestFinished } from 'vitest';
import { type CachedSpace, openCatalogue } from '../../src/cache/catalogue.ts';
import { type FillOptions, type GroupEngine, fillCache } from '../../src/cache/fill.ts';
import { type SpaceGroup, type WantedImage, planCache, wantedRows } from '../../src/cache/plan.ts';
import { targetShapeOf } from '../../src/cache/codecs/stored-tensor.ts';
import { TargetReader } from '../../src/cache/read.ts';
import { type RowKey, rowKeyOf } from '../../src/cache/row-key.ts';
import { type SpaceDescriptor, spaceIdOf, spaceLabel } from '../../src/cache/space.ts';
import { partOf } from '../../src/cache/target-part.ts';
import { CacheWriter, type PartToWrite } from '../../src/cache/write.ts';
import type { Clock } from '../../src/core/clock.ts';
import { sha256 } from '../../src/core/digest.ts';
import { imageId } from '../../src/core/ids.ts';
import { rowValuesOf } from '../../src/format/tensor-part.ts';
import type { ImageRow } from '../../src/images/image-row.ts';
import type { RgbImage } from '../../src/images/rgb-image.ts';
import { FULL_VIEW, type View, viewIdOf } from '../../src/images/view.ts';
import { type CommitFs, nodeFs } from '../../src/store/commit-fs.ts';
import type { ViewRenderer } from '../../src/teachers/preprocess.ts';
import { inlineRenderPool } from '../../src/teachers/render-pool.ts';
import type { TeacherSession } from '../../src/teachers/teacher.ts';
import { quickFs } from '../support/quick-fs.ts';

export const fixedClock: Clock = { elapsedMs: () => 0, nowIso: () => '2026-01-01T00:00:00.000Z' };

export function image(i: number): ImageRow {
  return {
    id: imageId(sha256(`image ${i}`)),
    uri: `i${i}.png`,
    name: `i${i}`,
    sizeBytes: 9,
    width: 8,
    height: 8,
    format: 'png',
    label: null,
    split: 'train',
    group: null,
    source: 'test',
    licence: 'CC0-1.0',
  };
}

export const LEFT_HALF: View = { box: [0, 0, 0.5, 1], flip: true };

export const images = (count: number, views: readonly View[] = [FULL_VIEW]): WantedImage[] =>
  Array.from({ length: count }, (_, i) => ({ image: image(i), views }));

export const keyOf = (row: ImageRow, view: View = FULL_VIEW): RowKey =>
  rowKeyOf({ image: row.id, view: viewIdOf(view) });

export function space(changes: Partial<SpaceDescriptor> = {}): SpaceDescriptor {
  return {
    v: 1,
    teacher: { name: 'sums', engine: 'onnx', weightsSha256: sha256('weights') },
    runtime: { engine: 'none', version: '1', device: 'cpu', provider: 'cpu', precision: 'float32' },
    preprocess: { version: 1, mean: [0, 0, 0] },
    sizePx: 2,
    tap: { kind: 'summary', rule: { tensor: 'x' } },
    shape: [3],
    codec: { id: 'f16' },
    ...changes,
  };
}

/** A teacher with a summary [3] and a map [2, 1, 2]. */
export function group(name = 'sums', sizePx = 2): SpaceGroup {
  const teacher = { name, engine: 'onnx', weightsSha256: sha256(name) };
  return {
    teacher: name,
    sizePx,
    spaces: [
      space({ teacher, sizePx }),
      space({ teacher, sizePx, tap: { kind: 'spatial', rule: { tensor: 'y' } }, shape: [2, 1, 2] }),
    ],
  };
}

/** Four bytes that stand for an image's pixels. */
export const pixelsOf = (row: ImageRow): RgbImage => ({
  widthPx: 1,
  heightPx: 1,
  data: Uint8Array.from(Buffer.from(row.id.slice(0, 8), 'hex')),
});

/** What the teacher of a space says about four rendered bytes: distinct per teacher, size, tap and value. */
export function answer(space: SpaceDescriptor, rendered: ArrayLike<number>): Float32Array {
  const scale = space.sizePx + space.teacher.name.length / 10;
  return Float32Array.from(
    { length: rowValuesOf(space.shape) },
    (_, i) => (rendered[i % 4]! - 127) * scale + i * (space.tap.kind === 'summary' ? 1 : -2),
  );
}

export function rendered(row: ImageRow, view: View): Uint8Array {
  return pixelsOf(row).data.map((byte, i) => (byte + Math.round(view.box[2] * 10) + i) & 255);
}

export interface EngineOptions {
  readonly batch?: number;
  /** Changes one row of an answer, e.g. to NaN. */
  readonly spoil?: (rendered: Float32Array, summary: Float32Array) => void;
}

/** A teacher and how its input is made. */
export interface RigEngine extends GroupEngine {
  readonly renderer: ViewRenderer;
}

export interface CountedEngine extends RigEngine {
  readonly counts: { calls: number; rows: number; renders: number };
}

export function engine(group: SpaceGroup, options: EngineOptions = {}): CountedEngine {
  const { batch = 4 } = options;
  const counts = { calls: 0, rows: 0, renders: 0 };
  const [summary, spatial] = group.spaces as [SpaceDescriptor, SpaceDescriptor];
  const session: TeacherSession = {
    sizePx: group.sizePx,
    batch,
    inputValues: 4,
    lanes: 1,
    summary: { shape: summary.shape, rule: summary.tap.rule, dtype: 'float32' },
    spatial: { shape: spatial.shape, rule: spatial.tap.rule, dtype: 'float32' },
    run: (pixels, rows) => {
      counts.calls += 1;
      counts.rows += rows;
      const all = (space: SpaceDescriptor): Float32Array =>
        Float32Array.from(
          Array.from({ length: rows }, (_, i) => {
            const bytes = pixels.subarray(i * 4, i * 4 + 4);
            const row = answer(space, bytes);
            if (space === summary) options.spoil?.(bytes, row);
            return [...row];
          }).flat(),
        );
      return Promise.resolve({ summary: all(summary), spatial: all(spatial), engineMs: 0 });
    },
    close: () => Promise.resolve(),
  };
  return {
    group,
    session,
    counts,
    renderer: {
      values: 4,
      maxBytes: 4,
      render: (image, view) => {
        counts.renders += 1;
        return {
          ...image,
          data: image.data.map((byte, i) => (byte + Math.round(view.box[2] * 10) + i) & 255),
        };
      },
      normaliseInto: ({ data }, out, offset) => out.set(data, offset),
    },
  };
}

export interface FillWorld {
  readonly root: string;
  readonly wanted: readonly WantedImage[];
  readonly engines: readonly RigEngine[];
  readonly unitRows?: number;
  readonly writer?: string;
  readonly fs?: CommitFs;
  readonly decode?: (row: ImageRow) => Promise<RgbImage>;
  /** Images decoded at once. */
  readonly workers?: number;
  readonly fill?: Partial<FillOptions>;
}

/** Plans and fills as a run does. */
export async function fill(world: FillWorld) {
  const { root, wanted, engines, unitRows = 4, fs = quickFs } = world;
  const { decode = (row: ImageRow) => Promise.resolve(pixelsOf(row)), workers = 3 } = world;
  const opened = await CacheWriter.open({
    root,
    writer: world.writer ?? 'w',
    clock: fixedClock,
    fs,
  });
  const plan = planCache({
    wanted,
    groups: engines.map(({ group }) => group),
    catalogue: await openCatalogue(root, { fs }),
    unitRows,
  });
  const result = await fillCache({
    plan,
    engines,
    writer: opened.writer,
    renderers: inlineRenderPool({
      renderers: engines.map(({ renderer }) => renderer),
      decode,
      threads: workers,
    }),
    clock: fixedClock,
    signal: new AbortController().signal,
    onProgress: () => undefined,
    ...world.fill,
  });
  return { ...result, plan, adopted: opened.adopted, quarantined: opened.quarantined };
}

/** Rows of one space as a part, without a teacher call. */
export function partFor(space: SpaceDescriptor, wanted: readonly WantedImage[]): PartToWrite {
  const rows = wantedRows(wanted);
  return partOf(
    space,
    rows,
    Float32Array.from(rows.flatMap((row) => [...answer(space, rendered(row.image, row.view))])),
  );
}

export async function openWriter(root: string, writer = 'w', fs: CommitFs = quickFs) {
  return CacheWriter.open({ root, writer, clock: fixedClock, fs });
}

export async function spaceIn(root: string, space: SpaceDescriptor): Promise<CachedSpace> {
  const cached = (await openCatalogue(root)).spaces.get(spaceIdOf(space));
  if (!cached) throw new Error(`${spaceLabel(space)} is not there`);
  return cached;
}

/** A reader that the test need not close. */
export function reader(options: ConstructorParameters<typeof TargetReader>[0] = {}): TargetReader {
  const made = new TargetReader(options);
  onTestFinished(() => made.close());
  return made;
}

/** Every target of a cache, read and checked: `label key` -> values, or null where it failed. */
export async function contentOf(
  root: string,
  fs: CommitFs = nodeFs,
): Promise<Map<string, readonly number[] | null>> {
  const content = new Map<string, readonly number[] | null>();
  const targets = new TargetReader();
  try {
    for (const cached of (await openCatalogue(root, { fs })).spaces.values())
      for (const key of cached.rows.keys()) {
        const out = new Float32Array(rowValuesOf(targetShapeOf(cached.descriptor)));
        const ok = await targets.readInto(cached, key, out);
        content.set(`${spaceLabel(cached.descriptor)} ${key}`, ok ? [...out] : null);
      }
  } finally {
    await targets.close();
  }
  return content;
}
