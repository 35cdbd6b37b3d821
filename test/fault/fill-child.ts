/**
 * Run by the kill test as a process of its own: fills a cache with what a formula says of numbered images. Prints `ready` when all is
 * imported and waits for its orders, one line of JSON on stdin. Then prints one line of JSON with the files of each commit as soon
 * as it has resolved, and at the end how many calls changed the disk.
 */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { openCatalogue } from '../../src/cache/catalogue.ts';
import { fillCache } from '../../src/cache/fill.ts';
import { type SpaceGroup, planCache } from '../../src/cache/plan.ts';
import type { SpaceDescriptor } from '../../src/cache/space.ts';
import { CacheWriter } from '../../src/cache/write.ts';
import { machineClock } from '../../src/core/clock.ts';
import { sha256 } from '../../src/core/digest.ts';
import { imageId } from '../../src/core/ids.ts';
import { FULL_VIEW, type View } from '../../src/images/view.ts';
import { inlineRenderPool } from '../../src/teachers/render-pool.ts';
import { type CommitFs, nodeFs } from '../../src/store/commit-fs.ts';
import type { TeacherSession } from '../../src/teachers/teacher.ts';

const IMAGES = 32;
const UNIT_ROWS = 4;
const BYTES = 4;
const SHAPES = { summary: [8], spatial: [4, 4, 16] };
const VIEWS: readonly View[] = [FULL_VIEW, { box: [0, 0, 0.5, 1], flip: true }];

const print = (line: string): void => void writeSync(1, `${line}\n`);

function space(sizePx: number, kind: 'summary' | 'spatial'): SpaceDescriptor {
  return {
    v: 1,
    teacher: { name: 'formula', engine: 'onnx', weightsSha256: sha256('formula') },
    runtime: { engine: 'none', version: '1', device: 'cpu', provider: 'cpu', precision: 'float32' },
    preprocess: { version: 1 },
    sizePx,
    tap: { kind, rule: {} },
    shape: SHAPES[kind],
    codec: { id: 'f16' },
  };
}

function answer(pixels: Float32Array, values: number, sizePx: number): Float32Array {
  const rows = pixels.length / BYTES;
  return Float32Array.from({ length: rows * values }, (_, i) => {
    const [row, k] = [Math.floor(i / values), i % values];
    return pixels[row * BYTES + (k % BYTES)]! * sizePx - k;
  });
}

const session = (sizePx: number): TeacherSession => ({
  sizePx,
  batch: 3,
  inputValues: BYTES,
  lanes: 1,
  summary: { shape: SHAPES.summary, rule: {}, dtype: 'float32' },
  spatial: { shape: SHAPES.spatial, rule: {}, dtype: 'float32' },
  run: (pixels) =>
    Promise.resolve({
      summary: answer(pixels, 8, sizePx),
      spatial: answer(pixels, 256, sizePx),
      engineMs: 0,
    }),
  close: () => Promise.resolve(),
});

/** Counts the calls that change the disk, and kills this process before the nth; a write is torn then. */
function dyingFs(killAt: number): { readonly fs: CommitFs; readonly calls: () => number } {
  let calls = 0;
  const die = (): void => {
    process.kill(process.pid, 'SIGKILL');
  };
  const step = (): void => {
    calls += 1;
    if (calls === killAt) die();
  };
  const fs: CommitFs = {
    ...nodeFs,
    makeFolder: (path) => (step(), nodeFs.makeFolder(path)),
    writeNew: async (path, bytes) => {
      calls += 1;
      if (calls === killAt) {
        const whole = bytes instanceof Uint8Array ? bytes : Buffer.concat(bytes);
        await nodeFs.writeNew(path, whole.subarray(0, whole.length >> 1));
        die();
      }
      await nodeFs.writeNew(path, bytes);
    },
    rename: (from, to) => (step(), nodeFs.rename(from, to)),
    link: (from, to) => (step(), nodeFs.link(from, to)),
    remove: (path) => (step(), nodeFs.remove(path)),
    syncFolder: (path) => (step(), nodeFs.syncFolder(path)),
  };
  return { fs, calls: () => calls };
}

async function main({ root, killAt }: { readonly root: string; readonly killAt: number }): Promise<void> {
  const { fs, calls } = dyingFs(killAt);
  const groups = [2, 4].map((sizePx): SpaceGroup => ({
    teacher: 'formula',
    sizePx,
    spaces: [space(sizePx, 'summary'), space(sizePx, 'spatial')],
  }));
  const { writer } = await CacheWriter.open({
    root,
    writer: `pid-${process.pid}`,
    clock: machineClock,
    publishEveryMs: 0,
    fs,
  });
  const commit = writer.commit.bind(writer);
  writer.commit = async (parts) => {
    const entries = await commit(parts);
    print(JSON.stringify({ files: entries.map(({ file }) => file) }));
    return entries;
  };
  const wanted = Array.from({ length: IMAGES }, (_, i) => ({
    image: {
      id: imageId(sha256(`image ${i}`)),
      uri: `${i}.png`,
      name: String(i),
      sizeBytes: 1,
      width: 1,
      height: 1,
      format: 'png',
      label: null,
      split: 'train',
      group: null,
      source: 'numbers',
      licence: 'CC0-1.0',
    },
    views: VIEWS,
  }));
  const catalogue = await openCatalogue(root);
  await fillCache({
    plan: planCache({ wanted, groups, catalogue, unitRows: UNIT_ROWS }),
    engines: groups.map((group) => ({ group, session: session(group.sizePx) })),
    renderers: inlineRenderPool({
      renderers: groups.map(() => ({
        values: BYTES,
        maxBytes: BYTES,
        render: (pixels, view) => ({
          ...pixels,
          data: Uint8Array.from(pixels.data, (byte) => byte ^ Math.round(view.box[2] * 10)),
        }),
        normaliseInto: ({ data }, out, offset) => out.set(data, offset),
      })),
      decode: (row) =>
        Promise.resolve({
          widthPx: 1,
          heightPx: 1,
          data: Uint8Array.from(Buffer.from(row.id, 'hex').subarray(0, BYTES)),
        }),
      threads: 2,
    }),
    writer,
    clock: machineClock,
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  await writer.close();
  print(JSON.stringify({ steps: calls() }));
}

print('ready');
for await (const line of createInterface({ input: process.stdin }))
  await main(JSON.parse(line) as Parameters<typeof main>[0]);
