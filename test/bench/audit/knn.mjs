// Exact top-k of all queries against all base rows: the engine, FAISS IndexFlatIP and numpy's sgemm in alternating rounds, with equal
// threads. The engine's time is of the whole call, from rows of any scale to neighbours scored again in float64; FAISS has its index
// built and its rows normalised before the clock starts, and sgemm gives products only.
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { NeighbourEngine } from '../../../dist/audit/neighbours/neighbour-engine.js';
import { nearestNeighbours } from '../../../dist/audit/neighbours/nearest-neighbours.js';
import { Rng } from '../../../dist/core/rng.js';

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

export async function benchKnn({ queries, base, dim, k, threads, rounds, folder, python }) {
  const rng = new Rng(1, 'bench-audit');
  const unit = (count) => {
    const rows = Float32Array.from({ length: count * dim }, () => rng.normal());
    for (let at = 0; at < rows.length; at += dim) {
      let squares = 0;
      for (let c = 0; c < dim; c++) squares += rows[at + c] ** 2;
      for (let c = 0; c < dim; c++) rows[at + c] /= Math.sqrt(squares);
    }
    return rows;
  };
  const [q, b] = [unit(queries), unit(base)];
  const engine = new NeighbourEngine({ threads });
  const ours = async () => {
    const started = performance.now();
    const found = await nearestNeighbours({ queries: q, queryCount: queries, base: b, dim, k, engine });
    return { seconds: (performance.now() - started) / 1000, first: found.indices };
  };
  const peers = await openPeers({ q, b, queries, base, dim, k, threads, folder, python });
  const times = { ours: [], faiss: [], sgemm: [] };
  let first = null;
  let theirs = null;
  await ours(); // the first call starts the engine's threads, as FAISS starts its own
  for (const name of peers.names) await peers.ask(name);
  for (let round = 0; round < rounds; round++) {
    // who begins changes from round to round
    const order = ['ours', ...peers.names].map((_, i, all) => all[(i + round) % all.length]);
    for (const name of order) {
      // threads of OpenMP and OpenBLAS go on spinning for a while after their answer
      await new Promise((resolve) => setTimeout(resolve, 500));
      const ran = name === 'ours' ? await ours() : await peers.ask(name);
      times[name].push(ran.seconds);
      if (name === 'ours') first = ran.first;
      if (name === 'faiss') theirs = ran.first;
    }
  }
  peers.close();
  await engine.close();
  const gflop = (2 * queries * base * dim) / 1e9;
  const speed = Object.fromEntries(
    Object.entries(times).map(([name, list]) => [name, list.length === 0 ? null : gflop / median(list)]),
  );
  // FAISS orders by float32 scores: neighbours nearly tied may change places
  const agree =
    theirs === null ? null : theirs.flat().filter((id, i) => first[i] === id).length / theirs.flat().length;
  return { gflop, speed, times, agree, versions: peers.versions };
}

/** A Python process that waits for the name of a peer. Without Python, numpy or FAISS those peers are absent. */
async function openPeers({ q, b, queries, base, dim, k, threads, folder, python }) {
  const has = (module) => spawnSync(python, ['-c', `import ${module}`]).status === 0;
  if (!has('numpy'))
    return { names: [], ask: null, close: () => {}, versions: { missing: `${python} with numpy` } };
  for (const [name, rows] of [
    ['queries', q],
    ['base', b],
  ])
    writeFileSync(join(folder, `${name}.f32`), new Uint8Array(rows.buffer));
  const env = { ...process.env };
  for (const name of ['OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'])
    env[name] = String(threads);
  const script = join(import.meta.dirname, 'peers.py');
  const child = spawn(python, [script, ...[queries, base, dim, k, threads].map(String), folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env,
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => JSON.parse((await lines.next()).value);
  const versions = await line();
  return {
    names: [...(versions.faiss === undefined ? [] : ['faiss']), 'sgemm'],
    ask: async (name) => {
      child.stdin.write(`${name}\n`);
      return line();
    },
    close: () => child.stdin.end(),
    versions,
  };
}
