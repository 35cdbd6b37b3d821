/** The report's section on the audit: its facts, and the tables that it left. */
import { join } from 'node:path';
import type { EvidenceLevel } from '../audit/evidence.ts';
import type { z } from 'zod';
import { digestOf } from '../core/digest.ts';
import { readParquet } from '../format/parquet-table.ts';
import type { AgreementFacts, AuditFacts, ClassOverlap, TransferFacts } from '../report/input.ts';
import { PAIR_TYPE_WORDS } from '../report/pair-type-words.ts';
import type { RunResult, StageResult } from '../run/execute.ts';
import { auditFactsSchema } from './audit-facts.ts';
import { type AuditParams, thresholdsOf } from './audit-params.ts';
import { AGREEMENT_COLUMNS, CLASS_COLUMNS, TRANSFER_COLUMNS, readPairs } from './audit-tables.ts';
import { imagesOf } from './report-images.ts';
import { examplesOf, scoreHistograms, typeOf } from './report-pairs.ts';
import { stagesNamed } from './summary.ts';

const TASKS: Readonly<Record<string, string>> = {
  twins: 'twins across the two sets',
  variants: 'variants within the training set',
};

export async function auditFacts(result: RunResult): Promise<AuditFacts | null> {
  const [audit] = stagesNamed(result, 'audit');
  if (!audit) return null;
  const facts = auditFactsSchema.parse(audit.outcome.facts);
  const pairs = await readPairs(join(audit.folder, 'pairs.parquet'));
  const levels = [...new Set(facts.levels.map(({ level }) => level))] as EvidenceLevel[];
  const thresholds = thresholdsOf(levels, facts.match);
  return {
    levels: facts.levels.map(({ level, type, images, matched, pairs: count, ...rest }) => ({
      level: levelWords(level, facts.match),
      pairType: typeOf(type),
      pairs: count,
      uniqueEval: matched,
      evalTotal: images,
      uncompared: rest.uncompared,
      bounded: rest.bounded,
      open: rest.open,
      rate: rest.rate,
      low: rest.low,
      high: rest.high,
    })),
    digest: digestOf(Object.fromEntries(audit.outcome.outputs.map(({ name, digest }) => [name, digest]))),
    listNotes: facts.hashLists.flatMap(listNote),
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
    scores: scoreHistograms(pairs),
    agreement: await agreementOf(audit),
    ...(await classFacts(audit)),
    distances: facts.distances.map(({ level, images, anchorKind, summary, leftOut }) => ({
      teacher: level,
      images,
      anchorKind,
      metrics: summary,
      leftOut,
    })),
    distancesIn: `${audit.id}/distances.parquet`,
    pairs: await examplesOf(pairs, thresholds, await imagesOf(result)),
    pairsTotal: facts.pairs,
    rowsIn: `${audit.id}/pairs.parquet`,
  };
}

type HashListFacts = z.infer<typeof auditFactsSchema>['hashLists'][number];

/** Where not every pair of hashes was listed: what was. */
function listNote({ level, type, radius, listedTo, hubs, open }: HashListFacts): string[] {
  if (open === 0) return [];
  const between = PAIR_TYPE_WORDS[typeOf(type)];
  const whole =
    listedTo === radius
      ? `${hubs} images are near more others within ${radius} bits than are listed`
      : listedTo < 0
        ? `there were too many pairs to list, even of equal hashes: only the nearest of each image are`
        : `all pairs within ${listedTo} bits are listed, and up to ${radius} bits only the nearest of each image`;
  return [`${level}, ${between}: ${whole}; ${open} images have pairs that were not looked at.`];
}

/** The level with the cut at which its pairs count as a match. */
function levelWords(level: string, match: AuditParams['match']): string {
  if (level === 'verified') return `pixels that correlate from ${match.ncc}`;
  if (level.startsWith('copy:')) return `${level} from cosine ${match.copy}`;
  if (level === 'phash' || level === 'dhash') return `${level} within ${match[level]} bits`;
  return level.startsWith('teacher:') ? `${level} from cosine ${match.cosine}` : level;
}

