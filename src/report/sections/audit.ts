/** How far the sets overlap: rates per level of evidence, how far those levels can be trusted, and pairs to look at. */
import { type SafeHtml, html } from '../html.ts';
import type {
  AuditFacts,
  DetectionFacts,
  LevelFacts,
  ScoreHistogram,
  SimilarityHistogram,
} from '../input.ts';
import { barChart } from '../charts/bars.ts';
import { histogram } from '../charts/histogram.ts';
import { formatCount, formatNumber, formatShare, plural } from '../number-format.ts';
import { PAIR_TYPE_WORDS } from '../pair-type-words.ts';
import { dataTable, numberColumn, textColumn } from '../table.ts';
import { agreementMaps } from './agreement.ts';
import { classPart } from './class-overlap.ts';
import { detectionCurves } from './detection-curves.ts';
import { distancePart } from './distances.ts';
import { pairGallery } from './pair-gallery.ts';
import { pairReview } from './pair-review.ts';
import { type Section, figureGrid } from './section.ts';

export function auditSection(audit: AuditFacts): Section {
  return {
    id: 'audit',
    title: 'Overlap audit',
    body: html`<p class="prose">
        A rate counts images with at least one match, never pairs, and each kind of pair is kept apart: a
        duplicate within one set is not a leak into the other.
        ${
          audit.degenerate > 0
            ? html`${plural(audit.degenerate, 'image is', 'images are')} too uniform or too small to compare
              and enter no rate.`
            : null
        }
      </p>
      ${levelTable(audit)} ${boundNote(audit)} ${audit.detection.length === 0 ? null : detectionTable(audit)}
      ${figureGrid([
        overlapChart(audit),
        ...detectionCurves(audit),
        ...audit.scores.map((one) => scoreChart(one, audit.rowsIn)),
        ...audit.histograms.map((one) => similarityChart(one, audit.rowsIn)),
        ...(audit.agreement === null ? [] : agreementMaps(audit.agreement)),
      ])}
      ${classPart(audit)} ${distancePart(audit)} ${pairReview(audit)} ${pairGallery(audit)}`,
  };
}

function levelTable(audit: AuditFacts): SafeHtml {
  return dataTable<LevelFacts>({
    caption: 'Overlap by level of evidence, strongest first, with 95\u00a0% Clopper-Pearson intervals.',
    rowsIn: audit.rowsIn,
    rows: audit.levels,
    columns: [
      textColumn('evidence', (level) => level.level),
      textColumn('between', (level) => PAIR_TYPE_WORDS[level.pairType]),
      numberColumn('pairs', (level) => level.pairs, formatCount),
      numberColumn('images with a match', (level) => level.uniqueEval, formatCount),
      numberColumn('of', (level) => level.evalTotal, formatCount),
      ...(audit.levels.some(({ uncompared }) => uncompared > 0)
        ? [numberColumn<LevelFacts>('not compared', (level) => level.uncompared, formatCount)]
        : []),
      ...(audit.levels.some(({ open }) => open > 0)
        ? [numberColumn<LevelFacts>('may match besides', (level) => level.open, formatCount)]
        : []),
      numberColumn('rate', (level) => level.rate, formatShare),
      numberColumn('from', (level) => level.low, formatShare),
      numberColumn('to', (level) => level.high, formatShare),
    ],
  });
}

/** Which figures are lower bounds, and why. */
function boundNote(audit: AuditFacts): SafeHtml | null {
  const bounded = audit.levels.filter((one) => one.bounded !== 'no');
  if (bounded.length === 0 && audit.listNotes.length === 0) return null;
  const named = (bound: LevelFacts['bounded']): string =>
    bounded
      .filter((one) => one.bounded === bound)
      .map((one) => `${one.level} (${PAIR_TYPE_WORDS[one.pairType]})`)
      .join('; ');
  const [pairs, images] = [named('pairs'), named('images')];
  return html`<p class="prose">
    ${
      images === ''
        ? null
        : html`Images with a match are at least as many as counted, and upper ends are those of all that may
          match besides: ${images}. `
    }${pairs === '' ? null : html`Pairs are at least as many as counted: ${pairs}. `}${audit.listNotes.join(' ')}
  </p>`;
}

function overlapChart(audit: AuditFacts): SafeHtml {
  return barChart({
    title: 'Evaluation images with a match in the training set',
    note: 'Lines are 95\u00a0% intervals.',
    rowsIn: audit.rowsIn,
    axisTitle: 'share of evaluation images',
    isShare: true,
    format: formatShare,
    bars: audit.levels
      .filter((level) => level.pairType === 'eval-train')
      .map((level) => ({ label: level.level, value: level.rate, low: level.low, high: level.high })),
  });
}

function detectionTable(audit: AuditFacts): SafeHtml {
  return dataTable<DetectionFacts>({
    caption: 'Detection of pairs that are known to be true, at the threshold in use.',
    rowsIn: audit.rowsIn,
    rows: audit.detection,
    columns: [
      textColumn('to be found', (one) => one.task),
      textColumn('evidence', (one) => one.level),
      numberColumn('threshold', (one) => one.threshold, formatNumber),
      numberColumn('precision', (one) => one.precision, formatShare),
      numberColumn('recall', (one) => one.recall, formatShare),
      numberColumn('true pairs', (one) => one.truePairs, formatCount),
      numberColumn('predicted pairs', (one) => one.predictedPairs, formatCount),
    ],
  });
}

function scoreChart(one: ScoreHistogram, rowsIn: string): SafeHtml {
  return histogram({
    title: `Listed pairs by ${one.level}`,
    note: 'Pairs within training show what this source looks like to itself.',
    rowsIn,
    edges: one.edges,
    xTitle: one.score,
    noun: 'pairs',
    series: one.series.map(({ pairType, counts }) => ({ name: PAIR_TYPE_WORDS[pairType], counts })),
  });
}

function similarityChart(one: SimilarityHistogram, rowsIn: string): SafeHtml {
  return histogram({
    title: `Scores by ${one.level}`,
    note: 'Each kind is shown as a share of its own pairs; where the two lie apart, a threshold can tell them apart.',
    rowsIn,
    edges: one.edges,
    xTitle: one.score,
    noun: 'pairs',
    series: [
      { name: 'true pairs', counts: one.truePairs },
      { name: 'other pairs', counts: one.otherPairs },
    ],
  });
}
