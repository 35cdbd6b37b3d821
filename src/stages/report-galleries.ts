/** The report's sections that show images: audited pairs, rejected images, the ledger. */
import { join } from 'node:path';
import { z } from 'zod';
import { type EvidencePair, isWithin } from '../audit/evidence.ts';
import { readParquet } from '../format/parquet-table.ts';
import { readDataset, placesOf } from '../images/dataset-manifest.ts';
import type { ImageRow } from '../images/image-row.ts';
import type { Places } from '../images/locate.ts';
import type {
  AuditFacts,
  CurateFacts,
  LedgerFacts,
  PairExample,
  PairType,
  RejectedExample,
} from '../report/input.ts';
import type { RunResult } from '../run/execute.ts';
import { readPairs } from './audit-tables.ts';
import { PACKAGE_FOLDER } from './dataset-access.ts';
import { LEDGER_COLUMNS, LEDGER_FILE } from './ledger-table.ts';
import { stagesNamed } from './summary.ts';
import { thumbnailOf } from './thumbnails.ts';

const PAIRS_PER_GROUP = 12;
const EXAMPLES_PER_REASON = 8;
const LEDGER_SAMPLE = 60;

interface Located {
  readonly row: ImageRow;
  readonly places: Places;
}

/** Every indexed image of the run by id. */
async function imagesOf(result: RunResult): Promise<Map<string, Located>> {
  const images = new Map<string, Located>();
  for (const { folder } of stagesNamed(result, 'index')) {
    const dataset = await readDataset(folder);
    const places = placesOf(dataset.header, join(folder, 'dataset.yaml'), [PACKAGE_FOLDER]);
    for (const row of dataset.rows) images.set(row.id, { row, places });
  }
  return images;
}

const auditSchema = z.looseObject({
  levels: z.array(
    z.looseObject({
      level: z.string(),
      type: z.string(),
      images: z.number(),
      matched: z.number(),
      pairs: z.number(),
      rate: z.number().nullable(),
      low: z.number(),
      high: z.number(),
    }),
  ),
  match: z.object({
    phash: z.number(),
    dhash: z.number(),
    cosine: z.number(),
    copy: z.number(),
    ncc: z.number(),
    ssim: z.number(),
  }),
  degenerate: z.number(),
  pairs: z.number(),
  detection: z.array(
    z.object({
      task: z.string(),
      level: z.string(),
      threshold: z.number().nullable(),
      precision: z.number().nullable(),
      recall: z.number().nullable(),
      f1: z.number().nullable(),
      truePairs: z.number(),
      predictedPairs: z.number(),
    }),
  ),
  curves: z.array(
    z.object({
      task: z.string(),
      level: z.string(),
      thresholds: z.array(z.number()),
      precision: z.array(z.number()),
      recall: z.array(z.number()),
    }),
  ),
  histograms: z.array(
    z.object({
      level: z.string(),
      edges: z.array(z.number()),
      truePairs: z.array(z.number()),
      otherPairs: z.array(z.number()),
    }),
  ),
});

const TASKS: Readonly<Record<string, string>> = {
  twins: 'twins across the two sets',
  variants: 'variants within the training set',
};

/** The report says the evaluation side first, as its galleries show it. */
const TYPES: Readonly<Record<string, PairType>> = {
  'train-eval': 'eval-train',
  'train-val': 'val-train',
  'val-eval': 'eval-val',
};
const typeOf = (type: string): PairType => TYPES[type] ?? (type as PairType);

export async function auditFacts(result: RunResult): Promise<AuditFacts | null> {
  const [audit] = stagesNamed(result, 'audit');
  if (!audit) return null;
  const facts = auditSchema.parse(audit.outcome.facts);
  const pairs = await readPairs(join(audit.folder, 'pairs.parquet'));
  return {
    levels: facts.levels.map(({ level, type, images, matched, pairs: count, rate, low, high }) => ({
      level: levelWords(level, facts.match),
      pairType: typeOf(type),
      pairs: count,
      uniqueEval: matched,
      evalTotal: images,
      rate,
      low,
      high,
    })),
    headlineLevel: levelWords('verified', facts.match),
    degenerate: facts.degenerate,
    detection: facts.detection.map(
      ({ task, level, threshold, precision, recall, truePairs, predictedPairs }) => ({
        task: TASKS[task] ?? task,
        level,
        threshold,
        precision,
        recall,
        truePairs,
        predictedPairs,
      }),
    ),
    curves: facts.curves.map((curve) => ({ ...curve, task: TASKS[curve.task] ?? curve.task })),
    histograms: facts.histograms.map((histogram) => ({
      ...histogram,
      score: 'cosine similarity to the nearest training image',
    })),
    pairs: await examplesOf(pairs, await imagesOf(result)),
    pairsTotal: facts.pairs,
    rowsIn: `${audit.id}/pairs.parquet`,
  };
}

