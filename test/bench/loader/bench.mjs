// `npm run bench:loader`: what reaches the consumer, in GB/s. Two teachers of ViT-B shapes, half floats, 4 GB, warm page cache.
//   1. the loader (checksums on, threads started, shuffled; and a second epoch, whose rows are checked already) against a plain
//      sequential read of the same files into one reused buffer, alternating;
//   2. MosaicML Streaming, WebDataset and LitData over the same arrays, shuffled, 0 and 2 workers, where a Python has them
//      (STILLHOUSE_PYTHON, else python3). Like with like: both from the moment that an epoch's first batch is there, ours in the first
//      epoch, whose rows are checked, theirs in the better of two, which check nothing (`vs_best_peer`). Beside it our whole first epoch with
//      the start of its threads against the same figure of theirs, and our second epoch, checked already, against it.
// Needs `make build`. SAMPLES, ROUNDS, PEER_SAMPLES, BATCH and BENCH_FOLDER may be set; SMALL=1 runs it in a minute, to see that it
// runs. Last line: one JSON object.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { SAMPLE_BYTES, cacheIn, writeCache } from './dataset.mjs';

const small = process.env.SMALL === '1';
const SAMPLES = Number(process.env.SAMPLES ?? (small ? 256 : 5120));
const ROUNDS = Number(process.env.ROUNDS ?? (small ? 2 : 5));
const PEER_SAMPLES = Math.min(SAMPLES, Number(process.env.PEER_SAMPLES ?? (small ? 128 : 512)));
const BATCH = Number(process.env.BATCH ?? 32);
const WORKERS = [0, 2];
const PEER_TIMEOUT_MS = 120_000;
const here = import.meta.dirname;
const peersScript = join(here, '..', 'peers', 'loader_peers.py');
const python = process.env.STILLHOUSE_PYTHON ?? 'python3';
const folder = mkdtempSync(join(process.env.BENCH_FOLDER ?? tmpdir(), 'stillhouse-bench-'));

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const spread = (values) => `${Math.min(...values).toFixed(2)}..${Math.max(...values).toFixed(2)}`;

try {
  console.log(`${((SAMPLES * SAMPLE_BYTES) / 1e9).toFixed(2)} GB of targets, batches of ${BATCH}\n`);
  await writeCache(cacheIn(folder), SAMPLES);
  const ours = await benchOurs();
  const peers = await benchPeers();
  const best = peers.length === 0 ? null : Math.max(...peers.map(({ steady }) => steady));
  console.log(
    JSON.stringify({
      machine: `${cpus().length} x ${cpus()[0].model.trim()}`,
      bytes: SAMPLES * SAMPLE_BYTES,
      rounds: ROUNDS,
      batch: BATCH,
      vs_sequential_read: ours.delivered / ours.sequential,
      vs_best_peer: best === null ? null : ours.steady / best,
      vs_best_peer_with_our_start: best === null ? null : ours.delivered / best,
      vs_best_peer_second_epoch: best === null ? null : ours.steadySecond / best,
      vs_best_peer_is:
        'GB/s after the first batch of an epoch: our first epoch, median of the rounds, checksums on, over the best epoch of the best peer, which has none',
      copies_per_byte: ours.copiesPerByte,
      peak_mb: ours.peakMb,
      delivered_gb_per_s: ours.delivered,
      steady_gb_per_s: ours.steady,
      second_epoch_gb_per_s: ours.second,
      sequential_gb_per_s: ours.sequential,
      first_batch_ms: ours.firstMs,
      peers,
    }),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function benchOurs() {
  const root = cacheIn(folder);
  const sequential = [];
  const epochs = Object.fromEntries(WORKERS.map((workers) => [workers, []]));
  // the first round warms the page cache for both
  for (let round = 0; round <= ROUNDS; round++) {
    const read = await answerOf('node', [join(here, 'sequential.mjs'), root]);
    if (round > 0) sequential.push(read.gb_per_s);
    for (const workers of WORKERS) {
      const one = await answerOf('node', [join(here, 'ours.mjs'), root, `${BATCH}`, `${workers}`, '2']);
      if (round > 0) epochs[workers].push(one);
    }
  }
  const rows = WORKERS.map((workers) => {
    const runs = epochs[workers];
    const first = runs.map(({ gb_per_s }) => gb_per_s[0]);
    const second = runs.map(({ gb_per_s }) => gb_per_s[1]);
    return {
      workers,
      delivered: median(first),
      second: median(second),
      steady: median(runs.map(({ steady_gb_per_s }) => steady_gb_per_s[0])),
      steadySecond: median(runs.map(({ steady_gb_per_s }) => steady_gb_per_s[1])),
      spread: `${spread(first)}; ${spread(second)}`,
      firstMs: median(runs.map(({ first_batch_ms }) => first_batch_ms)),
      peakMb: Math.max(...runs.map(({ peak_mb }) => peak_mb)),
      copiesPerByte: Math.max(...runs.map(({ copies_per_byte }) => copies_per_byte)),
    };
  });
  console.log(
    `sequential read, 1 MiB into one buffer   ${median(sequential).toFixed(2)} GB/s (${spread(sequential)})`,
  );
  for (const { workers, delivered, steady, second, spread, firstMs, peakMb } of rows)
    console.log(
      `loader, ${workers} threads   first epoch, checked ${delivered.toFixed(2)} GB/s (${steady.toFixed(2)} after its first batch), second ${second.toFixed(2)} (${spread}), ` +
        `first batch ${firstMs.toFixed(0)} ms, peak ${peakMb.toFixed(0)} MB`,
    );
  console.log();
  return { ...rows.find(({ workers }) => workers === 2), sequential: median(sequential) };
}

async function benchPeers() {
  const found = await answerOf(python, [peersScript, 'which']).catch(() => null);
  if (found === null || found.length === 0) {
    console.log(`no peers: ${python} lacks streaming, webdataset and litdata, or torch, numpy and pyarrow\n`);
    return [];
  }
  const results = [];
  for (const peer of found) {
    const place = join(folder, peer);
    await answerOf(python, [peersScript, 'prepare', peer, cacheIn(folder), place, `${PEER_SAMPLES}`]);
    for (const workers of WORKERS) {
      const one = await answerOf(python, [peersScript, 'run', peer, place, `${BATCH}`, `${workers}`]);
      if (one.bytes !== 2 * PEER_SAMPLES * SAMPLE_BYTES)
        throw new Error(`${peer} delivered ${one.bytes} bytes in two epochs`);
      const steady = Math.max(...one.gb_per_s);
      results.push({ peer, workers, steady, first_batch_ms: one.first_batch_ms, peak_mb: one.peak_mb });
      console.log(
        `${peer}, ${workers} workers   best epoch after its first batch ${steady.toFixed(3)} GB/s, ` +
          `first batch ${one.first_batch_ms.toFixed(0)} ms, peak ${one.peak_mb.toFixed(0)} MB`,
      );
    }
    rmSync(place, { recursive: true, force: true });
  }
  console.log();
  return results;
}

/** Runs a process and parses the last line that it prints; null when it prints none. */
function answerOf(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: PEER_TIMEOUT_MS });
    let [out, err] = ['', ''];
    child.stdout.on('data', (text) => (out += text));
    child.stderr.on('data', (text) => (err += text));
    child.on('error', reject);
    child.on('close', (code) => {
      const last = out.trim().split('\n').at(-1);
      if (code !== 0) reject(new Error(`${command} ${args.join(' ')}: exit ${code}\n${err.slice(-2000)}`));
      else resolve(last ? JSON.parse(last) : null);
    });
  });
}
