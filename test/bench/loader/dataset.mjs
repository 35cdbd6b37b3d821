// A cache of two teachers with ViT-B shapes, written through the real writer: what the loader and its peers are measured on.
import { join } from 'node:path';
import { openCatalogue } from '../../../dist/cache/catalogue.js';
import { rowKeyOf } from '../../../dist/cache/row-key.js';
import { storedPart } from '../../../dist/cache/target-part.js';
import { CacheWriter } from '../../../dist/cache/write.js';
import { machineClock } from '../../../dist/core/clock.js';
import { sha256 } from '../../../dist/core/digest.js';
import { Rng } from '../../../dist/core/rng.js';
import { FULL_VIEW, viewIdOf } from '../../../dist/images/view.js';
import { nodeFs } from '../../../dist/store/commit-fs.js';

export const TEACHERS = ['dino', 'clip'];
export const SHAPES = { summary: [768], spatial: [16, 16, 768] };
export const LABELS = TEACHERS.flatMap((teacher) => [`${teacher}@224.summary`, `${teacher}@224.spatial`]);
/** Of one sample: two half-float summaries and maps. */
export const SAMPLE_BYTES = TEACHERS.length * 2 * (768 + 16 * 16 * 768);
/** As a run cuts them: 100 MB of maps. */
const PART_ROWS = 256;

const spaceOf = (teacher, kind) => ({
  v: 1,
  teacher: { name: teacher, engine: 'onnx', weightsSha256: sha256(teacher) },
  runtime: { engine: 'none', version: '1', device: 'cpu', provider: 'cpu', precision: 'float32' },
  preprocess: { version: 1 },
  sizePx: 224,
  tap: { kind, rule: {} },
  shape: SHAPES[kind],
  codec: { id: 'f16' },
});

/** Half floats near 1 that differ from sample to sample, at the speed of a copy. */
function targets(rows, width, seed) {
  const rng = new Rng(seed, 'targets');
  const noise = Uint16Array.from({ length: width + 4096 }, () => 0x3800 + (rng.uint32() & 0x7ff));
  const values = new Uint16Array(rows * width);
  for (let row = 0; row < rows; row++)
    values.set(noise.subarray(rng.below(4096)).subarray(0, width), row * width);
  return values;
}

/** @returns the keys of its samples, in order. */
export async function writeCache(root, samples) {
  // writing is not what is measured: no fsync
  const quick = { ...nodeFs, syncFolder: () => Promise.resolve() };
  const { writer } = await CacheWriter.open({ root, writer: 'bench', clock: machineClock, fs: quick });
  const view = viewIdOf(FULL_VIEW);
  const keys = Array.from({ length: samples }, (_, i) => rowKeyOf({ image: sha256(`image ${i}`), view }));
  for (let from = 0; from < samples; from += PART_ROWS) {
    const rows = keys.slice(from, from + PART_ROWS).map((key) => ({ key }));
    await writer.commit(
      TEACHERS.flatMap((teacher, t) =>
        Object.entries(SHAPES).map(([kind, shape]) =>
          storedPart(
            spaceOf(teacher, kind),
            rows,
            targets(
              rows.length,
              shape.reduce((a, b) => a * b),
              `${from} ${t} ${kind}`,
            ),
          ),
        ),
      ),
    );
  }
  await writer.close();
  return keys;
}

export async function partPaths(root) {
  const { spaces } = await openCatalogue(root);
  return [...spaces.values()].flatMap(({ parts }) => parts.map(({ path }) => path));
}

export const cacheIn = (folder) => join(folder, 'cache');