/** The level with the cut at which its pairs count as a match. */
function levelWords(level: string, match: z.infer<typeof auditSchema>['match']): string {
  if (level === 'verified') return `pixels that correlate from ${match.ncc}`;
  if (level.startsWith('copy:')) return `${level} from cosine ${match.copy}`;
  if (level === 'phash' || level === 'dhash') return `${level} within ${match[level]} bits`;
  return level.startsWith('teacher:') ? `${level} from cosine ${match.cosine}` : level;
}

/** The closest pairs of every level and type. */
async function examplesOf(
  pairs: readonly EvidencePair[],
  images: ReadonlyMap<string, Located>,
): Promise<PairExample[]> {
  const groups = new Map<string, EvidencePair[]>();
  for (const pair of pairs) {
    const key = `${pair.type} ${pair.evidence.level}`;
    const group = groups.get(key);
    if (group) group.push(pair);
    else groups.set(key, [pair]);
  }
  const examples: PairExample[] = [];
  for (const group of groups.values()) {
    const closest = [...group]
      .sort((x, y) => scoreOf(x, 'order') - scoreOf(y, 'order'))
      .slice(0, PAIRS_PER_GROUP);
    for (const pair of closest) {
      const [a, b] = [images.get(pair.a), images.get(pair.b)];
      if (!a || !b) continue;
      const [left, right] = isWithin(pair.type) ? [a, b] : [b, a];
      examples.push({
        pairType: typeOf(pair.type),
        left: await thumbnailOf(left.row, left.places),
        right: await thumbnailOf(right.row, right.places),
        level: pair.evidence.level,
        score: scoreOf(pair, 'shown'),
        verdict: verdictOf(pair),
      });
    }
  }
  return examples;
}

/** For sorting, closer is lower; as shown, the distance or the cosine itself. */
function scoreOf({ evidence }: EvidencePair, use: 'order' | 'shown'): number {
  if ('distance' in evidence) return evidence.distance;
  if ('ncc' in evidence) return use === 'order' ? -evidence.ncc : evidence.ncc;
  if ('cosine' in evidence) return use === 'order' ? -evidence.cosine : evidence.cosine;
  return use === 'order' ? 0 : 1;
}

function verdictOf({ evidence }: EvidencePair): string {
  if ('distance' in evidence) return evidence.distance <= 4 ? 'near' : 'candidate';
  if ('ncc' in evidence) return 'pixels agree';
  return 'cosine' in evidence ? 'similar' : 'exact';
}

export async function curateFacts(result: RunResult): Promise<CurateFacts | null> {
  const [curate] = stagesNamed(result, 'curate');
  if (!curate) return null;
  const facts = z
    .looseObject({ before: z.record(z.string(), z.number()), after: z.record(z.string(), z.number()) })
    .parse(curate.outcome.facts);
  const ledger = await readParquet(join(curate.folder, LEDGER_FILE), { columns: LEDGER_COLUMNS });
  const images = await imagesOf(result);
  const shown = new Map<string, number>();
  const examples: RejectedExample[] = [];
  for (const { imageId, reason, detail } of ledger) {
    const image = imageId === null ? undefined : images.get(imageId);
    if (!image || (shown.get(reason) ?? 0) >= EXAMPLES_PER_REASON) continue;
    shown.set(reason, (shown.get(reason) ?? 0) + 1);
    examples.push({ thumbnail: await thumbnailOf(image.row, image.places), reason, detail });
  }
  return {
    seen: curate.outcome.seen,
    kept: curate.outcome.kept,
    rejected: curate.outcome.rejected,
    classes: Object.entries(facts.before).map(([label, before]) => ({
      label,
      before,
      after: facts.after[label] ?? 0,
    })),
    examples,
    rowsIn: `${curate.id}/${LEDGER_FILE}`,
  };
}

/** Rejections of every stage: bad files first, since they are the ones a person can mend. */
export async function ledgerFacts(result: RunResult): Promise<LedgerFacts | null> {
  const stages = result.results.filter(({ outcome }) =>
    outcome.outputs.some(({ name }) => name === 'ledger'),
  );
  if (stages.length === 0) return null;
  const all = [];
  for (const { folder } of stages)
    all.push(...(await readParquet(join(folder, LEDGER_FILE), { columns: LEDGER_COLUMNS })));
  return {
    rows: all.slice(0, LEDGER_SAMPLE),
    total: all.length,
    rowsIn: stages.map(({ id }) => `${id}/${LEDGER_FILE}`).join(', '),
  };
}
