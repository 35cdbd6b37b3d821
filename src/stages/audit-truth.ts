/** How well each level finds pairs that are known to be true, at the best cut and over all cuts. */
import {
  type PairTruth,
  type ScoredPair,
  thresholdSweep,
  truthAcross,
  truthWithin,
} from '../audit/detection-quality.ts';
import type { Evidence, EvidencePair } from '../audit/evidence.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { EmbeddingEvidence } from './audit-embeddings.ts';

export interface Detection {
  readonly task: 'twins' | 'variants';
  readonly level: string;
  readonly threshold: number | null;
  readonly precision: number | null;
  readonly recall: number | null;
  readonly f1: number | null;
  readonly truePairs: number;
  readonly predictedPairs: number;
}

export interface DetectionCurve {
  readonly task: Detection['task'];
  readonly level: string;
  readonly thresholds: number[];
  readonly precision: number[];
  readonly recall: number[];
}

export interface Histogram {
  readonly level: string;
  readonly edges: number[];
  readonly truePairs: number[];
  readonly otherPairs: number[];
}

export interface JudgeInput {
  readonly train: readonly ImageRow[];
  readonly evaluation: readonly ImageRow[];
  readonly pairs: readonly EvidencePair[];
  readonly teachers: readonly EmbeddingEvidence[];
  readonly truth: { readonly twins?: 'name' | undefined; readonly variants?: 'group' | undefined };
}

/** Points of a curve that are kept for the report. */
const CURVE_POINTS = 40;

export function judge(input: JudgeInput): {
  detection: Detection[];
  curves: DetectionCurve[];
  histograms: Histogram[];
} {
  const { train, evaluation, pairs, truth } = input;
  const detection: Detection[] = [];
  const curves: DetectionCurve[] = [];
  const sweep = (task: Detection['task'], type: EvidencePair['type'], known: PairTruth): void => {
    if (known.count === 0) return;
    const ofType = pairs.filter((pair) => pair.type === type);
    for (const level of [...new Set(ofType.map((pair) => pair.evidence.level))]) {
      const scored = ofType.filter((pair) => pair.evidence.level === level).map(scoredOf);
      const { curve, best } = thresholdSweep(
        scored,
        known,
        level.startsWith('teacher:') ? 'higher' : 'lower',
      );
      detection.push({
        task,
        level,
        threshold: best?.threshold ?? null,
        precision: best?.precision ?? null,
        recall: best?.recall ?? null,
        f1: best?.f1 ?? null,
        truePairs: known.count,
        predictedPairs: best === null ? 0 : best.truePositives + best.falsePositives,
      });
      const points = thinned(curve, CURVE_POINTS);
      curves.push({
        task,
        level,
        thresholds: points.map((p) => p.threshold),
        precision: points.map((p) => p.precision),
        recall: points.map((p) => p.recall),
      });
    }
  };
  if (truth.twins !== undefined)
    sweep('twins', 'train-eval', truthAcross(keyed(train, 'name'), keyed(evaluation, 'name')));
  if (truth.variants !== undefined) sweep('variants', 'within-train', truthWithin(keyed(train, 'group')));
  return { detection, curves, histograms: input.teachers.map((teacher) => nearestHistogram(teacher, input)) };
}

const keyed = (rows: readonly ImageRow[], field: 'name' | 'group'): Map<string, string | null> =>
  new Map(rows.map((row) => [row.id, row[field]]));

function scoredOf({ a, b, evidence }: EvidencePair): ScoredPair {
  return { a, b, score: scoreOf(evidence) };
}

function scoreOf(evidence: Evidence): number {
  if ('distance' in evidence) return evidence.distance;
  return 'cosine' in evidence ? evidence.cosine : 0;
}

function thinned<T>(points: readonly T[], most: number): T[] {
  if (points.length <= most) return [...points];
  return Array.from({ length: most }, (_, i) => points[Math.round((i * (points.length - 1)) / (most - 1))]!);
}

const BINS = 40;

/** Cosine of each evaluation image to its nearest train image: those whose nearest is its twin, and the others. */
function nearestHistogram(
  { level, nearest }: EmbeddingEvidence,
  { train, evaluation }: JudgeInput,
): Histogram {
  const edges = Array.from({ length: BINS + 1 }, (_, i) => (2 * i) / BINS - 1);
  const truePairs = new Array<number>(BINS).fill(0);
  const otherPairs = new Array<number>(BINS).fill(0);
  evaluation.forEach((row, i) => {
    const index = nearest.index[i]!;
    if (index < 0) return;
    const bin = Math.min(BINS - 1, Math.max(0, Math.floor(((nearest.cosine[i]! + 1) / 2) * BINS)));
    const counts = train[index]!.name === row.name ? truePairs : otherPairs;
    counts[bin]! += 1;
  });
  return { level, edges, truePairs, otherPairs };
}
