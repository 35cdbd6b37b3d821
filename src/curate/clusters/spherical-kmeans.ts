/**
 * k-means by cosine (Dhillon and Modha 2001): rows and centres are unit vectors, which for unit rows is k-means by Euclidean
 * distance with centres put back on the sphere. Rows find their centre through the engine's exact nearest neighbours, so the result
 * is that of plain float64 loops, whatever tiles or threads the engine uses.
 *
 * Centres start by D^2 sampling (k-means++, Arthur and Vassilvitskii 2007), one at a time up to {@link SEEDING_ROUNDS} centres and in
 * as many equal batches beyond (as k-means||, Bahmani et al. 2012, without its reduction: every pass over the rows draws several).
 */
import { inverseNormOf } from '../../audit/neighbours/base-tiles.ts';
import { NeighbourEngine } from '../../audit/neighbours/neighbour-engine.ts';
import { nearestNeighbours } from '../../audit/neighbours/nearest-neighbours.ts';
import { Rng } from '../../core/rng.ts';

export interface KmeansInput {
  /** [count * dim]; any scale, no row without a direction. In an order of their own: the draws follow it. */
  readonly rows: Float32Array;
  readonly count: number;
  readonly dim: number;
  /** Clusters wanted. */
  readonly k: number;
  readonly seed: number;
  /** Tells the draws of one clustering from those of another. */
  readonly label: string;
  /** Default 50, as ssl-data-curation. */
  readonly maxIterations?: number;
  /** Where several clusterings share one; its own when absent. */
  readonly engine?: NeighbourEngine;
}

export interface Clustering {
  /** [k * dim] unit rows; k as wanted, or fewer where there are fewer distinct directions. */
  readonly centres: Float32Array;
  readonly k: number;
  /** [count] index of the centre of each row; every centre has rows. */
  readonly assignment: Int32Array;
  /** [count] cosine of each row with its centre. */
  readonly cosine: Float32Array;
  readonly iterations: number;
}

const SEEDING_ROUNDS = 64;

/** @throws Error (a defect) when a row has no direction or k is not positive. */
export async function sphericalKmeans(input: KmeansInput): Promise<Clustering> {
  const { count, dim } = input;
  if (!(input.k >= 1) || input.rows.length !== count * dim || count === 0)
    throw new Error(`internal: ${input.rows.length} values for ${count} x ${dim} in ${input.k} clusters`);
  const engine = input.engine ?? new NeighbourEngine();
  try {
    return await lloyd({ rows: unitRows(input.rows, dim), count, dim, engine }, input);
  } finally {
    if (input.engine === undefined) await engine.close();
  }
}

/** Unit rows and what searches among them. */
export interface Points {
  readonly rows: Float32Array;
  readonly count: number;
  readonly dim: number;
  readonly engine: NeighbourEngine;
}

async function lloyd(points: Points, input: KmeansInput): Promise<Clustering> {
  const { maxIterations = 50, dim } = input;
  let centres = await firstCentres(points, input);
  let assigned = await assignTo(centres, points);
  for (let iteration = 1; ; iteration++) {
    const next = meansOf(points, assigned, centres);
    const moved = await assignTo(next, points);
    const settled = moved.assignment.every((at, i) => at === assigned.assignment[i]);
    [centres, assigned] = [next, moved];
    if (settled || iteration === maxIterations)
      return {
        ...withoutEmpty(centres, assigned.assignment, dim),
        cosine: assigned.cosine,
        iterations: iteration,
      };
  }
}

interface Assigned {
  readonly assignment: Int32Array;
  readonly cosine: Float32Array;
}

/** Nearest centre of each row; of equal ones the lower index. */
export async function assignTo(
  centres: Float32Array,
  { rows, count, dim, engine }: Points,
): Promise<Assigned> {
  const { indices, scores } = await nearestNeighbours({
    queries: rows,
    queryCount: count,
    base: centres,
    dim,
    k: 1,
    engine,
  });
  return { assignment: indices, cosine: scores };
}