/** Of pairs between the two sides, for the levels that flag any. */
async function agreementOf({ id, folder }: StageResult): Promise<AgreementFacts | null> {
  const rows = (await readParquet(join(folder, 'agreement.parquet'), { columns: AGREEMENT_COLUMNS })).filter(
    ({ type, pairsA, pairsB }) => type === 'train-eval' && pairsA > 0 && pairsB > 0,
  );
  const levels = [...new Set(rows.map(({ levelA }) => levelA))];
  if (levels.length < 2) return null;
  const matrix = (field: 'shareOfA' | 'kappa'): (number | null)[][] =>
    levels.map((a) =>
      levels.map((b) => rows.find(({ levelA, levelB }) => levelA === a && levelB === b)![field]),
    );
  return {
    levels,
    shareOfRow: matrix('shareOfA'),
    kappa: matrix('kappa'),
    rowsIn: `${id}/agreement.parquet`,
  };
}

/** Exact levels say nothing that the verified one does not. */
const EXACT: readonly string[] = ['byte', 'pixel'];
const MOST_LABELS = 10;

async function classFacts({
  id,
  folder,
}: StageResult): Promise<Pick<AuditFacts, 'classes' | 'classesIn' | 'transfer' | 'transferIn'>> {
  const rows = await readParquet(join(folder, 'classes.parquet'), { columns: CLASS_COLUMNS });
  const classes = rows
    .filter(({ level }) => !EXACT.includes(level))
    .sort((x, y) => y.shrunk - x.shrunk || (x.label < y.label ? -1 : 1))
    .map(({ level, label, images, matched, rate, low, high, shrunk, qValue }): ClassOverlap => ({
      level,
      label,
      images,
      matched,
      rate,
      low,
      high,
      shrunk,
      qValue,
    }));
  const sizes = new Map(rows.map(({ label, images }) => [label, images]));
  const cells = await readParquet(join(folder, 'transfer.parquet'), { columns: TRANSFER_COLUMNS });
  return {
    classes,
    classesIn: `${id}/classes.parquet`,
    transfer: transferMaps(
      cells.filter(({ level }) => !EXACT.includes(level)),
      sizes,
    ),
    transferIn: `${id}/transfer.parquet`,
  };
}

type Cell = Awaited<ReturnType<typeof readParquet<typeof TRANSFER_COLUMNS>>>[number];

/** One map per basis and level: the largest classes of either side, largest first. */
function transferMaps(cells: readonly Cell[], sizes: ReadonlyMap<string, number>): TransferFacts[] {
  const keys = [...new Set(cells.map(({ basis, level }) => `${basis} ${level}`))];
  return keys.map((key): TransferFacts => {
    const own = cells.filter(({ basis, level }) => `${basis} ${level}` === key);
    const { basis, level } = own[0]!;
    const largest = (field: 'trainLabel' | 'evalLabel'): string[] => {
      const totals = new Map<string, number>();
      for (const cell of own) totals.set(cell[field], (totals.get(cell[field]) ?? 0) + cell.images);
      return [...totals].sort((x, y) => y[1] - x[1] || (x[0] < y[0] ? -1 : 1)).map(([label]) => label);
    };
    const [trainLabels, evalLabels] = [largest('trainLabel'), largest('evalLabel')];
    const columns = evalLabels.slice(0, MOST_LABELS);
    // the classes that the columns are of come first, in their order, so that the diagonal can be seen
    const shown = [
      ...columns.filter((label) => trainLabels.includes(label)),
      ...trainLabels.filter((label) => !columns.includes(label)),
    ].slice(0, MOST_LABELS);
    return {
      basis: basis === 'match' ? 'match' : 'nearest',
      level,
      trainLabels: shown,
      evalLabels: columns,
      shares: shown.map((train) =>
        columns.map((evaluation) => {
          const cell = own.find((one) => one.trainLabel === train && one.evalLabel === evaluation);
          return (cell?.images ?? 0) / sizes.get(evaluation)!;
        }),
      ),
      isCut: trainLabels.length > shown.length || evalLabels.length > columns.length,
    };
  });
}
