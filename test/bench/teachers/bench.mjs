// `npm run bench:teachers`: what the pipeline around the engine costs. A ViT-S/14 at 224 px with random weights (its time is that of
// trained ones), JPEGs on disk, and three questions:
//   1. the whole `cache` command against a bare loop of session.run: same model, batch, threads and number of images;
//   2. two teachers at two sizes in one command against four commands: how often an image is decoded, a count;
//   3. with PEERS=1 and a Python that has torch (STILLHOUSE_PYTHON): the same network in an extraction loop as Theia's, over a quarter
//      of the images, by images per second: its loop is timed without its start, ours is the whole command.
// Needs `make setup build`. IMAGES and ROUNDS may be set; SMALL=1 runs it in a minute, to see that it runs. Last line: one JSON object.
import { spawn } from 'node:child_process';
import { existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { writePhotos } from './photos.mjs';
import { writeVit } from './vit-small.mjs';

const small = process.env.SMALL === '1';
// half of them is still enough work for two engines to share the CPU: peaks of one and of two cannot be compared
const IMAGES = Number(process.env.IMAGES ?? (small ? 24 : 512));
const ROUNDS = Number(process.env.ROUNDS ?? (small ? 1 : 5));
const BATCH = 8;
/** The folder that peers read. */
const PEER_IMAGES = Math.ceil(IMAGES / 4);
const here = import.meta.dirname;
const cli = resolve(here, '../../../dist/cli/main.js');
const folder = mkdtempSync(join(process.env.BENCH_FOLDER ?? tmpdir(), 'stillhouse-bench-'));
const result = {
  machine: `${cpus().length} x ${cpus()[0].model.trim()}`,
  images: IMAGES,
  rounds: ROUNDS,
  batch: BATCH,
};

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const model = () => join(folder, 'vit-s14.onnx');
const spread = (values) => `${Math.min(...values).toFixed(3)}..${Math.max(...values).toFixed(3)}`;

try {
  await writePhotos({ folder: join(folder, 'photos'), count: IMAGES });
  for (const [name, share] of Object.entries({ half: 2, few: 4 })) firstOf(name, Math.ceil(IMAGES / share));
  await writeVit({ folder, batch: BATCH });
  await benchOverhead();
  await countDecodes();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(JSON.stringify(result));

/** A folder of the first photos. */
function firstOf(name, count) {
  mkdirSync(join(folder, name));
  for (const photo of readdirSync(join(folder, 'photos')).slice(0, count))
    linkSync(join(folder, 'photos', photo), join(folder, name, photo));
}

/** Alternates the contenders, so that a slow minute of the machine meets all of them. */
async function benchOverhead() {
  const python = process.env.PEERS === '1' ? await pythonWithTorch() : null;
  const contenders = {
    command: async () => {
      const ours = await cache({ data: 'photos', teachers: ['vit-s14.yaml@224'], out: 'out-round' });
      measured = ours.measured;
      seconds.fill.push(measured.wallMs / 1000);
      return ours.seconds;
    },
    bare: async () =>
      (await answerOf('node', [join(here, 'bare-loop.mjs'), model(), `${BATCH}`, `${IMAGES}`])).seconds,
    ...(python === null
      ? {}
      : { torch: extractionLoop(python, 'torch'), onnx: extractionLoop(python, 'onnx') }),
  };
  const seconds = { fill: [] };
  let measured = null;
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, run] of Object.entries(contenders)) (seconds[name] ??= []).push(await run());
    const told = Object.entries(seconds).map(([name, values]) => `${name} ${values.at(-1).toFixed(2)} s`);
    console.log(`round ${round + 1}: ${told.join(', ')}`);
  }
  const half = await cache({ data: 'half', teachers: ['vit-s14.yaml@224'], out: 'out-half' });
  const last = await cache({ data: 'photos', teachers: ['vit-s14.yaml@224'], out: 'out-last' });
  const ratios = (over, under) => over.map((value, i) => value / under[i]);
  const perImage = (loop, command) => ratios(loop, command).map((ratio) => (ratio * IMAGES) / PEER_IMAGES);
  const whole = ratios(seconds.bare, seconds.command);
  const fill = ratios(seconds.bare, seconds.fill);
  Object.assign(result, {
    pipeline_vs_bare: round3(median(whole)),
    pipeline_vs_bare_spread: spread(whole),
    fill_vs_bare: round3(median(fill)),
    images_per_second: round3(IMAGES / median(seconds.command)),
    bare_images_per_second: round3(IMAGES / median(seconds.bare)),
    busy: measured.busy,
    peak_mb: Math.round(last.peakMb),
    peak_mb_half_of_images: Math.round(half.peakMb),
    vs_pytorch_loop: python === null ? null : round3(median(perImage(seconds.torch, seconds.command))),
    vs_onnxruntime_loop: python === null ? null : round3(median(perImage(seconds.onnx, seconds.command))),
  });
  if (python === null)
    result.vs_pytorch_loop_why = process.env.PEERS === '1' ? 'no Python with torch' : 'PEERS=1 runs it';
  console.log(
    `throughput of the whole command over the bare loop: ${result.pipeline_vs_bare} (${spread(whole)})`,
  );
  console.log(
    `peak memory: ${result.peak_mb} MB with ${IMAGES} images, ${result.peak_mb_half_of_images} MB with half of them`,
  );
}

