/**
 * How far two sets lie apart in the eyes of one teacher (audit-and-curation.md §5.4): every distance on equal-sized samples under
 * several seeds, beside the distance of the training set to itself and to something unrelated. `relative` places a distance
 * between the two: 0 like training against training, 1 as far as the anchor. Raw distances of two teachers cannot be compared,
 * relative ones can.
 */
import { Rng } from '../../core/rng.ts';
import { inverseNormOf } from '../neighbours/base-tiles.ts';
import {
  type Comparison,
  DISTANCE_METRICS,
  type DistanceMetric,
  type LeftOutDistance,
  type MeasuredDistance,
  compareSamples,
} from './compare-samples.ts';
import { medianDistance } from './kernels.ts';
import type { MatrixEngine } from './matrix-products.ts';
import { type Sample, pooledProducts } from './pooled-products.ts';
import { principalComponents } from './principal-components.ts';

/** Embeddings of one side. */
export interface EmbeddedSide {
  readonly ids: readonly string[];
  /** [ids.length * dim]; rows that are all zero or not finite are left out. */
  readonly rows: Float32Array;
}

export interface DistanceOptions {
  /** Images a side, at most. */
  readonly items: number;
  readonly seeds: number;
  readonly permutations: number;
  readonly bootstrap: number;
  /** Axes for the classifier and the reduced Fréchet distance. */
  readonly components: number;
}

export const DEFAULT_DISTANCE_OPTIONS: DistanceOptions = {
  items: 2000,
  seeds: 5,
  permutations: 999,
  bootstrap: 499,
  components: 64,
};

export const COMPARISONS = ['eval-train', 'train-train', 'eval-eval', 'train-anchor'] as const;
export type ComparisonKind = (typeof COMPARISONS)[number];

