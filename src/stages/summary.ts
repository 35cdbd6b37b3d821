/**
 * summary.json: the figures of a run under stable keys (summary-schema.ts). Targets of a stage that was skipped count as reused, because nothing was
 * computed for them in this run.
 */
import { z } from 'zod';
import type { Json } from '../core/canonical-json.ts';
import type { RunResult, StageResult } from '../run/execute.ts';
import { auditFactsSchema } from './audit-facts.ts';
import { cacheFactsSchema } from './cached-spaces.ts';

export const spaceFacts = z.looseObject({
  label: z.string(),
  spaceId: z.string(),
  teacher: z.string(),
  sizePx: z.int(),
  kind: z.enum(['summary', 'spatial', 'pixels']),
  shape: z.array(z.int()),
  dtype: z.string(),
  written: z.int(),
  reused: z.int(),
  failed: z.int(),
  bytes: z.int(),
});
export type SpaceFigures = z.infer<typeof spaceFacts>;

export const scoreFacts = z.array(
  z.object({
    subject: z.enum(['teacher', 'pixels', 'student', 'untrained']),
    name: z.string(),
    measures: z.array(
      z.object({
        measure: z.enum(['knn', 'twin']),
        value: z.number().nullable(),
        low: z.number(),
        high: z.number(),
        images: z.int(),
      }),
    ),
  }),
);

export function stagesNamed(result: RunResult, name: string): StageResult[] {
  return result.results.filter(({ stage }) => stage === name);
}

/** One line per space over all cache stages; a later stage finds rows of an earlier one present, so the sums are per run. */
export function spaceFigures(result: RunResult): SpaceFigures[] {
  const byId = new Map<string, SpaceFigures>();
  for (const { outcome, reused } of stagesNamed(result, 'cache'))
    for (const raw of cacheFactsSchema.parse(outcome.facts).spaces) {
      const facts = spaceFacts.parse(raw);
      const now = reused ? { ...facts, written: 0, reused: facts.written + facts.reused } : facts;
      const known = byId.get(facts.spaceId);
      byId.set(facts.spaceId, {
        ...now,
        written: now.written + (known?.written ?? 0),
        reused: now.reused + (known?.reused ?? 0),
        bytes: Math.max(now.bytes, known?.bytes ?? 0),
      });
    }
  return [...byId.values()];
}

export function summaryOf(result: RunResult): Record<string, Json> {
  const summary: Record<string, Json> = {
    images: imagesPerSplit(result),
    stages: result.results.map(({ id, stage, outcome, seconds, reused }) => ({
      id,
      stage,
      seen: outcome.seen,
      kept: outcome.kept,
      rejected: { ...outcome.rejected },
      seconds,
      reused,
    })),
    seconds: {
      ...Object.fromEntries(result.results.map(({ id, seconds }) => [id, seconds])),
      total: result.seconds,
    },
  };
  const spaces = spaceFigures(result);
  if (spaces.length > 0) summary['targets'] = targets(spaces);
  const [audit] = stagesNamed(result, 'audit');
  if (audit) summary['audit'] = auditFigures(audit);
  const [impact] = stagesNamed(result, 'impact');
  if (impact) summary['impact'] = impact.outcome.facts;
  const [gate] = stagesNamed(result, 'gate');
  if (gate) summary['gate'] = gate.outcome.facts;
  const [calibration] = stagesNamed(result, 'calibrate');
  if (calibration) summary['calibration'] = calibration.outcome.facts;
  const [curate] = stagesNamed(result, 'curate');
  if (curate)
    summary['curate'] = {
      seen: curate.outcome.seen,
      kept: curate.outcome.kept,
      rejected: { ...curate.outcome.rejected },
      ...candidateFigures(curate),
    };
  const [statistics] = stagesNamed(result, 'statistics');
  if (statistics) summary['statistics'] = statistics.outcome.facts;
  const [train] = stagesNamed(result, 'train');
  if (train) summary['loss'] = (train.outcome.facts as { loss: Json }).loss;
  const [evaluate] = stagesNamed(result, 'evaluate');
  if (evaluate) Object.assign(summary, evaluationFigures(evaluate));
  return summary;
}

/** How far the last search of a curation compared pixels, where its policy asks for that. */
function candidateFigures({ outcome }: StageResult): { candidates?: Json } {
  const { candidates } = z.looseObject({ candidates: z.array(z.json()) }).parse(outcome.facts);
  return candidates.length === 0 ? {} : { candidates: candidates };
}

