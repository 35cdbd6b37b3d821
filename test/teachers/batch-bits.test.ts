/** On the CPU a row has the same bits whatever the rows of its call and the threads of the engine: what decision 0016 rests on. */
import * as ort from 'onnxruntime-node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { sha256 } from '../../src/core/digest.ts';
import { Rng } from '../../src/core/rng.ts';
import { exportBackbone } from '../../src/student/export.ts';
import { initialState } from '../../src/student/trainer.ts';
import { openTeacher } from '../../src/teachers/open-teacher.ts';
import { tinyConfig } from '../student/tiny.ts';
import { lookAlike, teacherOf } from './look-alikes.ts';

const ROWS = 8;
const BATCHES = [1, 3, ROWS];
const THREADS = [1, 2];

const uniforms = (count: number): Float32Array => {
  const rng = new Rng(16, 'pixels');
  return Float32Array.from({ length: count }, () => rng.uniform());
};

/** Bits of each row, as text that compares NaN and signed zeros too. */
function rowBits(values: Float32Array, rows: number): string[] {
  const width = values.length / rows;
  return Array.from({ length: rows }, (_, row) =>
    sha256(new Uint8Array(values.slice(row * width, (row + 1) * width).buffer)),
  );
}

/** All rows of some calls: the last of them is of fewer rows where the batch does not divide them. */
async function inCallsOf(
  batch: number,
  call: (from: number, rows: number) => Promise<readonly Float32Array[]>,
): Promise<string[][]> {
  const bits: string[][] = [];
  for (let from = 0; from < ROWS; from += batch) {
    const rows = Math.min(batch, ROWS - from);
    const taps = (await call(from, rows)).map((values) => rowBits(values, rows));
    for (let row = 0; row < rows; row++) bits.push(taps.map((tap) => tap[row]!));
  }
  return bits;
}

const COMBINATIONS = BATCHES.flatMap((batch) => THREADS.map((threads) => ({ batch, threads })));

/** Bits of every row by batch and number of threads; all have to be those of the first. */
function expectSame(found: readonly string[][][]): void {
  // images differ, and so do their taps
  expect(new Set(found[0]!.flat()).size).toBe(2 * ROWS);
  for (const [i, bits] of found.entries()) expect(bits, JSON.stringify(COMBINATIONS[i])).toEqual(found[0]);
}

// transformers whose exports leave the batch free: one graph takes any number of rows
describe.each([
  { family: 'dinov2', inWholeBatches: true },
  { family: 'dinov2-with-registers', inWholeBatches: true },
  { family: 'clip', inWholeBatches: true },
  // its pooling multiplies one query per image, in a kernel of its own for one row: found out, and asked for row by row
  { family: 'siglip', inWholeBatches: false },
])('rows of the look-alike of $family', ({ family, inWholeBatches }) => {
  it('have the same bits in calls of 1, 3 and 8 rows, on 1 and 2 threads', async () => {
    const one = lookAlike(family);
    const found: string[][][] = [];
    for (const { batch, threads } of COMBINATIONS) {
      const session = await openTeacher(
        teacherOf(one),
        { sizePx: one.sizesPx.at(-1)!, batch },
        { device: 'cpu', threads },
      );
      onTestFinished(() => session.close());
      const { inputValues } = session;
      const pixels = uniforms(ROWS * inputValues);
      const bits = await inCallsOf(batch, async (from, rows) => {
        const answer = await session.run(
          pixels.subarray(from * inputValues, (from + rows) * inputValues),
          rows,
        );
        if (inWholeBatches) expect(answer.callRows).toBe(batch);
        return [answer.summary!, answer.spatial!];
      });
      found.push(bits);
    }
    expectSame(found);
  });
});

it('rows of a ViT of three blocks, wide enough that two threads share a product, have the same bits too', async () => {
  const imagePx = 64;
  // 8 x 8 patches and one CLS token
  const config = tinyConfig({
    vit: {
      imagePx,
      patchPx: 8,
      width: 384,
      depth: 3,
      heads: 6,
      mlpRatio: 4,
      registers: 0,
      teachers: ['sem'],
    },
  });
  const { parameters } = initialState(config);
  const inputValues = 3 * imagePx ** 2;
  const pixels = uniforms(ROWS * inputValues);
  const found: string[][][] = [];
  for (const batch of BATCHES) {
    const graph = exportBackbone({ config, parameters, batchSize: batch, runDigest: sha256('run') });
    for (const threads of THREADS) {
      const session = await ort.InferenceSession.create(graph, { intraOpNumThreads: threads });
      onTestFinished(() => session.release());
      const bits = await inCallsOf(batch, async (from, rows) => {
        const input = new Float32Array(batch * inputValues);
        input.set(pixels.subarray(from * inputValues, (from + rows) * inputValues));
        const outputs = await session.run({
          pixels: new ort.Tensor('float32', input, [batch, 3, imagePx, imagePx]),
        });
        return ['summary', 'spatial'].map((name) => {
          const all = outputs[name]!.data as Float32Array;
          return all.subarray(0, (all.length / batch) * rows);
        });
      });
      found.push(bits);
    }
  }
  expectSame(found);
});
