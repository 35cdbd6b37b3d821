// `npm run bench:cache`: what a cache costs. Bytes per image under each codec, encode and decode speed, writing against dd, planning
// 100,000 cached rows. Needs `make setup build`. SMALL=1 runs it in seconds, to see that it runs; its times then mean nothing.
// ONLY=codecs|writing|plan runs one of the three.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCatalogue } from '../../dist/cache/catalogue.js';
import { CODEC_IDS, needsStatistics } from '../../dist/cache/codecs/codec.js';
import { CodecErrorSums } from '../../dist/cache/codecs/codec-error.js';
import { openCodec } from '../../dist/cache/codecs/open-codec.js';
import { newTensorValues, storedRowBytes } from '../../dist/cache/codecs/stored-tensor.js';
import { planCache } from '../../dist/cache/plan.js';
import { partOf } from '../../dist/cache/target-part.js';
import { CacheWriter } from '../../dist/cache/write.js';
import { machineClock } from '../../dist/core/clock.js';
import { sha256 } from '../../dist/core/digest.js';
import { Rng } from '../../dist/core/rng.js';
import { FULL_VIEW, viewIdOf } from '../../dist/images/view.js';
import { nodeFs } from '../../dist/store/commit-fs.js';

const small = process.env.SMALL === '1';
const ROWS_TO_PLAN = small ? 5_000 : 100_000;
const ROUNDS = small ? 1 : 5;
const folder = mkdtempSync(join(process.env.BENCH_FOLDER ?? tmpdir(), 'stillhouse-bench-'));

const SHAPES = [
  { name: 'DINOv2-B/14 @224', shape: [16, 16, 768] },
  { name: 'CLIP-L/14 @224', shape: [16, 16, 1024] },
  { name: 'SAM-H', shape: [64, 64, 256] },
];
const space = (shape, codec) => ({
  v: 1,
  teacher: { name: 'bench', engine: 'onnx', weightsSha256: sha256('bench') },
  runtime: { engine: 'none', version: '1', provider: 'cpu', precision: 'float32' },
  preprocess: { version: 1 },
  sizePx: 224,
  tap: { kind: 'spatial', rule: {} },
  shape,
  codec,
});
const product = (shape) => shape.reduce((all, side) => all * side, 1);
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const seconds = (work) => {
  const started = performance.now();
  work();
  return (performance.now() - started) / 1000;
};
const table = (rows) => {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => String(row[i]).length)));
  for (const row of rows)
    console.log(
      row
        .map((cell, i) => String(cell).padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    );
  console.log();
};

