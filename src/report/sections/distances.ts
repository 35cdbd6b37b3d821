/** How far the two sets lie apart as wholes, in the eyes of each teacher: every distance beside its null and its anchor. */
import { heatMap } from '../charts/heat-map.ts';
import { type HtmlValue, type SafeHtml, html } from '../html.ts';
import type { AuditFacts, DistanceFacts, MetricFacts } from '../input.ts';
import { formatNumber, isMeasured, plural } from '../number-format.ts';
import { dataTable, numberColumn, textColumn } from '../table.ts';
import { figureGrid } from './section.ts';

export function distancePart({ distances, distancesIn }: AuditFacts): HtmlValue {
  if (distances.length === 0) return null;
  return html`<h3>Distance of the two sets</h3>
    <p class="prose">
      Raw distances of two teachers cannot be compared, relative ones can: 0 lies as far from training as
      training does from itself, 1 as far as something unrelated
      ${
        distances.every(({ anchorKind }) => anchorKind === 'shuffled')
          ? '(training features with their coordinates shuffled).'
          : '(the anchor that was given).'
      }
      For precision, recall, density, coverage and containment, 0 means as much overlap as training has with
      itself.
    </p>
    ${figureGrid([relativeMap(distances, distancesIn)])}
    ${distances.map((one) => metricTable(one, distancesIn))}`;
}

function relativeMap(distances: readonly DistanceFacts[], rowsIn: string): SafeHtml {
  const metrics = [...new Set(distances.flatMap((one) => one.metrics.map(({ metric }) => metric)))];
  return heatMap({
    title: 'Relative distance of evaluation from training',
    note: '0 like training to itself, 1 like something unrelated.',
    rowsIn,
    rows: metrics,
    columns: distances.map(({ teacher }) => teacher),
    values: metrics.map((wanted) =>
      distances.map((one) => one.metrics.find(({ metric }) => metric === wanted)?.relative ?? null),
    ),
    pivot: 0,
    format: (value) => (isMeasured(value) ? value.toFixed(2) : '–'),
  });
}

function metricTable({ teacher, images, metrics, leftOut }: DistanceFacts, rowsIn: string): SafeHtml {
  const warnings = [...new Set(metrics.flatMap(({ warning }) => (warning === null ? [] : [warning])))];
  return html`${dataTable<MetricFacts>({
    caption: `Distances by ${teacher}, on samples of ${plural(images, 'image')} a side, with 95\u00a0% intervals.`,
    rowsIn,
    rows: metrics,
    columns: [
      textColumn('metric', (one) => one.metric),
      numberColumn('distance', (one) => one.value, formatNumber),
      numberColumn('from', (one) => one.low, orDash),
      numberColumn('to', (one) => one.high, orDash),
      numberColumn('p', (one) => one.pValue, orDash),
      numberColumn('by theory, if equal', (one) => one.expected, orDash),
      numberColumn('training to itself', (one) => one.trainNull, formatNumber),
      numberColumn('evaluation to itself', (one) => one.evalNull, formatNumber),
      numberColumn('unrelated', (one) => one.anchor, formatNumber),
      numberColumn('relative', (one) => one.relative, orDash),
    ],
  })}
  ${
    warnings.length + leftOut.length === 0
      ? null
      : html`<p class="quiet prose">
          ${warnings.map((warning) => html`${warning}. `)}${leftOut.map(({ metric, reason }) => html`Left out: ${metric} (${reason}). `)}
        </p>`
  }`;
}

const orDash = (value: number | null): string => (isMeasured(value) ? formatNumber(value) : '–');