/** Theia's extraction with one engine, at the number of loader workers that was better in the first round. */
function extractionLoop(python, engine) {
  let workers = [0, 2];
  return async () => {
    const seconds = [];
    for (const count of workers) {
      const args = [
        resolve(here, '../peers/theia_loop.py'),
        engine,
        join(folder, 'few'),
        model(),
        `${BATCH}`,
      ];
      seconds.push((await answerOf(python, [...args, `${count}`, join(folder, 'theia')])).seconds);
    }
    const best = Math.min(...seconds);
    workers = [workers[seconds.indexOf(best)]];
    return best;
  };
}

async function countDecodes() {
  const teachers = { nanodet: [128, 160], 'ppocr-det': [64, 96] };
  const list = (names) => names.map((name) => `${name}@${teachers[name].join(',')}`);
  const one = await cache({ data: 'few', teachers: list(Object.keys(teachers)), out: 'out-one' });
  let four = 0;
  for (const [name, sizes] of Object.entries(teachers))
    for (const size of sizes)
      four += (await cache({ data: 'few', teachers: [`${name}@${size}`], out: `out-${name}-${size}` }))
        .measured.decodes;
  const images = readdirSync(join(folder, 'few')).length;
  result.decodes_per_image = round3(one.measured.decodes / images);
  result.decodes_per_image_four_commands = round3(four / images);
  console.log(`images decoded: ${one.measured.decodes} in one command, ${four} in four, of ${images}`);
}

/** One `cache` command in a process of its own, from nothing: seconds of the whole process, what the fill measured, peak memory. */
async function cache({ data, teachers, out }) {
  const args = ['cache', '--data', join(folder, data), '--out', join(folder, out), '--name', 'bench'];
  for (const teacher of teachers)
    args.push('--teacher', teacher.includes('.yaml') ? join(folder, teacher) : teacher);
  const { seconds, peakMb } = await timed('node', [cli, ...args]);
  const stage = join(folder, out, 'bench', 'cache', 'stage.json');
  if (!existsSync(stage)) throw new Error(`the command left no ${stage}`);
  const { measured } = JSON.parse(readFileSync(stage, 'utf8')).outcome;
  rmSync(join(folder, out), { recursive: true, force: true });
  return { seconds, peakMb, measured };
}

async function answerOf(command, args) {
  const { stdout } = await timed(command, args);
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

async function timed(command, args) {
  mkdirSync(folder, { recursive: true });
  const started = performance.now();
  const child = spawn(command, args, { cwd: resolve(here, '../../..'), stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr, peakMb] = ['', '', 0];
  child.stdout.on('data', (text) => (stdout += text));
  child.stderr.on('data', (text) => (stderr += text));
  const watch = setInterval(() => (peakMb = Math.max(peakMb, peakOf(child.pid))), 200);
  const code = await new Promise((end) => child.on('close', end));
  clearInterval(watch);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}\n${stderr}`);
  return { stdout, peakMb, seconds: (performance.now() - started) / 1000 };
}

/** The kernel's own high-water mark; 0 where there is no /proc. */
function peakOf(pid) {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

async function pythonWithTorch() {
  const python = process.env.STILLHOUSE_PYTHON ?? 'python3';
  try {
    await timed(python, ['-c', 'import torch, torchvision, onnx, PIL']);
    return python;
  } catch {
    return null;
  }
}

function round3(value) {
  return Math.round(value * 1000) / 1000;
}