const result = { machine: `${cpus().length} x ${cpus()[0].model.trim()}`, rows_planned: ROWS_TO_PLAN };
try {
  const only = process.env.ONLY;
  for (const [name, bench] of Object.entries({ codecs: benchCodecs, writing: benchWriting, plan: benchPlan }))
    if (only === undefined || only === name) await bench();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(JSON.stringify(result));

/** Channels with log-normal deviations, three of them forty times larger, 1 % of tokens eight times: as ViT features are. */
function features(shape, rng) {
  const channels = shape.at(-1);
  const scale = Float64Array.from(
    { length: channels },
    (_, c) => Math.exp(rng.normal() * 0.5) * (c < 3 ? 40 : 1),
  );
  const values = new Float32Array(product(shape));
  for (let token = 0; token < values.length; token += channels) {
    const loud = rng.uniform() < 0.01 ? 8 : 1;
    for (let c = 0; c < channels; c++) values[token + c] = rng.normal() * scale[c] * loud;
  }
  return values;
}

/** Channels are independent by construction: the principal directions are the channels, sorted by their variance. */
function statisticsOf(images, channels) {
  const [mean, square, min, max] = [0, 0, Infinity, -Infinity].map((fill) =>
    new Float64Array(channels).fill(fill),
  );
  const count = images.reduce((sum, values) => sum + values.length / channels, 0);
  for (const values of images)
    values.forEach((value, i) => {
      const c = i % channels;
      mean[c] += value / count;
      square[c] += (value * value) / count;
      min[c] = Math.min(min[c], value);
      max[c] = Math.max(max[c], value);
    });
  const variance = mean.map((m, c) => Math.max(0, square[c] - m * m));
  const order = Array.from({ length: channels }, (_, c) => c).sort((a, b) => variance[b] - variance[a]);
  const eigenvectors = new Float64Array(channels * channels);
  order.forEach((c, row) => (eigenvectors[row * channels + c] = 1));
  const eigenvalues = Float64Array.from(order, (c) => variance[c]);
  return { count, mean, std: variance.map(Math.sqrt), min, max, eigenvalues, eigenvectors };
}

function benchCodecs() {
  const rows = [
    [
      'target',
      'codec',
      'bytes/image',
      'of f16',
      'of Theia bf16',
      'encode GB/s',
      'decode GB/s',
      'cosine mean',
      'worst',
      'MSE mean',
      'worst',
    ],
  ];
  const ratios = {};
  const codecs = {};
  const timed = [];
  for (const { name, shape } of SHAPES) {
    const rng = new Rng(4, 'bench', name);
    const images = Array.from({ length: small ? 2 : 6 }, () => features(shape, rng));
    const f16Bytes = storedRowBytes(space(shape, { id: 'f16' }));
    // one safetensors file per image in a tar: 512 bytes of tar header, about 80 of its own, padded to 512
    const theiaBytes = 512 + Math.ceil((product(shape) * 2 + 80) / 512) * 512;
    for (const id of CODEC_IDS) {
      const described = space(shape, needsStatistics({ id }) ? { id, statsSha256: sha256('bench') } : { id });
      const perImage = storedRowBytes(described);
      (ratios[id] ??= []).push(perImage / f16Bytes);
      const sizes = [perImage, (perImage / f16Bytes).toFixed(4), (perImage / theiaBytes).toFixed(4)];
      let opened;
      try {
        opened = openCodec(described, needsStatistics({ id }) ? statisticsOf(images, shape.at(-1)) : null);
      } catch (error) {
        // bytes follow from the layout; speed and error need the codec
        rows.push([name, id, ...sizes, error.message.replace('internal: ', ''), '', '', '', '', '']);
        continue;
      }
      const width = product(opened.stored.shape);
      const payload = newTensorValues(opened.stored.dtype, width);
      const out = new Float32Array(product(shape));
      const sums = new CodecErrorSums();
      const bytes = new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
      images.forEach((values) => opened.encode(values, payload, sums));
      const error = sums.result();
      timed.push({
        gigabytes: (images.length * product(shape) * 4) / 1e9,
        row: rows.length,
        id,
        encode: () => images.forEach((values) => opened.encode(values, payload, new CodecErrorSums())),
        decode: () => images.forEach(() => opened.decode(bytes, out, 'teacher')),
        times: { encode: [], decode: [] },
      });
      const digits = (value) => (value === undefined ? '-' : value.toPrecision(6));
      rows.push([
        name,
        id,
        ...sizes,
        '',
        '',
        digits(error?.cosine.mean),
        digits(error?.cosine.worst),
        digits(error?.mse.mean),
        digits(error?.mse.worst),
      ]);
      (codecs[id] ??= []).push({
        target: name,
        bytes: perImage,
        cosine: error?.cosine ?? null,
        mse: error?.mse ?? null,
      });
    }
  }
  // codecs take turns, so that whatever else the machine does meets all of them; the first round warms them up
  for (let round = 0; round <= ROUNDS; round++)
    for (const one of timed)
      for (const what of ['encode', 'decode']) {
        const time = seconds(one[what]);
        if (round > 0) one.times[what].push(one.gigabytes / time);
      }
  const rates = {};
  for (const { row, id, times } of timed)
    for (const [i, what] of ['encode', 'decode'].entries()) {
      const [low, mid, high] = [Math.min(...times[what]), median(times[what]), Math.max(...times[what])];
      rows[row][5 + i] = `${mid.toFixed(3)} (${low.toFixed(3)}-${high.toFixed(3)})`;
      ((rates[id] ??= {})[what] ??= []).push({ median: mid, low, high });
    }
  console.log(
    `GB/s of float32 values on one core, median (lowest-highest) of ${ROUNDS} rounds in which codecs take turns; errors against the float32 values`,
  );
  table(rows);
  result.codec_gb_per_s = rates;
  result.i8p_bytes_ratio = ratios.i8p ? Math.max(...ratios.i8p) : null;
  result.i4p_bytes_ratio = ratios.i4p ? Math.max(...ratios.i4p) : null;
  result.codecs = codecs;
}

function numberedRows(count, prefix) {
  return Array.from({ length: count }, (_, i) => {
    const id = sha256(`${prefix} ${i}`);
    const image = {
      id,
      uri: `${i}.png`,
      name: String(i),
      sizeBytes: 1,
      width: 1,
      height: 1,
      format: 'png',
      label: null,
      split: 'train',
      group: null,
      source: 'bench',
      licence: 'CC0-1.0',
    };
    return { image, view: FULL_VIEW, key: id + viewIdOf(FULL_VIEW) };
  });
}

/** A commit of one large part, and dd of as many bytes into a file of the same disk, one after the other. */
async function benchWriting() {
  const shape = [16, 16, 768];
  const count = small ? 16 : 512;
  const described = space(shape, { id: 'f16' });
  const rows = numberedRows(count, 'write');
  const one = features(shape, new Rng(5, 'write'));
  const ours = [];
  const dd = [];
  let sizeBytes = 0;
  const { writer } = await CacheWriter.open({
    root: join(folder, 'write'),
    writer: 'bench',
    clock: machineClock,
  });
  for (let round = 0; round <= ROUNDS; round++) {
    const values = new Float32Array(count * product(shape));
    for (let i = 0; i < count; i++)
      values.set(
        one.map((value) => value + round),
        i * product(shape),
      );
    const part = partOf(described, rows, values);
    const started = performance.now();
    const [entry] = await writer.commit([part]);
    const ourSeconds = (performance.now() - started) / 1000;
    sizeBytes = entry.sizeBytes;
    const path = join(folder, 'dd');
    const source = join(folder, 'write', 'data', entry.file);
    const ddSeconds = seconds(() => {
      const { status, stderr } = spawnSync('dd', [`if=${source}`, `of=${path}`, 'bs=1M', 'conv=fsync'], {
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(stderr);
    });
    if (statSync(path).size !== sizeBytes) throw new Error('dd wrote another number of bytes');
    rmSync(path);
    // the first round warms both
    if (round === 0) continue;
    ours.push(ourSeconds);
    dd.push(ddSeconds);
  }
  await writer.abandon();
  const rate = (time) => sizeBytes / 1e9 / time;
  console.log(`writing a part of ${(sizeBytes / 1e6).toFixed(0)} MB, ${ROUNDS} alternating rounds`);
  table([
    ['', 'median GB/s', 'slowest', 'fastest'],
    [
      'commit (checksums, sha256, fsync, compared)',
      ...[median(ours), Math.max(...ours), Math.min(...ours)].map((t) => rate(t).toFixed(3)),
    ],
    ['dd conv=fsync', ...[median(dd), Math.max(...dd), Math.min(...dd)].map((t) => rate(t).toFixed(3))],
  ]);
  result.write_gb_per_s = rate(median(ours));
  result.dd_gb_per_s = rate(median(dd));
  result.write_vs_dd = median(dd) / median(ours);
}

/** Two spaces of one teacher, in units of 128 rows as a run writes them. */
async function benchPlan() {
  const root = join(folder, 'plan');
  const spaces = [
    { ...space([8], { id: 'f16' }), tap: { kind: 'summary', rule: {} } },
    space([1, 1, 8], { id: 'f16' }),
  ];
  const rows = numberedRows(ROWS_TO_PLAN, 'plan');
  // building the cache is not what is measured: no fsync
  const quick = { ...nodeFs, syncFolder: () => Promise.resolve() };
  const { writer } = await CacheWriter.open({ root, writer: 'bench', clock: machineClock, fs: quick });
  for (let start = 0; start < rows.length; start += 128) {
    const slice = rows.slice(start, start + 128);
    await writer.commit(
      spaces.map((one) => partOf(one, slice, new Float32Array(slice.length * 8).fill(start % 1000))),
    );
  }
  await writer.close();
  const wanted = rows.map(({ image }) => ({ image, views: [FULL_VIEW] }));
  const groups = [{ teacher: 'bench', sizePx: 224, spaces }];
  const times = [];
  let reads = null;
  for (let round = 0; round <= ROUNDS; round++) {
    const counted = countingFs();
    const started = performance.now();
    const catalogue = await openCatalogue(root, { fs: counted.fs });
    const plan = planCache({ wanted, groups, catalogue, unitRows: 128 });
    const time = (performance.now() - started) / 1000;
    if (plan.units.length > 0) throw new Error('something is missing from the plan');
    if (round > 0) times.push(time);
    reads = counted.counts;
  }
  console.log(
    `planning ${rows.length} cached rows of ${spaces.length} spaces, ${2 * Math.ceil(rows.length / 128)} parts`,
  );
  table([
    ['median s', 'slowest', 'fastest', 'parts opened', 'files read', 'MB read', 'folders listed'],
    [
      median(times).toFixed(3),
      Math.max(...times).toFixed(3),
      Math.min(...times).toFixed(3),
      reads.opened,
      reads.files,
      (reads.bytes / 1e6).toFixed(1),
      reads.lists,
    ],
  ]);
  if (reads.opened !== 0) throw new Error('a part was opened to plan a cached run');
  result.plan_seconds_100k = median(times);
  result.plan_parts_opened = reads.opened;
}

function countingFs() {
  const counts = { opened: 0, files: 0, bytes: 0, lists: 0 };
  const fs = {
    ...nodeFs,
    openRead: (path) => ((counts.opened += 1), nodeFs.openRead(path)),
    list: (path) => ((counts.lists += 1), nodeFs.list(path)),
    read: async (path) => {
      const bytes = await nodeFs.read(path);
      counts.files += 1;
      counts.bytes += bytes.length;
      return bytes;
    },
  };
  return { fs, counts };
}
