/** What a mosaic does to teachers that see near, in windows, or all over; means are those of decision 0013. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../../src/core/rng.ts';
import type { TeacherSession } from '../../../src/teachers/teacher.ts';
import { openTeacher } from '../../../src/teachers/open-teacher.ts';
import { mosaicLayout } from '../../../src/teachers/mosaic/layout.ts';
import { mosaicSession } from '../../../src/teachers/mosaic/mosaic-session.ts';
import { meanCosine } from '../../../src/cache/statistics/interpolation.ts';
import { CELL_PX, attentionTeacher } from '../../support/attention-teacher.ts';

const TILE_CELLS = 6;
const TILE_PX = TILE_CELLS * CELL_PX;
const CHANNELS = 8;
const ON_CPU = { device: 'cpu', threads: 1 } as const;

const tile = (seed: number): Float32Array => {
  const rng = new Rng(seed, 'tile');
  return Float32Array.from({ length: 3 * TILE_PX * TILE_PX }, () => rng.normal());
};

/** The map of the first of some tiles, on a canvas of 2 x 2. */
async function onCanvas(window: number, ...seeds: number[]): Promise<Float32Array> {
  const teacher = await attentionTeacher({ sidePx: 2 * TILE_PX, window });
  const layout = mosaicLayout(teacher.manifest, { tilesPerSide: 2, tilePx: TILE_PX });
  const session = mosaicSession(
    await openTeacher(teacher, { sizePx: layout.canvasPx, batch: 1 }, ON_CPU),
    layout,
    teacher.manifest,
  );
  try {
    const { spatial } = await session.run(
      Float32Array.from(seeds.flatMap((seed) => [...tile(seed)])),
      seeds.length,
    );
    return spatial!.slice(0, TILE_CELLS ** 2 * CHANNELS);
  } finally {
    await session.close();
  }
}

/** The same picture as the whole input. */
async function alone(window: number, seed: number): Promise<Float32Array> {
  const teacher = await attentionTeacher({ sidePx: TILE_PX, window });
  const session = await openTeacher(teacher, { sizePx: TILE_PX, batch: 1 }, ON_CPU);
  try {
    return (await session.run(tile(seed), 1)).spatial!;
  } finally {
    await session.close();
  }
}

/** Cosine of each cell, [6 * 6]. */
const cosines = (a: Float32Array, b: Float32Array): number[] =>
  Array.from({ length: TILE_CELLS ** 2 }, (_, cell) => {
    const at = [cell * CHANNELS, (cell + 1) * CHANNELS] as const;
    return meanCosine(a.subarray(...at), b.subarray(...at), CHANNELS);
  });

const isInterior = (cell: number): boolean =>
  [Math.floor(cell / TILE_CELLS), cell % TILE_CELLS].every((at) => at > 0 && at < TILE_CELLS - 1);
/** Cells with that distance from the seams; the tile is the top left one, so its seams are below and at the right. */
const seamless = (cell: number, cells: number): boolean =>
  [Math.floor(cell / TILE_CELLS), cell % TILE_CELLS].every((at) => at < TILE_CELLS - cells);