function imagesPerSplit(result: RunResult): Json {
  const counts: Record<string, number> = {};
  for (const { outcome } of stagesNamed(result, 'index')) {
    const { split } = z.looseObject({ split: z.string() }).parse(outcome.facts);
    counts[split] = (counts[split] ?? 0) + outcome.kept;
  }
  const [curate] = stagesNamed(result, 'curate');
  if (curate) counts['curated'] = curate.outcome.kept;
  return counts;
}

function targets(spaces: readonly SpaceFigures[]): Json {
  const perTeacher: Record<string, Record<string, { written: number; reused: number }>> = {};
  for (const { teacher, sizePx, written, reused } of spaces) {
    const sizes = (perTeacher[teacher] ??= {});
    const sum = (sizes[String(sizePx)] ??= { written: 0, reused: 0 });
    sum.written += written;
    sum.reused += reused;
  }
  const total = (field: 'written' | 'reused'): number => spaces.reduce((sum, space) => sum + space[field], 0);
  return { written: total('written'), reused: total('reused'), perTeacher };
}

function auditFigures({ outcome }: StageResult): Json {
  const facts = auditFactsSchema.parse(outcome.facts);
  const levels: Record<string, Record<string, Json>> = {};
  for (const { level, type, degenerateImages, degeneratePairs, ...counts } of facts.levels) {
    const { images, matched, pairs, rate, low, high, uncompared, bounded, open } = counts;
    // flat images are in no rate; their pairs are counted here, so that none is lost from sight
    const degenerate = { images: degenerateImages, pairs: degeneratePairs };
    (levels[level] ??= {})[type] = {
      ...{ images, matched, pairs, rate, low, high },
      ...{ uncompared, bounded, open, degenerate },
    };
  }
  const hashLists: Record<string, Record<string, Json>> = {};
  for (const { level, type, ...list } of facts.hashLists) (hashLists[level] ??= {})[type] = list;
  const detection: Record<string, Record<string, Json>> = {};
  for (const { task, level, threshold, precision, recall, f1 } of facts.detection)
    (detection[task] ??= {})[level] = { threshold, precision, recall, f1 };
  const nulls: Record<string, Record<string, number | null>> = {};
  for (const { level, side, mean } of facts.nulls) (nulls[level] ??= {})[`${side}-${side}`] = mean;
  const distances: Record<string, Json> = {};
  for (const { level, images, summary, leftOut } of facts.distances)
    distances[level] = {
      images,
      leftOut: Object.fromEntries(leftOut.map(({ metric, reason }) => [metric, reason])),
      ...Object.fromEntries(
        summary.map(({ metric, value, trainNull, anchor, relative, pValue }) => [
          metric,
          { value, trainNull, anchor, relative, pValue },
        ]),
      ),
    };
  const { planted, found } = facts.canaries;
  return {
    levels,
    degenerate: facts.degenerate,
    hashLists,
    labelConflicts: facts.labelConflicts,
    canaries: { planted, found },
    nulls,
    distances,
    ...detection,
  };
}

function evaluationFigures({ outcome }: StageResult): Record<string, Json> {
  const facts = z
    .looseObject({ scores: scoreFacts, fidelity: z.record(z.string(), z.number()) })
    .parse(outcome.facts);
  const measure = (wanted: 'knn' | 'twin'): Json => {
    const teachers: Record<string, number | null> = {};
    const others: Record<string, number | null> = {};
    for (const { subject, name, measures } of facts.scores) {
      const value = measures.find((one) => one.measure === wanted)?.value ?? null;
      if (subject === 'teacher') teachers[name] = value;
      else others[subject] = value;
    }
    return { teachers, ...others };
  };
  return {
    knn: measure('knn'),
    twin: measure('twin'),
    fidelity: lowestFidelity(facts.fidelity),
    fidelityHeads: facts.fidelity,
  };
}

/** A teacher's fidelity is that of its worst head: `nanodet@224.spatial` and its siblings give `nanodet`. */
function lowestFidelity(heads: Readonly<Record<string, number>>): Record<string, number> {
  const lowest: Record<string, number> = {};
  for (const [head, value] of Object.entries(heads)) {
    const teacher = head.slice(0, head.lastIndexOf('@'));
    lowest[teacher] = Math.min(lowest[teacher] ?? Infinity, value);
  }
  return lowest;
}