export interface DomainDistanceInput {
  readonly engine: MatrixEngine;
  readonly train: EmbeddedSide;
  readonly evaluation: EmbeddedSide;
  /**
   * Something unrelated. Null: the training rows with their coordinates shuffled by one permutation, which have the same lengths
   * and distances among themselves and lie elsewhere.
   */
  readonly anchor: EmbeddedSide | null;
  readonly dim: number;
  /** Duplicate group of an image; its own id when it has none. */
  readonly groupOf: (id: string) => string;
  readonly options: DistanceOptions;
  /** Label of the seeded streams, so that teachers do not share one. */
  readonly label: string;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

export interface DistanceRow extends MeasuredDistance {
  readonly comparison: ComparisonKind;
  readonly seed: number;
  /** Images a side. */
  readonly images: number;
}

export interface DistanceSummary {
  readonly metric: DistanceMetric;
  /** Means over seeds; the interval is that of one sample, so it is not too narrow. */
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
  /** Twice the median over seeds, at most 1: valid however the seeds' samples overlap (Rüschendorf, 1982). */
  readonly pValue: number | null;
  readonly expected: number | null;
  readonly trainNull: number | null;
  readonly evalNull: number | null;
  readonly anchor: number | null;
  /** (value - trainNull) / (anchor - trainNull), within [0, 1]; null where the two ends do not differ or one is missing. */
  readonly relative: number | null;
  readonly warning: string | null;
}

export interface DomainDistance {
  /** Images a side in the comparison of evaluation and training. */
  readonly images: number;
  readonly rows: readonly DistanceRow[];
  readonly summary: readonly DistanceSummary[];
  /** Metrics that could not be measured between evaluation and training. */
  readonly leftOut: readonly LeftOutDistance[];
  readonly unusable: { readonly train: number; readonly evaluation: number };
  /** Held-out classifier score, averaged over the seeds that drew the image: the likest to the other side first. */
  readonly mostTrainLike: readonly { readonly id: string; readonly score: number }[];
  readonly mostEvalLike: readonly { readonly id: string; readonly score: number }[];
  readonly anchorKind: 'given' | 'shuffled';
}

export async function domainDistance(input: DomainDistanceInput): Promise<DomainDistance> {
  const { dim, options } = input;
  const train = usable(input.train, dim);
  const evaluation = usable(input.evaluation, dim);
  const anchor = input.anchor === null ? null : usable(input.anchor, dim);
  const images = sampleSize(train.ids.length, evaluation.ids.length, options.items);
  const rows: DistanceRow[] = [];
  const leftOut = new Map<DistanceMetric, string>();
  const scores = { train: new ScoreMeans(), evaluation: new ScoreMeans() };
  for (let seed = 0; seed < options.seeds && images > 1; seed++) {
    input.signal?.throwIfAborted();
    const plan = await planSeed(input, { train, evaluation, anchor, images, seed });
    for (const draw of plan.draws) {
      const result = await compareDraw(input, plan, draw);
      rows.push(
        ...result.measured.map((one) => ({ ...one, comparison: draw.kind, seed, images: draw.x.length })),
      );
      if (draw.kind !== 'eval-train') continue;
      for (const { metric, reason } of result.leftOut) leftOut.set(metric, reason);
      result.probability?.forEach((p, i) => {
        const isTrain = i < draw.x.length;
        const side = isTrain ? draw.sideX : draw.sideY;
        const at = isTrain ? draw.x[i]! : draw.y[i - draw.x.length]!;
        (isTrain ? scores.train : scores.evaluation).add(side.ids[at]!, isTrain ? p : 1 - p);
      });
    }
  }
  if (images < 2)
    for (const metric of DISTANCE_METRICS)
      leftOut.set(
        metric,
        images === 0 ? 'a side has no usable embedding' : 'needs more than one image a side',
      );
  return {
    images,
    rows,
    summary: summarised(rows),
    leftOut: DISTANCE_METRICS.filter((metric) => leftOut.has(metric)).map((metric) => ({
      metric,
      reason: leftOut.get(metric)!,
    })),
    unusable: {
      train: input.train.ids.length - train.ids.length,
      evaluation: input.evaluation.ids.length - evaluation.ids.length,
    },
    mostTrainLike: scores.evaluation.highest(12),
    mostEvalLike: scores.train.highest(12),
    anchorKind: anchor === null ? 'shuffled' : 'given',
  };
}

/** Equal sizes everywhere, with two disjoint samples of the training side for the null where it is large enough for that. */
function sampleSize(train: number, evaluation: number, most: number): number {
  const halves = Math.floor(train / 2);
  return Math.min(most, evaluation, halves >= Math.min(most, evaluation, 20) ? halves : train);
}

/** Rows of one comparison as places in their sides. */
interface Draw {
  readonly kind: ComparisonKind;
  readonly sideX: EmbeddedSide;
  readonly sideY: EmbeddedSide;
  readonly x: readonly number[];
  readonly y: readonly number[];
}

interface SeedPlan {
  readonly seed: number;
  readonly draws: readonly Draw[];
  readonly sigma: number | null;
  readonly axes: Awaited<ReturnType<typeof principalComponents>>;
}

async function planSeed(
  input: DomainDistanceInput,
  sides: {
    readonly train: EmbeddedSide;
    readonly evaluation: EmbeddedSide;
    readonly anchor: EmbeddedSide | null;
    readonly images: number;
    readonly seed: number;
  },
): Promise<SeedPlan> {
  const { train, evaluation, images, seed } = sides;
  const { engine, dim, options } = input;
  const rng = new Rng(input.seed, 'domain-distance', input.label, seed);
  const order = (side: EmbeddedSide): number[] => rng.shuffled(side.ids.map((_, i) => i));
  const trainOrder = order(train);
  const evalOrder = order(evaluation);
  const anchorSide = sides.anchor ?? shuffledCoordinates(train, dim, rng);
  const anchorOrder = order(anchorSide);
  const draws: Draw[] = [];
  const add = (
    kind: ComparisonKind,
    [sideX, x]: readonly [EmbeddedSide, readonly number[]],
    [sideY, y]: readonly [EmbeddedSide, readonly number[]],
  ): void => {
    const count = Math.min(images, x.length, y.length);
    if (count >= 2) draws.push({ kind, sideX, sideY, x: x.slice(0, count), y: y.slice(0, count) });
  };
  const [trainHalf, evalHalf] = [Math.floor(train.ids.length / 2), Math.floor(evaluation.ids.length / 2)];
  add('eval-train', [train, trainOrder.slice(0, images)], [evaluation, evalOrder.slice(0, images)]);
  const step = Math.min(images, trainHalf);
  add('train-train', [train, trainOrder.slice(0, step)], [train, trainOrder.slice(step, 2 * step)]);
  const evalStep = Math.min(images, evalHalf);
  add(
    'eval-eval',
    [evaluation, evalOrder.slice(0, evalStep)],
    [evaluation, evalOrder.slice(evalStep, 2 * evalStep)],
  );
  add('train-anchor', [train, trainOrder.slice(0, images)], [anchorSide, anchorOrder]);
  const [main] = draws;
  const pool = await pooledProducts(engine, { ...samplesOf(main!, dim), dim });
  // axes from rows that no comparison sees, where there are enough of them
  const rest = trainOrder.slice(2 * images).map((i) => [train, i] as const);
  const restEval = evalOrder.slice(images).map((i) => [evaluation, i] as const);
  const heldOut = [...rest.slice(0, AXIS_ROWS / 2), ...restEval.slice(0, AXIS_ROWS / 2)];
  const pooled = [
    ...main!.x.map((i) => [train, i] as const),
    ...main!.y.map((i) => [evaluation, i] as const),
  ];
  const from = heldOut.length >= 4 * options.components ? heldOut : rng.shuffled(pooled).slice(0, AXIS_ROWS);
  const most = Math.min(options.components, Math.max(1, Math.floor(main!.x.length / 4)));
  const sample = { count: from.length, rows: new Float32Array(from.length * dim) };
  from.forEach(([side, i], at) => sample.rows.set(side.rows.subarray(i * dim, (i + 1) * dim), at * dim));
  return {
    seed,
    draws,
    sigma: medianDistance(pool, rng),
    axes: await principalComponents(engine, { sample, dim, most }),
  };
}

const AXIS_ROWS = 512;

async function compareDraw(input: DomainDistanceInput, plan: SeedPlan, draw: Draw): Promise<Comparison> {
  const { engine, dim, options, groupOf } = input;
  const isMain = draw.kind === 'eval-train';
  const groups = (side: EmbeddedSide, at: readonly number[], prefix: string): string[] =>
    at.map((i) => prefix + groupOf(side.ids[i]!));
  return compareSamples({
    engine,
    ...samplesOf(draw, dim),
    dim,
    groupsX: groups(draw.sideX, draw.x, ''),
    // a shuffled row is no copy of the row that it was made from
    groupsY: groups(draw.sideY, draw.y, draw.kind === 'train-anchor' ? 'anchor ' : ''),
    sigma: plan.sigma,
    axes: plan.axes,
    permutations: isMain ? options.permutations : 0,
    bootstrap: isMain ? options.bootstrap : 0,
    fullFrechet: plan.seed === 0,
    rng: new Rng(input.seed, 'compare', input.label, plan.seed, draw.kind),
  });
}

function samplesOf(draw: Draw, dim: number): { x: Sample; y: Sample } {
  const sample = (side: EmbeddedSide, at: readonly number[]): Sample => {
    const rows = new Float32Array(at.length * dim);
    at.forEach((i, to) => rows.set(side.rows.subarray(i * dim, (i + 1) * dim), to * dim));
    return { count: at.length, rows };
  };
  return { x: sample(draw.sideX, draw.x), y: sample(draw.sideY, draw.y) };
}

function usable(side: EmbeddedSide, dim: number): EmbeddedSide {
  const kept = side.ids
    .map((_, i) => i)
    .filter((i) => inverseNormOf(side.rows.subarray(i * dim, (i + 1) * dim)) > 0);
  if (kept.length === side.ids.length) return side;
  const rows = new Float32Array(kept.length * dim);
  kept.forEach((from, to) => rows.set(side.rows.subarray(from * dim, (from + 1) * dim), to * dim));
  return { ids: kept.map((i) => side.ids[i]!), rows };
}

function shuffledCoordinates({ ids, rows }: EmbeddedSide, dim: number, rng: Rng): EmbeddedSide {
  const place = rng.shuffled(Array.from({ length: dim }, (_, c) => c));
  const out = new Float32Array(rows.length);
  for (let at = 0; at < rows.length; at += dim)
    for (let c = 0; c < dim; c++) out[at + c] = rows[at + place[c]!]!;
  return { ids, rows: out };
}

function summarised(rows: readonly DistanceRow[]): DistanceSummary[] {
  return DISTANCE_METRICS.flatMap((metric) => {
    const of = (kind: ComparisonKind): DistanceRow[] =>
      rows.filter((row) => row.comparison === kind && row.metric === metric);
    const main = of('eval-train');
    if (main.length === 0) return [];
    const mean = (list: readonly (number | null)[]): number | null => {
      const known = list.filter((value) => value !== null);
      return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
    };
    const valueOf = (kind: ComparisonKind): number | null => mean(of(kind).map((row) => row.value));
    const value = valueOf('eval-train')!;
    const [trainNull, anchor] = [valueOf('train-train'), valueOf('train-anchor')];
    const p = main.flatMap((row) => (row.pValue === null ? [] : [row.pValue])).sort((a, b) => a - b);
    const median = p.length === 0 ? null : (p[(p.length - 1) >> 1]! + p[p.length >> 1]!) / 2;
    return [
      {
        metric,
        value,
        low: mean(main.map((row) => row.low)),
        high: mean(main.map((row) => row.high)),
        pValue: median === null ? null : p.length === 1 ? median : Math.min(1, 2 * median),
        expected: main[0]!.expected,
        trainNull,
        evalNull: valueOf('eval-eval'),
        anchor,
        relative: relativeOf(value, trainNull, anchor),
        warning: main.find((row) => row.warning !== null)?.warning ?? null,
      },
    ];
  });
}

/** Where a distance lies between its null and its anchor, 0 to 1. */
export function relativeOf(value: number, zero: number | null, one: number | null): number | null {
  if (zero === null || one === null || Math.abs(one - zero) < 1e-12) return null;
  return Math.min(1, Math.max(0, (value - zero) / (one - zero)));
}

class ScoreMeans {
  readonly #sums = new Map<string, { sum: number; count: number }>();

  add(id: string, score: number): void {
    const known = this.#sums.get(id) ?? { sum: 0, count: 0 };
    this.#sums.set(id, { sum: known.sum + score, count: known.count + 1 });
  }

  /** For an image of one side, a score near 1 says it looks like the other. */
  highest(count: number): { id: string; score: number }[] {
    return [...this.#sums]
      .map(([id, { sum, count: n }]) => ({ id, score: sum / n }))
      .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1))
      .slice(0, count);
  }
}