interface Figures {
  readonly mean: number;
  /** Cells that stay as they are. */
  readonly still: readonly number[];
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

describe('a session on mosaics', () => {
  it('counts in tiles what the teacher counts in canvases, and uses its memory again', async () => {
    const { manifest } = await attentionTeacher({ sidePx: 2 * TILE_PX, window: 0 });
    const layout = mosaicLayout(manifest, { tilesPerSide: 2, tilePx: TILE_PX });
    const buffers = new Set<ArrayBufferLike>();
    const calls: number[] = [];
    const canvases: TeacherSession = {
      sizePx: layout.canvasPx,
      batch: 3,
      inputValues: 3 * layout.canvasPx ** 2,
      lanes: 2,
      summary: { shape: [5], rule: {}, dtype: 'float32' },
      spatial: { shape: [12, 12, CHANNELS], rule: { tensor: 'map' }, dtype: 'float16' },
      run: (pixels, rows) => {
        buffers.add(pixels.buffer);
        calls.push(rows);
        expect(pixels.length).toBe(rows * canvases.inputValues);
        const spatial = new Float32Array(rows * 12 * 12 * CHANNELS);
        return Promise.resolve({ summary: new Float32Array(rows * 5), spatial, engineMs: 7, callRows: 3 });
      },
      close: () => Promise.resolve(),
    };
    const session = mosaicSession(canvases, layout, manifest);
    expect(session).toMatchObject({
      sizePx: TILE_PX,
      batch: 12,
      inputValues: 3 * TILE_PX ** 2,
      lanes: 2,
      summary: null,
      spatial: { shape: [6, 6, CHANNELS], rule: { tensor: 'map' }, dtype: 'float16' },
    });
    for (const rows of [12, 5, 1]) {
      const { spatial, summary, engineMs, callRows } = await session.run(
        new Float32Array(rows * session.inputValues),
        rows,
      );
      expect([summary, engineMs, callRows, spatial!.length]).toEqual([null, 7, 12, rows * 36 * CHANNELS]);
    }
    expect(calls).toEqual([3, 2, 1]);
    expect([...buffers].map((buffer) => buffer instanceof SharedArrayBuffer)).toEqual([true]);
  });
});

describe('a tile on a mosaic', () => {
  it('of a teacher that sees near is as if alone, a receptive field from its border; the border is not', async () => {
    const found = cosines(await onCanvas(0, 1, 2, 3, 4), await alone(0, 1));
    const inside = found.filter((_, cell) => isInterior(cell));
    expect(inside).toHaveLength(16);
    for (const cosine of inside) expect(cosine).toBeCloseTo(1, 6);
    const seam = found.filter((_, cell) => !seamless(cell, 1));
    expect(Math.min(...seam)).toBeLessThan(0.97);
    // towards the edge of the canvas there is padding, as there is around a picture alone
    for (const cosine of found.filter((_, cell) => seamless(cell, 1))) expect(cosine).toBeCloseTo(1, 6);
  });

  it('with windows that end where tiles end differs as the convolution does, and no farther', async () => {
    const moved = cosines(await onCanvas(3, 1, 2, 3, 4), await onCanvas(3, 1, 5, 6, 7));
    // the windows of 3 cells that no seam touches
    const apart = moved.filter((_, cell) => seamless(cell, 3));
    expect(apart).toHaveLength(9);
    for (const cosine of apart) expect(cosine).toBeCloseTo(1, 6);
    expect(Math.min(...moved)).toBeLessThan(0.97);
  });

  it('moves with its neighbours the more on the mean, the farther the teacher sees; with global attention all of it does', async () => {
    const figures: Figures[] = [];
    for (const window of [0, 3, 4, 12]) {
      const moved = cosines(await onCanvas(window, 1, 2, 3, 4), await onCanvas(window, 1, 5, 6, 7));
      const still = moved.flatMap((cosine, cell) => (cosine > 1 - 1e-6 ? [cell] : []));
      figures.push({ mean: mean(moved), still });
    }
    const [near, aligned, across, global] = figures as [Figures, Figures, Figures, Figures];
    const cells = (condition: (cell: number) => boolean): number[] =>
      Array.from({ length: TILE_CELLS ** 2 }, (_, cell) => cell).filter(condition);
    expect(near.still).toEqual(cells((cell) => seamless(cell, 1)));
    expect(aligned.still).toEqual(expect.arrayContaining(cells((cell) => seamless(cell, 3))));
    // only the first window of 4 cells lies within the tile of 6
    expect(across.still).toEqual(cells((cell) => seamless(cell, 2)));
    expect(global.still).toEqual([]);
    const means = figures.map(({ mean }) => mean);
    expect(means.every((mean, i) => i === 0 || mean < means[i - 1]!)).toBe(true);
    const told = [0.97, 0.94, 0.86, 0.81];
    for (const [i, mean] of means.entries()) expect(Math.abs(mean - told[i]!)).toBeLessThan(0.01);
  });

  it('of a teacher with global attention depends on every neighbour, on their places, and on the padding', async () => {
    const base = await onCanvas(12, 1, 2, 3, 4);
    expect(await onCanvas(12, 1, 2, 3, 4)).toEqual(base);
    for (const others of [[2, 4, 3], [2, 3, 9], [2, 3], []])
      expect(await onCanvas(12, 1, ...others), others.join()).not.toEqual(base);
  });
});
