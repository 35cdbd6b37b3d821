// One streamed search in a process of its own, so that its peak memory is its own: `search-child.mjs BASE QUERIES DIM K`. Rows are
// made as they are needed, as a reader would hand them out, and never kept. Prints one JSON object.
import { NeighbourEngine } from '../../../dist/audit/neighbours/neighbour-engine.js';
import { nearestNeighbours } from '../../../dist/audit/neighbours/nearest-neighbours.js';

const [base, queries, dim, k] = process.argv.slice(2).map(Number);
const BLOCK_ROWS = 16_384;

/** Cheap, seeded, and without structure: a xorshift per block. */
function fill(rows, seed) {
  let x = (seed * 2654435761 + 12345) | 0 || 1;
  for (let i = 0; i < rows.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    rows[i] = x / 2147483648;
  }
  return rows;
}

function* blocks() {
  const rows = new Float32Array(BLOCK_ROWS * dim);
  for (let first = 0; first < base; first += BLOCK_ROWS) {
    const count = Math.min(BLOCK_ROWS, base - first);
    yield { rows: fill(rows.subarray(0, count * dim), 1 + first), firstIndex: first };
  }
}

const asked = fill(new Float32Array(queries * dim), 0);
const engine = new NeighbourEngine({ threads: 2 });
const started = performance.now();
const found = await nearestNeighbours({
  queries: asked,
  queryCount: queries,
  base: blocks(),
  dim,
  k,
  engine,
});
await engine.close();
console.log(
  JSON.stringify({
    base,
    queries,
    dim,
    seconds: (performance.now() - started) / 1000,
    peakMb: process.resourceUsage().maxRSS / 1024,
    found: found.indices.reduce((sum, index) => sum + (index >= 0 ? 1 : 0), 0),
  }),
);