async function firstCentres(points: Points, { k, seed, label }: KmeansInput): Promise<Float32Array> {
  const { rows, count, dim } = points;
  const wanted = Math.min(k, count);
  const chosen = [new Rng(seed, 'k-means', label, 'first').below(count)];
  // squared distance to the nearest centre, up to a factor of 2
  const distance = new Float64Array(count).fill(Infinity);
  const perRound = Math.max(1, Math.ceil((wanted - 1) / SEEDING_ROUNDS));
  let fresh = [...chosen];
  for (let round = 0; chosen.length < wanted; round++) {
    const { cosine } = await assignTo(gathered(rows, fresh, dim), points);
    for (let i = 0; i < count; i++) distance[i] = Math.min(distance[i]!, Math.max(0, 1 - cosine[i]!));
    for (const at of chosen) distance[at] = 0;
    const rng = new Rng(seed, 'k-means', label, round);
    fresh = drawn(distance, Math.min(perRound, wanted - chosen.length), rng);
    // every row is on a centre: there are no more directions
    if (fresh.length === 0) break;
    chosen.push(...fresh);
  }
  return gathered(rows, chosen, dim);
}

/** Distances below this are rounding: such rows are equal. */
const SAME_DIRECTION = 1e-6;

/** Weighted draws without replacement: the smallest of -ln(u) / weight (Efraimidis and Spirakis 2006). */
function drawn(weights: Float64Array, count: number, rng: Rng): number[] {
  const keys = Float64Array.from(weights, (weight) => {
    const u = 1 - rng.uniform();
    return weight > SAME_DIRECTION ? -Math.log(u) / weight : Infinity;
  });
  const open = [...keys.keys()].filter((i) => keys[i]! < Infinity);
  return open.sort((a, b) => keys[a]! - keys[b]! || a - b).slice(0, count);
}

/** Unit means of the clusters. A cluster without rows moves to the row that is farthest from its own centre. */
function meansOf({ rows, dim }: Points, { assignment, cosine }: Assigned, old: Float32Array): Float32Array {
  const k = old.length / dim;
  const sums = new Float64Array(k * dim);
  const sizes = new Int32Array(k);
  assignment.forEach((at, i) => {
    sizes[at]! += 1;
    for (let c = 0; c < dim; c++) sums[at * dim + c]! += rows[i * dim + c]!;
  });
  const lonely = [...assignment.keys()].sort((a, b) => cosine[a]! - cosine[b]! || a - b);
  const next = new Float32Array(k * dim);
  let taken = 0;
  for (let at = 0; at < k; at++) {
    const sum = Float32Array.from(sums.subarray(at * dim, (at + 1) * dim));
    const scale = inverseNormOf(sum);
    const target = next.subarray(at * dim, (at + 1) * dim);
    if (sizes[at] === 0) {
      const row = lonely[taken++]!;
      target.set(rows.subarray(row * dim, (row + 1) * dim));
    } else if (scale === 0) target.set(old.subarray(at * dim, (at + 1) * dim));
    else for (let c = 0; c < dim; c++) target[c] = sum[c]! * scale;
  }
  return next;
}

/** Centres that have rows, renumbered in their order. */
export function withoutEmpty(centres: Float32Array, assignment: Int32Array, dim: number) {
  const used = [...new Set(assignment)].sort((a, b) => a - b);
  const place = new Map(used.map((at, i) => [at, i]));
  return {
    centres: gathered(centres, used, dim),
    k: used.length,
    assignment: assignment.map((at) => place.get(at)!),
  };
}

export function gathered(rows: Float32Array, indices: readonly number[], dim: number): Float32Array {
  const out = new Float32Array(indices.length * dim);
  indices.forEach((at, i) => out.set(rows.subarray(at * dim, (at + 1) * dim), i * dim));
  return out;
}

export function unitRows(rows: Float32Array, dim: number): Float32Array {
  const out = new Float32Array(rows.length);
  for (let start = 0; start < rows.length; start += dim) {
    const scale = inverseNormOf(rows.subarray(start, start + dim));
    if (scale === 0) throw new Error(`internal: row ${start / dim} has no direction`);
    for (let c = 0; c < dim; c++) out[start + c] = rows[start + c]! * scale;
  }
  return out;
}
